package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLoadReportsEveryWrongTypeAndUnknownKey(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"one fault hides no other", `
loops = 0
colour = "red"
[admin]
address = 9632
[pool]
pool_size = "20"
query_wait_timeout = 30
max_client_conn = 0
[pool.extra]
[auth]
method = "sha1"
`, []string{
			`2: loops: must be "auto" or a whole number from 1 to 1024`,
			`3: colour: unknown key`,
			`5: admin.address: must be a string, not a whole number`,
			`7: pool.pool_size: must be a whole number, not a string`,
			`8: pool.query_wait_timeout: must be a duration with its unit, such as "30s", "5m" or "1h30m", not a whole number`,
			`9: pool.max_client_conn: must be at least 1`,
			`10: pool.extra: unknown key`,
			`12: auth.method: must be one of trust, password, md5, scram-sha-256, cert, ldap, pam, not "sha1"`,
		}},
		{"lists and inline tables", `
[[listener]]
tls = { mode = "prefer", crt = "x" }
[[listener]]
address = ":7000"
tls = true
[[cluster]]
name = "c"
hosts = [
	"a:1",
	2,
	"b",
]
[cluster.etcd]
endpoints = "a:1"
`, []string{
			`3: listener[1].tls.crt: unknown key`,
			`6: listener[2].tls: must be a table, not true or false`,
			`11: cluster[1].hosts[2]: must be a string, not a whole number`,
			`12: cluster[1].hosts[3]: must be host:port, not "b"`,
			`14: cluster[1].etcd: has no meaning with discovery static`,
			`15: cluster[1].etcd.endpoints: must be a list of strings, not a string`,
		}},
		{"tables where lists belong and the reverse", `
route = ["x", {pool_size = 0}]
[listener]
address = ":1"
[[pool]]
[[cluster]]
name = "c"
[[cluster.hosts]]
`, []string{
			`2: route[1]: must be a table, not a string`,
			`2: route[2].pool_size: must be at least 1`,
			`3: listener: must be a list of tables, [[listener]], not a table`,
			`5: pool: must be a table, not a list`,
			`8: cluster[1].hosts[1]: must be a string, not a table`,
		}},
		{"numbers, durations, flags", `
loops = 1025
log.connections = "yes"
pool.pool_size = 3000000000
pool.min_pool_size = 1.5
pool.server_lifetime = "1 hour"
pool.server_idle_timeout = 2020-01-01
pool.shutdown_timeout = ""
`, []string{
			`2: loops: must be "auto" or a whole number from 1 to 1024`,
			`3: log.connections: must be true or false, not a string`,
			`4: pool.pool_size: is out of range`,
			`5: pool.min_pool_size: must be a whole number, not a decimal number`,
			`6: pool.server_lifetime: must be a duration with its unit, such as "30s", "5m" or "1h30m", not "1 hour"`,
			`7: pool.server_idle_timeout: must be a duration with its unit, such as "30s", "5m" or "1h30m", not a date or time`,
			`8: pool.shutdown_timeout: must be a duration with its unit, such as "30s", "5m" or "1h30m", not ""`,
		}},
		{"loops by another name", `loops = "all"`, []string{
			`1: loops: must be "auto" or a whole number from 1 to 1024`,
		}},
		{"stale_leader_limit", `
cluster = [
	{name = "a", discovery = "patroni", scope = "a", etcd = {endpoints = ["h:1"]}, stale_leader_limit = 20},
	{name = "b", discovery = "patroni", scope = "b", etcd = {endpoints = ["h:1"]}, stale_leader_limit = "never"},
	{name = "c", discovery = "patroni", scope = "c", etcd = {endpoints = ["h:1"]}, stale_leader_limit = "0s"},
	{name = "d", discovery = "patroni", scope = "d", etcd = {endpoints = ["h:1"]}, stale_leader_limit = "4s"},
]`, []string{
			`3: cluster[1].stale_leader_limit: must be "auto" or a duration with its unit, such as "20s"`,
			`4: cluster[2].stale_leader_limit: must be "auto" or a duration with its unit, such as "20s"`,
			`5: cluster[3].stale_leader_limit: must be "auto" or at least 4s: so long it takes to miss etcd and to ask Patroni`,
		}},
		{"control characters", `route = [{database = "a\u0000b"}]`, []string{
			`1: route[1].database: must not have control characters in it`,
		}},
		{"keys in quotes", "\"po\\u006fl\".\"pool size\" = 1\n'a.b' = 2\nPool = 3", []string{
			`1: pool."pool size": unknown key`,
			`2: "a.b": unknown key`,
			`3: Pool: unknown key`,
		}},
		{"what cannot be read is not judged by its default", `
listener = [{address = 1}, {address = "127.0.0.1:6432", tls = {mode = "require", cert = 5}}]
auth = {method = 1, users = "absent"}
[[cluster]]
name = 1
discovery = 2
citus = 3
[[route]]
database = 4
listener = ":1"
cluster = "c"
group = 1
[[route]]
`, []string{
			`2: listener[1].address: must be a string, not a whole number`,
			`2: listener[2].tls.cert: must be a string, not a whole number`,
			`3: auth.method: must be a string, not a whole number`,
			`5: cluster[1].name: must be a string, not a whole number`,
			`6: cluster[1].discovery: must be a string, not a whole number`,
			`7: cluster[1].citus: must be true or false, not a whole number`,
			`9: route[1].database: must be a string, not a whole number`,
		}},
	})
}

func TestSyntaxFaultStandsBesideTheFaultsAboveIt(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"unknown key above", "colour = 1\npool.pool_size = 'x'\nloops auto\nshape = 2\n", []string{
			`1: colour: unknown key`,
			`2: pool.pool_size: must be a whole number, not a string`,
			`3: expected '.' or '=', but got 'a' instead`,
		}},
		{"meaning is not judged by half a file", "route = [{cluster = 'main'}]\nx = \n[[cluster]]\nname = 'main'\n", []string{
			`2: expected value but found '\n' instead`,
		}},
		{"nothing above is whole", "colour = [\n1,\n=,\n]", []string{
			`3: expected value but found '=' instead`,
		}},
		{"key twice", "[pool]\npool_size = 1\npool_size = 2", []string{
			`3: Key 'pool.pool_size' has already been defined.`,
		}},
	})
}

// The TOML library takes time and memory by the cube of the depth: what is
// nested too deeply must not get there.
func TestDeepNestingIsAFault(t *testing.T) {
	inFolder(t)
	arrays := func(n int) string { return "a = " + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) }
	inline := func(n int) string { return "a = " + strings.Repeat("{a = ", n-1) + "1" + strings.Repeat("}", n-1) }
	dotted := func(n int) string { return strings.Repeat("a.", n-1) + "a" }
	deep := []string{`2: nested too deeply: at most 32 names and lists in each other`}
	unknown := []string{`2: a: unknown key`}
	for _, n := range []int{maxDepth, maxDepth + 1, 1000} {
		want, wantBelow := unknown, unknown
		if n > maxDepth {
			want, wantBelow = deep, []string{unknown[0], strings.Replace(deep[0], "2", "3", 1)}
		}
		checkFaults(t, []faultCase{
			{fmt.Sprint(n, " lists"), "\n" + arrays(n), want},
			{fmt.Sprint(n, " lists over as many lines"), "\n" + strings.ReplaceAll(arrays(n), "]", "\n]"), want},
			{fmt.Sprint(n, " tables"), "\n" + inline(n), want},
			{fmt.Sprint(n, " names"), "\n" + dotted(n) + " = 1", want},
			{fmt.Sprint(n, " names of a table"), "\n[" + dotted(n) + "]", want},
			{fmt.Sprint(n, " names of a list of tables"), "\n[[" + dotted(n) + "]]", want},
			{fmt.Sprint(n, " names behind a mark of UTF-8"), "\ufeff\n" + dotted(n) + " = 1", want},
			{fmt.Sprint(n, " levels of all kinds"), "\n[a]\n" + dotted(n-3) + " = [[\n]]", wantBelow},
		})
	}
	checkFaults(t, []faultCase{
		{"what is above is told of", "colour = 1\n" + arrays(40) + "\nshape = 2", append([]string{`1: colour: unknown key`}, deep...)},
		{"what is unfinished", "\na = " + strings.Repeat("[", 100), deep},
		{"unfinished names", "\n" + strings.Repeat("a.", 100), deep},
		{"20 000 lists", "\n" + arrays(20_000), deep},
		{"20 000 names", "\n" + dotted(20_000) + " = 1", deep},
		{"many tables beside each other", strings.Repeat("\n[[a]]\n[a.b]\nc = [[], []]", 100), unknown},
	})
}

func TestAMarkOfUTF8HidesNoLine(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"a key", "\ufeffcolour = 1\nshape = 2", []string{`1: colour: unknown key`, `2: shape: unknown key`}},
		{"a table", "\ufeff[colour]\n[shape]", []string{`1: colour: unknown key`, `2: shape: unknown key`}},
	})
}

func TestFileThatCannotBeReadIsAFault(t *testing.T) {
	t.Chdir(t.TempDir())
	_, err := Load("absent.toml")
	faults, ok := errors.AsType[Faults](err)
	if !ok || len(faults) != 1 || err.Error() != "absent.toml: cannot be read: no such file or directory" {
		t.Errorf("got %v", err)
	}
}

func TestLoadTakesOverWhatTheFileSays(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
loops = 3
[log]
level = "debug"
connections = false
[pool]
server_idle_timeout = "0s"
query_wait_timeout = "1h30m0.5s"
[[cluster]]
name = "a"
discovery = "patroni"
scope = "a"
etcd = { endpoints = ["h:1"] }
stale_leader_limit = "15s"
[[cluster]]
name = "b"
discovery = "patroni"
scope = "b"
etcd = { endpoints = ["h:1"] }
stale_leader_limit = "auto"
[[route]]
cluster = "a"
[[auth.rule]]
type = "local"
method = "peer"
user = ["app", "web"]
`)
	if got := [2]StaleLeaderLimit{cfg.Clusters[0].StaleLeaderLimit, cfg.Clusters[1].StaleLeaderLimit}; got != [2]StaleLeaderLimit{StaleLeaderLimit(15 * time.Second), 0} {
		t.Errorf("stale_leader_limit: got %v", got)
	}
	if cfg.Loops != 3 || cfg.Log.Level != "debug" || cfg.Log.Connections || cfg.Pool.ServerIdleTimeout != 0 ||
		cfg.Pool.QueryWaitTimeout != 90*time.Minute+500*time.Millisecond {
		t.Errorf("got %+v", cfg)
	}
	want := AuthRule{Type: "local", Method: "peer", Database: []string{"all"}, User: []string{"app", "web"}}
	if len(cfg.Auth.Rules) != 1 || !reflect.DeepEqual(cfg.Auth.Rules[0], want) {
		t.Errorf("got %+v, want %+v", cfg.Auth.Rules, want)
	}
}
