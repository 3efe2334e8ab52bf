package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Every setting has one name in the environment: PORTERO_ and its key in
// capitals, with _ for each dot, as in PORTERO_AUTH_METHOD; those of [pool] go
// without POOL_, as in PORTERO_POOL_SIZE. Of lists of tables it is the first
// table. A few have a short name beside that.

const (
	environment = "PORTERO_"
	fileSuffix  = "_FILE" // of a secret: the name of the file that it is in
)

// shortNames are other names of settings that a sidecar needs.
var shortNames = map[string]string{
	"PORTERO_ETCD":      "PORTERO_CLUSTER_ETCD_ENDPOINTS",
	"PORTERO_SCOPE":     "PORTERO_CLUSTER_SCOPE",
	"PORTERO_NAMESPACE": "PORTERO_CLUSTER_NAMESPACE",
	"PORTERO_HOSTS":     "PORTERO_CLUSTER_HOSTS",
	"PORTERO_LISTEN":    "PORTERO_LISTENER_ADDRESS",
}

// setting is one that can be given in the environment.
type setting struct {
	key  string   // as faults show it: cluster[1].etcd.endpoints
	path []string // cluster, etcd, endpoints
	typ  reflect.Type
}

// variable is its name in the environment.
func (s *setting) variable() string {
	path := s.path
	if path[0] == "pool" {
		path = path[1:]
	}
	return environment + strings.ToUpper(strings.Join(path, "_"))
}

// Variable is the name in the environment of a setting, by its key; false: it has none.
func Variable(key string) (name string, ok bool) {
	for name, s := range settings {
		if s.key == key {
			return name, true
		}
	}
	return "", false
}

// isSecret: it can be in a file of its own, as the secrets of containers are.
func (s *setting) isSecret() bool { return strings.HasSuffix(s.path[len(s.path)-1], "password") }

// settings is all that there are, by their names in the environment.
var settings = func() map[string]*setting {
	all := make(map[string]*setting)
	addSettings(all, reflect.TypeFor[Config](), "", nil)
	return all
}()

// addSettings adds those of the struct typ, which is the table at key.
func addSettings(all map[string]*setting, typ reflect.Type, key string, path []string) {
	for i := range typ.NumField() {
		name, field := typ.Field(i).Tag.Get("toml"), typ.Field(i).Type
		s := &setting{key: childKey(key, name), path: append(path[:len(path):len(path)], name), typ: field}
		switch {
		case field.Kind() == reflect.Struct:
			addSettings(all, field, s.key, s.path)
		case field.Kind() == reflect.Slice && field.Elem().Kind() == reflect.Struct:
			addSettings(all, field.Elem(), itemKey(s.key, 0), s.path)
		default:
			all[s.variable()] = s
		}
	}
}

// overlay puts what the environment gives into the tree of a parsed file, in
// place of what the file gives.
type overlay struct {
	*report
	tree  map[string]any
	given map[*setting]string // the variable that has given it
}

// apply returns what there is to say of variables that mean nothing.
func (o *overlay) apply(environ []string) (warnings []string) {
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, environment) {
			continue
		}
		s, inFile := settingOf(name)
		switch {
		case s == nil && isKubernetes(name):
		case s == nil:
			warnings = append(warnings, unknownVariable(name))
		case o.given[s] != "":
			o.addVariable(name, "is the same setting as %s: give one of them", o.given[s])
		default:
			o.given[s] = name
			o.take(s, name, value, inFile)
		}
	}
	return warnings
}

// Override is environ with over in place of its variables for the same settings.
func Override(environ, over []string) []string {
	of := func(entry string) *setting {
		name, _, _ := strings.Cut(entry, "=")
		s, _ := settingOf(name)
		return s
	}
	return append(slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		s := of(entry)
		return s != nil && slices.ContainsFunc(over, func(o string) bool { return of(o) == s })
	}), over...)
}

// settingOf is the setting that a variable is for, nil if there is none.
func settingOf(name string) (s *setting, inFile bool) {
	if long, ok := shortNames[name]; ok {
		name = long
	}
	if s := settings[name]; s != nil {
		return s, false
	}
	if base, ok := strings.CutSuffix(name, fileSuffix); ok {
		if s := settings[base]; s != nil && s.isSecret() {
			return s, true
		}
	}
	return nil, false
}

// isKubernetes: of a Service that is called portero, each container of its
// namespace gets such variables.
func isKubernetes(name string) bool {
	return name == "PORTERO_PORT" || strings.HasPrefix(name, "PORTERO_PORT_") || strings.HasPrefix(name, "PORTERO_SERVICE_")
}

func (o *overlay) take(s *setting, variable, value string, inFile bool) {
	if inFile {
		text, err := o.readFile(value)
		if err != nil {
			o.addVariable(variable, "cannot read %s: %s", value, reason(err))
			return
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	}
	raw, want := s.raw(value)
	if want != "" {
		o.addVariable(variable, "must be %s, not %q", want, value)
		o.broken[s.key] = true
		return
	}
	if table := tableOf(o.tree, s); table != nil {
		table[s.path[len(s.path)-1]] = raw
		o.variables[s.key] = variable
	}
}

// raw is a value as the TOML library would give it, or what it should be.
func (s *setting) raw(value string) (raw any, want string) {
	switch s.typ {
	case reflect.TypeFor[bool]():
		b, err := strconv.ParseBool(value)
		if err != nil {
			return nil, "true or false"
		}
		return b, ""
	case reflect.TypeFor[int]():
		if value == anyGroup && isRouteGroup(s.key) {
			return value, ""
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, "a whole number"
		}
		return n, ""
	case reflect.TypeFor[[]int]():
		return rawNumbers(value)
	case reflect.TypeFor[Loops]():
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			return n, ""
		}
	case reflect.TypeFor[[]string]():
		items := []any{}
		for _, item := range strings.Split(value, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		return items, ""
	case reflect.TypeFor[time.Duration]():
		if _, err := time.ParseDuration(value); err != nil {
			return nil, wantDuration
		}
	}
	return value, ""
}

// tableOf is the table of a setting in the tree, of lists the first, made where
// it is not there; nil where the file has something else in its place, which is
// its fault.
func tableOf(tree map[string]any, s *setting) map[string]any {
	table, typ := tree, reflect.TypeFor[Config]()
	for _, name := range s.path[:len(s.path)-1] {
		typ = fieldType(typ, name)
		isList := typ.Kind() == reflect.Slice
		next := table[name]
		switch {
		case next == nil && isList:
			next = []map[string]any{{}}
		case next == nil:
			next = map[string]any{}
		}
		table[name] = next
		if isList {
			typ = typ.Elem()
			items, _ := itemsOf(next)
			if len(items) == 0 {
				return nil
			}
			next = items[0]
		}
		inner, ok := next.(map[string]any)
		if !ok {
			return nil
		}
		table = inner
	}
	return table
}

func fieldType(typ reflect.Type, name string) reflect.Type {
	for i := range typ.NumField() {
		if typ.Field(i).Tag.Get("toml") == name {
			return typ.Field(i).Type
		}
	}
	panic("no setting " + name)
}

// complete gives what the environment need not say: a [[cluster]] that is only
// there by it has a name, and is Patroni's if an etcd is given.
func (o *overlay) complete() {
	if _, inFile := o.lines["cluster"]; inFile {
		return
	}
	clusters, _ := itemsOf(o.tree["cluster"])
	if len(clusters) == 0 {
		return
	}
	cluster, _ := clusters[0].(map[string]any)
	scope, _ := cluster["scope"].(string)
	fill := func(name string, value any) {
		if _, given := cluster[name]; !given && !o.broken[childKey("cluster[1]", name)] {
			cluster[name] = value
		}
	}
	_, etcd := cluster["etcd"]
	switch {
	case scope != "" || etcd:
		fill("discovery", discoveryEtcd)
	case cluster["discovery"] == nil || cluster["discovery"] == discoveryStatic:
		fill("hosts", []any{defaultHost})
	}
	if scope == "" {
		scope = "local"
	}
	fill("name", scope)
}

// trust has whoever reaches a Portero without a file come in, as long as only
// this host can and nothing is said of [auth].
func (o *overlay) trust() {
	if _, given := o.tree["auth"]; !given {
		o.tree["auth"] = map[string]any{"method": authTrust}
	}
}

// checkTrust says who else would come in.
func (c checker) checkTrust() {
	if c.variables["auth.method"] != "" || c.cfg.Auth.Method != authTrust || c.cfg.Auth.hasRules() {
		return
	}
	for i := range c.cfg.Listeners {
		if l := &c.cfg.Listeners[i]; !isOfThisHost(l.Address) {
			c.fault("auth.method", "must be given: without it, whoever reaches %s would be let in", l.Address)
			return
		}
	}
}

// unknownVariable names the variable that may have been meant.
func unknownVariable(name string) string {
	nearest, least := "", 1+len(name)/3
	consider := func(known string) {
		if d := distance(name, known); d < least || d == least && known < nearest {
			nearest, least = known, d
		}
	}
	for known, s := range settings {
		consider(known)
		if s.isSecret() {
			consider(known + fileSuffix)
		}
	}
	for short := range shortNames {
		consider(short)
	}
	if nearest == "" {
		return fmt.Sprintf("%s: there is no such setting", name)
	}
	return fmt.Sprintf("%s: there is no such setting; did you mean %s?", name, nearest)
}

// distance is how many letters have to be put in, taken out or changed to make
// one word of the other.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
