package config

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func readEnvironment(t *testing.T, environ ...string) *Config {
	t.Helper()
	cfg, warnings, err := Read("", environ)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	return cfg
}

func TestAnEmptyEnvironmentIsNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if got := readEnvironment(t, "PATH=/bin", "PORTER=x"); !reflect.DeepEqual(got, NoFile()) {
		t.Errorf("got  %+v\nwant %+v", got, NoFile())
	}
}

func TestEtcdAndScopeAloneServeAPatroniCluster(t *testing.T) {
	t.Chdir(t.TempDir())
	got := readEnvironment(t, "PORTERO_ETCD=a:2379, b:2379", "PORTERO_SCOPE=demo").Clusters
	want := newCluster()
	want.Name, want.Discovery, want.Scope, want.Etcd.Endpoints = "demo", "patroni", "demo", []string{"a:2379", "b:2379"}
	if !reflect.DeepEqual(got, []Cluster{want}) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAClusterOfTheEnvironmentIsTheOneNextDoorUnlessItSaysMore(t *testing.T) {
	t.Chdir(t.TempDir())
	cfg := readEnvironment(t, "PORTERO_CLUSTER_TLS_MODE=require")
	if c := cfg.Clusters[0]; c.Name != "local" || !slices.Equal(c.Hosts, []string{defaultHost}) || c.TLS.Mode != "require" {
		t.Errorf("%+v", c)
	}
	if r := cfg.Routes[0]; r.Cluster != "local" || r.Role != "leader" {
		t.Errorf("%+v", r)
	}
}

// samples is a value of each type, which is no default.
var samples = map[reflect.Type]string{
	reflect.TypeFor[string]():           "word",
	reflect.TypeFor[[]string]():         "one,two",
	reflect.TypeFor[int]():              "7",
	reflect.TypeFor[[]int]():            "1,2",
	reflect.TypeFor[time.Duration]():    "77s",
	reflect.TypeFor[Loops]():            "3",
	reflect.TypeFor[StaleLeaderLimit](): "33s",
}

// TestEverySettingCanBeGivenInTheEnvironment sets each that the schema has, and
// looks whether that and nothing else has changed.
func TestEverySettingCanBeGivenInTheEnvironment(t *testing.T) {
	for _, variable := range slices.Sorted(maps.Keys(settings)) {
		s := settings[variable]
		before := decodeEnvironment(t)
		value := samples[s.typ]
		if s.typ.Kind() == reflect.Bool {
			value = fmt.Sprint(!fieldOf(before, s).Bool())
		}
		after := decodeEnvironment(t, variable+"="+value)
		field := fieldOf(after, s)
		if got := plain(field); got != value {
			t.Errorf("%s=%s: %s is %s", variable, value, s.key, got)
		}
		field.Set(fieldOf(before, s))
		if !reflect.DeepEqual(before, after) {
			t.Errorf("%s changes more than %s:\ngot  %+v\nwant %+v", variable, s.key, after, before)
		}
	}
	if n := len(settings); n < 100 {
		t.Errorf("only %d settings", n)
	}
}

// decodeEnvironment is what the environment says, with one table in each list
// and unchecked: a setting alone need not make sense.
func decodeEnvironment(t *testing.T, environ ...string) *Config {
	t.Helper()
	tree, err := parseTOML("[[listener]]\n[[cluster]]\n[[route]]\n[[user]]\n[[auth.rule]]\n")
	if err != nil {
		t.Fatal(err)
	}
	r := newReport("", nil)
	over := &overlay{report: r, tree: tree, given: make(map[*setting]string)}
	if warnings := over.apply(environ); len(warnings) > 0 {
		t.Fatal(warnings)
	}
	cfg := decoder{r}.config(tree)
	if err := r.err(); err != nil {
		t.Fatal(err)
	}
	// What the tables of the first route and user take from [pool] is not what is looked at.
	pool := cfg.Pool
	cfg.Pool = defaultPool()
	for i, blank := range []struct{ got, inherited, want reflect.Value }{
		{reflect.ValueOf(&cfg.Routes[0]).Elem(), reflect.ValueOf((&Config{Pool: pool}).newRoute()), reflect.ValueOf(cfg.newRoute())},
		{reflect.ValueOf(&cfg.Users[0]).Elem(), reflect.ValueOf((&Config{Pool: pool}).newUser()), reflect.ValueOf(cfg.newUser())},
	} {
		for k := range blank.got.NumField() {
			given := r.given[[]string{"route[1]", "user[1]"}[i]+"."+blank.got.Type().Field(k).Tag.Get("toml")]
			if !given && reflect.DeepEqual(blank.got.Field(k).Interface(), blank.inherited.Field(k).Interface()) {
				blank.got.Field(k).Set(blank.want.Field(k))
			}
		}
	}
	cfg.Pool = pool
	return cfg
}

// fieldOf is a setting in a configuration, of lists the first.
func fieldOf(cfg *Config, s *setting) reflect.Value {
	v := reflect.ValueOf(cfg).Elem()
	for _, name := range s.path {
		if v.Kind() == reflect.Slice {
			v = v.Index(0)
		}
		v = fieldsByName(v)[name]
	}
	return v
}

// plain is a value as the environment has it.
func plain(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case []string:
		return strings.Join(x, ",")
	case []int:
		return strings.Join(numberTexts(x), ",")
	case time.Duration:
		return fmt.Sprintf("%ds", x/time.Second)
	case StaleLeaderLimit:
		return fmt.Sprintf("%ds", time.Duration(x)/time.Second)
	}
	return fmt.Sprint(v.Interface())
}

func TestWhatComesOverTheEnvironmentIsInItsPlace(t *testing.T) {
	long, ok := Variable("pool.pool_size")
	if !ok {
		t.Fatal("pool_size has no variable")
	}
	got := Override([]string{"HOME=/", long + "=3", "PORTERO_LOG_LEVEL=debug"}, []string{long + "=4"})
	if want := []string{"HOME=/", "PORTERO_LOG_LEVEL=debug", long + "=4"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestNoTwoSettingsHaveOneName(t *testing.T) {
	schema := map[string]bool{}
	addKeys(schema, "", reflect.TypeFor[Config]())
	leaves := 0
	for key := range schema {
		isTable := false
		for other := range schema {
			isTable = isTable || strings.HasPrefix(other, key+".")
		}
		if !isTable {
			leaves++
		}
	}
	if len(settings) != leaves {
		t.Errorf("%d settings have %d names", leaves, len(settings))
	}
	for short, long := range shortNames {
		if settings[short] != nil || settings[long] == nil {
			t.Errorf("%s is short for %s", short, long)
		}
	}
}

func TestTheEnvironmentComesBeforeTheFile(t *testing.T) {
	inFolder(t)
	write(t, "proxy.toml", `
[[cluster]]
name = "main"
hosts = ["a:1", "b:1"]
[[cluster]]
name = "other"
hosts = ["c:1"]
[[route]]
cluster = "main"
pool_size = 4
[pool]
pool_size = 3
max_lag = "1s"
`)
	cfg, _, err := Read("proxy.toml", []string{"PORTERO_HOSTS=d:1", "PORTERO_POOL_SIZE=5", "PORTERO_ROUTE_POOL_SIZE=6"})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(cfg.Clusters[0].Hosts, cfg.Clusters[1].Hosts, cfg.Pool.PoolSize, cfg.Routes[0].PoolSize, cfg.Pool.MaxLag)
	if want := "[d:1] [c:1] 5 6 1s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSecretsCanBeInFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "secret", "pass word\n")
	cfg := readEnvironment(t, "PORTERO_ETCD=a:2379", "PORTERO_SCOPE=demo", "PORTERO_CLUSTER_ETCD_USERNAME=root", "PORTERO_CLUSTER_ETCD_PASSWORD_FILE=secret",
		"PORTERO_ROUTE_SERVER_USER=app", "PORTERO_ROUTE_SERVER_PASSWORD_FILE=secret")
	if cfg.Clusters[0].Etcd.Password != "pass word" || cfg.Routes[0].ServerPassword != "pass word" {
		t.Errorf("%q, %q", cfg.Clusters[0].Etcd.Password, cfg.Routes[0].ServerPassword)
	}
}

func TestFaultsOfTheEnvironmentNameTheVariable(t *testing.T) {
	inFolder(t)
	if err := os.Remove("userlist.txt"); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		toml    string // "" = no file
		environ string
		want    string
	}{
		{"", "PORTERO_POOL_SIZE=0", "PORTERO_POOL_SIZE: must be at least 1"},
		{"", "PORTERO_POOL_SIZE=many", `PORTERO_POOL_SIZE: must be a whole number, not "many"`},
		{"", "PORTERO_POOL_SIZE=99999999999", "PORTERO_POOL_SIZE: is out of range"},
		{"", "PORTERO_QUERY_TIMEOUT=30", `PORTERO_QUERY_TIMEOUT: must be a duration with its unit, such as "30s", "5m" or "1h30m", not "30"`},
		{"", "PORTERO_LOG_CONNECTIONS=maybe", `PORTERO_LOG_CONNECTIONS: must be true or false, not "maybe"`},
		{"", "PORTERO_LOOPS=none", `PORTERO_LOOPS: must be "auto" or a whole number from 1 to 1024`},
		{"", "PORTERO_HOSTS=a:1,b", `PORTERO_HOSTS: must be host:port, not "b"`},
		{"", "PORTERO_ETCD=a:1", "PORTERO_CLUSTER_SCOPE: must be given with discovery patroni"},
		{"", "PORTERO_SCOPE=demo", "PORTERO_CLUSTER_ETCD_ENDPOINTS: must be given with discovery patroni"},
		{"", "PORTERO_ETCD=a:1|PORTERO_SCOPE=x|PORTERO_CLUSTER_ETCD_ENDPOINTS=b:1", "PORTERO_CLUSTER_ETCD_ENDPOINTS: is the same setting as PORTERO_ETCD: give one of them"},
		{"", "PORTERO_ROUTE_SERVER_USER=x|PORTERO_ROUTE_SERVER_PASSWORD_FILE=gone", "PORTERO_ROUTE_SERVER_PASSWORD_FILE: cannot read gone: no such file or directory"},
		{"", "PORTERO_LISTEN=:6432", "PORTERO_AUTH_METHOD: must be given: without it, whoever reaches :6432 would be let in"},
		{"", "PORTERO_LISTEN=:6432|PORTERO_AUTH_METHOD=trust", ""},
		{"", "PORTERO_LISTEN=[::1]:6432", ""},
		{"", "PORTERO_AUTH_METHOD=md5", "PORTERO_AUTH_USERS: cannot read userlist.txt: no such file or directory"},
		{"auth.method = 'trust'\n[pool]\npool_size = 0\n", "PORTERO_POOL_SIZE=1|PORTERO_MAX_POOLS=0", "PORTERO_MAX_POOLS: must be at least 1"},
		{"auth.method = 'trust'\n[pool]\npool_size = 0\n", "PORTERO_MAX_POOLS=2", "proxy.toml:3: pool.pool_size: must be at least 1"},
		{"auth.method = 'trust'\npool = 1\n", "PORTERO_POOL_SIZE=1", "proxy.toml:2: pool: must be a table, not a whole number"},
		{"auth.method = 'trust'\ncluster = []\n", "PORTERO_SCOPE=x", ""},
	} {
		path := ""
		if tc.toml != "" {
			path = "proxy.toml"
			write(t, path, tc.toml)
		}
		_, _, err := Read(path, strings.Split(tc.environ, "|"))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tc.environ, got, tc.want)
		}
	}
}

func TestVariablesThatMeanNothingAreTold(t *testing.T) {
	t.Chdir(t.TempDir())
	_, warnings, err := Read("", []string{"PORTERO_POOLSIZE=5", "PORTERO_LISTENER_TLS_CERT_FILE=x", "PORTERO_WHATEVER_IT_IS=1",
		"PORTERO_PORT=tcp://10.0.0.1:6432", "PORTERO_PORT_6432_TCP_ADDR=10.0.0.1", "PORTERO_SERVICE_HOST=10.0.0.1", "portero_x=1"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"PORTERO_POOLSIZE: there is no such setting; did you mean PORTERO_POOL_SIZE?",
		"PORTERO_LISTENER_TLS_CERT_FILE: there is no such setting; did you mean PORTERO_LISTENER_TLS_CERT?",
		"PORTERO_WHATEVER_IT_IS: there is no such setting",
	}
	if !slices.Equal(warnings, want) {
		t.Errorf("got  %q\nwant %q", warnings, want)
	}
}
