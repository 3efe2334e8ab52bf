package config

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// maxLoops bounds a slip of the finger, not a machine.
const maxLoops = 1024

// shortestStaleLimit is above the time in which discovery calls a view stale, and
// leaves Patroni a second to answer.
const shortestStaleLimit = 4 * time.Second

// decoder takes the values of a parsed file over into the structs. Unknown
// keys and wrong types go to the report, and the walk goes on: one fault hides
// no other. What is at fault or left out keeps the value it had before.
type decoder struct {
	*report
}

// config is what the file says, on top of the defaults.
func (d decoder) config(tree map[string]any) *Config {
	cfg := Default()
	cfg.Listeners, cfg.Clusters, cfg.Routes = nil, nil, nil
	d.table("", tree, reflect.ValueOf(cfg).Elem())
	if raw, ok := tree["route"]; ok {
		cfg.Routes = tables(d, "route", raw, cfg.newRoute)
	}
	if raw, ok := tree["user"]; ok {
		cfg.Users = tables(d, "user", raw, cfg.newUser)
	}
	return cfg
}

// table takes the table at key path over into the struct dst.
func (d decoder) table(path string, raw map[string]any, dst reflect.Value) {
	fields := fieldsByName(dst)
	for _, name := range slices.Sorted(maps.Keys(raw)) {
		key := childKey(path, name)
		field, ok := fields[name]
		if !ok {
			d.unreadable(key, "unknown key")
			continue
		}
		d.given[key] = true
		d.value(key, raw[name], field)
	}
}

// fieldsByName is the fields of a struct by the names they have in the file.
func fieldsByName(v reflect.Value) map[string]reflect.Value {
	fields := make(map[string]reflect.Value, v.NumField())
	for i := range v.NumField() {
		fields[v.Type().Field(i).Tag.Get("toml")] = v.Field(i)
	}
	return fields
}

// value takes raw, the value of key, over into dst.
func (d decoder) value(key string, raw any, dst reflect.Value) {
	switch to := dst.Addr().Interface().(type) {
	case *string:
		d.text(key, raw, to)
	case *[]string:
		d.texts(key, raw, to)
	case *bool:
		if v, ok := as[bool](d, key, raw, "true or false"); ok {
			*to = v
		}
	case *[]int:
		d.numbers(key, raw, to)
	case *int:
		if isRouteGroup(key) {
			d.group(key, raw, to)
			return
		}
		d.number(key, raw, to)
	case *time.Duration:
		d.duration(key, raw, to)
	case *Loops:
		d.loops(key, raw, to)
	case *StaleLeaderLimit:
		d.staleLeaderLimit(key, raw, to)
	case *[]Listener:
		*to = tables(d, key, raw, newListener)
	case *[]Cluster:
		*to = tables(d, key, raw, newCluster)
	case *[]AuthRule:
		*to = tables(d, key, raw, newAuthRule)
	case *[]Route, *[]User: // come last, because their defaults are in [pool]: see config
	default:
		if v, ok := as[map[string]any](d, key, raw, "a table"); ok {
			d.table(key, v, dst)
		}
	}
}

func (d decoder) text(key string, raw any, to *string) {
	v, ok := as[string](d, key, raw, "a string")
	if !ok {
		return
	}
	// None has a use, and each could forge a log line or end a name early.
	if strings.ContainsFunc(v, unicode.IsControl) {
		d.unreadable(key, "must not have control characters in it")
		return
	}
	*to = v
}

// texts leaves "" in the place of what is no string, so that the other items
// keep their numbers.
func (d decoder) texts(key string, raw any, to *[]string) {
	items, ok := itemsOf(raw)
	if !ok {
		d.unreadable(key, "must be a list of strings, not %s", kindOf(raw))
		return
	}
	*to = make([]string, len(items))
	for i, item := range items {
		d.text(itemKey(key, i), item, &(*to)[i])
	}
}

// number keeps to 32 bits: no setting has a use for more, and some end up in
// an int32.
func (d decoder) number(key string, raw any, to *int) {
	v, ok := as[int64](d, key, raw, "a whole number")
	if !ok {
		return
	}
	if v > math.MaxInt32 || v < math.MinInt32 {
		d.unreadable(key, "is out of range")
		return
	}
	*to = int(v)
}

// wantDuration is what a duration has to look like.
const wantDuration = `a duration with its unit, such as "30s", "5m" or "1h30m"`

func (d decoder) duration(key string, raw any, to *time.Duration) {
	text, ok := as[string](d, key, raw, wantDuration)
	if !ok {
		return
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		d.unreadable(key, "must be %s, not %q", wantDuration, text)
		return
	}
	*to = v
}

func (d decoder) loops(key string, raw any, to *Loops) {
	if raw == "auto" {
		*to = 0
		return
	}
	v, ok := raw.(int64)
	if !ok || v < 1 || v > maxLoops {
		d.unreadable(key, `must be "auto" or a whole number from 1 to %d`, maxLoops)
		return
	}
	*to = Loops(v)
}

func (d decoder) staleLeaderLimit(key string, raw any, to *StaleLeaderLimit) {
	if raw == "auto" {
		*to = 0
		return
	}
	text, _ := raw.(string)
	v, err := time.ParseDuration(text)
	if err != nil {
		d.unreadable(key, `must be "auto" or a duration with its unit, such as "20s"`)
		return
	}
	if v < shortestStaleLimit {
		d.unreadable(key, `must be "auto" or at least %s: so long it takes to miss etcd and to ask Patroni`, shortestStaleLimit)
		return
	}
	*to = StaleLeaderLimit(v)
}

// tables takes a list of tables over, each on top of what blank returns. What
// is no table leaves a blank, so that the others keep their numbers.
func tables[T any](d decoder, key string, raw any, blank func() T) []T {
	items, ok := itemsOf(raw)
	if !ok {
		d.unreadable(key, "must be a list of tables, [[%s]], not %s", key, kindOf(raw))
		return nil
	}
	list := make([]T, len(items))
	for i, item := range items {
		list[i] = blank()
		if table, ok := as[map[string]any](d, itemKey(key, i), item, "a table"); ok {
			d.table(itemKey(key, i), table, reflect.ValueOf(&list[i]).Elem())
		}
	}
	return list
}

// itemsOf evens out the two types that the library has for lists.
func itemsOf(raw any) ([]any, bool) {
	switch list := raw.(type) {
	case []any:
		return list, true
	case []map[string]any:
		items := make([]any, len(list))
		for i, table := range list {
			items[i] = table
		}
		return items, true
	}
	return nil, false
}

// as is raw as a T, or a fault that says what was wanted.
func as[T any](d decoder, key string, raw any, want string) (T, bool) {
	v, ok := raw.(T)
	if !ok {
		d.unreadable(key, "must be %s, not %s", want, kindOf(raw))
	}
	return v, ok
}

// kindOf names the type of a TOML value.
func kindOf(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a decimal number"
	case bool:
		return "true or false"
	case time.Time:
		return "a date or time"
	case map[string]any:
		return "a table"
	}
	return "a list"
}
