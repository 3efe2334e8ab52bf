package config

import (
	"reflect"
	"testing"
)

const aCitusCluster = `
[[cluster]]
name = "main"
discovery = "patroni"
scope = "demo"
citus = true
etcd = { endpoints = ["127.0.0.1:2379"] }
`

func TestARouteCanSpreadItsClientsOverGroups(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, aCitusCluster+`
[[route]]
database = "some"
group = "any"
groups = [1, 2]
weights = [1, 3]
[[route]]
group = "any"
`)
	some, all := &cfg.Routes[0], &cfg.Routes[1]
	if !some.IsSpread() || !reflect.DeepEqual(some.Shares(), []Share{{1, 1}, {2, 3}}) || some.HomeGroup() != 0 {
		t.Errorf("%+v", some)
	}
	if !all.IsSpread() || len(all.Shares()) != 0 {
		t.Errorf("%+v", all)
	}
	if r := mustLoad(t, aCitusCluster).Routes[0]; r.IsSpread() || r.Group != 0 {
		t.Errorf("the default is %+v", r)
	}
}

func TestTheWordForAnyGroupIsGivenInTheEnvironmentToo(t *testing.T) {
	inFolder(t)
	cfg := readEnvironment(t, "PORTERO_ETCD=a:2379", "PORTERO_SCOPE=demo", "PORTERO_CLUSTER_CITUS=true", "PORTERO_ROUTE_GROUP=any", "PORTERO_ROUTE_GROUPS=1, 2", "PORTERO_ROUTE_WEIGHTS=2,1")
	if r := cfg.Routes[0]; !r.IsSpread() || !reflect.DeepEqual(r.Shares(), []Share{{1, 2}, {2, 1}}) {
		t.Errorf("%+v", r)
	}
}

func TestLoadReportsWrongSpreads(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of what is no group", aCitusCluster + `
[[route]]
database = "a"
group = "all"
[[route]]
database = "b"
group = -1
[[route]]
group = 1.5
`, []string{
			`11: route[1].group: must be the number of a group, or "any"`,
			`14: route[2].group: must be at least 0`,
			`16: route[3].group: must be the number of a group, or "any"`,
		}},
		{"of groups and weights", aCitusCluster + `
[[route]]
database = "a"
group = "any"
groups = [1, -2, 1]
weights = [0, 1]
[[route]]
database = "b"
group = "any"
weights = [1]
[[route]]
groups = [1]
`, []string{
			`12: route[1].groups[2]: must be at least 0`,
			`12: route[1].groups[3]: 1 is in the list already`,
			`13: route[1].weights: must have as many items as groups, which has 3`,
			`13: route[1].weights[1]: must be from 1 to 1000`,
			`17: route[2].weights: needs groups, of which each has one`,
			`19: route[3].groups: has a meaning only with group = "any"`,
		}},
		{"of a cluster without groups", `
[[route]]
group = "any"
`, []string{`3: route[1].group: must be 0, because cluster "local" has no groups (citus = false)`}},
		{"of another role", aCitusCluster + `
[[listener]]
address = "127.0.0.1:6432"
[[listener]]
address = "127.0.0.1:6433"
role = "replica"
[[route]]
database = "a"
group = "any"
role = "any"
[[route]]
database = "b"
listener = "127.0.0.1:6432"
group = "any"
[[route]]
group = "any"
`, []string{
			`16: route[1].group: "any" spreads transactions over leaders: role must be leader, not any`,
			`23: route[3].group: "any" spreads transactions over leaders, and clients of listener 127.0.0.1:6433 have role replica: give the route role = "leader"`,
		}},
		{"of clients that keep their server", aCitusCluster + `
[[route]]
database = "a"
group = "any"
pool_mode = "session"
[[route]]
group = "any"
[[user]]
name = "bob"
pool_mode = "session"
`, []string{
			`11: route[1].group: "any" gives each transaction a group, and session mode each client a server: any user would have pool_mode "session"`,
			`14: route[2].group: "any" gives each transaction a group, and session mode each client a server: user "bob" would have pool_mode "session"`,
		}},
	})
}

// The pools of a spread are those of the routes to the groups, which have one size.
func TestASpreadSharesThePoolsOfItsGroups(t *testing.T) {
	inFolder(t)
	const word = "must be 20, as in route[1]: both lead to one pool (database \"app\", any user)"
	checkFaults(t, []faultCase{
		{"all that there are", aCitusCluster + `
[[route]]
database = "app"
group = "any"
[[route]]
database = "one"
dbname = "app"
group = 1
pool_size = 5
`, []string{"16: route[2].pool_size: " + word}},
		{"some, and the coordinator", aCitusCluster + `
[[route]]
database = "app"
group = "any"
groups = [2]
[[route]]
database = "none"
dbname = "app"
group = 1
pool_size = 5
[[route]]
database = "coordinator"
dbname = "app"
pool_size = 5
`, []string{"21: route[3].pool_size: " + word}},
	})
}
