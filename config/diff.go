package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Difference is one setting that two configurations have different values for, or a
// table that only one of them has.
type Difference struct {
	Key     string // pool.pool_size; of items of lists by what names them: cluster main, listener :6432, route app
	Old     string // as a file would have it; "" = not there
	New     string // likewise
	Restart bool   // a running Portero keeps the old value until it is started anew
}

// String is the difference on a line, with + for what is new and - for what is gone.
func (d Difference) String() string {
	s := ""
	switch {
	case d.Old == "":
		s = "+ " + d.Key + set(d.New)
	case d.New == "":
		s = "- " + d.Key + set(d.Old)
	default:
		s = fmt.Sprintf("~ %s: %s -> %s", d.Key, d.Old, d.New)
	}
	if d.Restart {
		s += " (from the next restart on)"
	}
	return s
}

// set is how a value stands behind its key; a whole table has none.
func set(value string) string {
	if value == aTable {
		return ""
	}
	return ": " + value
}

const aTable = "[]"

// fixed are the settings that a running Portero does not change.
var fixed = []string{"loops", "admin.address", "admin.takeover", "log.format"}

// Fixed are the keys of the settings that only a restart changes.
func Fixed() []string { return fixed }

// KeepFixed has next keep what c has of the settings that only a restart changes.
func (c *Config) KeepFixed(next *Config) {
	next.Loops, next.Admin.Address, next.Admin.Takeover, next.Log.Format = c.Loops, c.Admin.Address, c.Admin.Takeover, c.Log.Format
}

// Diff is what is different between two configurations, in the order of the schema. Of
// secrets it says only that they are. Nothing is changed.
func Diff(from, to *Config) []Difference {
	d := &differ{from: fieldsByName(reflect.ValueOf(from.Pool)), to: fieldsByName(reflect.ValueOf(to.Pool))}
	d.tables("", reflect.ValueOf(*from), reflect.ValueOf(*to))
	return d.found
}

type differ struct {
	from, to map[string]reflect.Value // [pool], of which routes and users have what they do not give
	found    []Difference
}

// isPools reports whether a setting of a route or a user has changed with that of [pool].
func (d *differ) isPools(name string, a, b reflect.Value) bool {
	from, to := d.from[name], d.to[name]
	return from.IsValid() && from.Type() == a.Type() && reflect.DeepEqual(from.Interface(), a.Interface()) && reflect.DeepEqual(to.Interface(), b.Interface())
}

// tables compares two structs of one type.
func (d *differ) tables(key string, a, b reflect.Value) {
	of := a.Type()
	for i := range a.NumField() {
		name := of.Field(i).Tag.Get("toml")
		if (of == reflect.TypeFor[Route]() || of == reflect.TypeFor[User]()) && d.isPools(name, a.Field(i), b.Field(i)) {
			continue
		}
		d.values(childKey(key, name), a.Field(i), b.Field(i))
	}
}

func (d *differ) values(key string, a, b reflect.Value) {
	switch {
	case a.Kind() == reflect.Struct:
		d.tables(key, a, b)
	case a.Kind() == reflect.Slice && a.Type().Elem().Kind() == reflect.Struct:
		d.lists(key, a, b)
	case !reflect.DeepEqual(a.Interface(), b.Interface()):
		d.add(key, written(key, a), written(key, b))
	}
}

// lists compares lists of tables. Items that go by one name are one item.
func (d *differ) lists(key string, a, b reflect.Value) {
	for i := range a.Len() {
		at := itemName(key, a, i)
		if j := indexNamed(key, b, at); j >= 0 {
			d.tables(at, a.Index(i), b.Index(j))
		} else {
			d.add(at, aTable, "")
		}
	}
	order := 0
	for j := range b.Len() {
		at := itemName(key, b, j)
		i := indexNamed(key, a, at)
		if i < 0 {
			d.add(at, "", aTable)
		} else if i < order {
			d.add(at, "behind others", "before others")
		} else {
			order = i
		}
	}
}

func (d *differ) add(key, from, to string) {
	one := Difference{Key: key, Old: from, New: to}
	for _, f := range fixed {
		one.Restart = one.Restart || f == key
	}
	d.found = append(d.found, one)
}

func indexNamed(key string, list reflect.Value, name string) int {
	for i := range list.Len() {
		if itemName(key, list, i) == name {
			return i
		}
	}
	return -1
}

// itemName is what an item of a list is known by, whatever its place.
func itemName(key string, list reflect.Value, i int) string {
	switch item := list.Index(i).Interface().(type) {
	case Listener:
		return key + " " + item.Address
	case Cluster:
		return key + " " + item.Name
	case User:
		return key + " " + item.Name
	case Route:
		return key + " " + item.asks()
	}
	return itemKey(key, i)
}

// written is a value as a file would have it.
func written(key string, v reflect.Value) string {
	switch value := v.Interface().(type) {
	case int:
		if value == AnyGroup && strings.HasSuffix(key, ".group") {
			return strconv.Quote(anyGroup)
		}
	case []int:
		return "[" + strings.Join(numberTexts(value), ", ") + "]"
	case string:
		if value != "" && strings.HasSuffix(key, "password") {
			return "(a secret)"
		}
		return strconv.Quote(value)
	case time.Duration:
		return strconv.Quote(value.String())
	case Loops:
		if value == 0 {
			return `"auto"`
		}
	case StaleLeaderLimit:
		if value == 0 {
			return `"auto"`
		}
		return strconv.Quote(time.Duration(value).String())
	case []string:
		quoted := make([]string, len(value))
		for i, s := range value {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return fmt.Sprint(v.Interface())
}
