package config

import (
	"testing"
	"time"
)

func TestLoadReportsWrongRolesAndLags(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of the pool section, not again of its routes", `
[[route]]
role = "replica"
[pool]
max_lag = "500ms"
`, []string{`5: pool.max_lag: must be 0 or at least 1s`}},
		{"of routes", `
[[route]]
database = "a"
role = "prefer-replicas"
max_lag = "-1s"
[[route]]
role = "leader"
max_lag = "5s"
`, []string{
			`4: route[1].role: must be one of leader, replica, prefer-replica, any, not "prefer-replicas"`,
			`5: route[1].max_lag: must be 0 or at least 1s`,
			`8: route[2].max_lag: has no use with role leader, which does not lag behind itself`,
		}},
		{"of routes that leave the role to their listeners", `
[[listener]]
address = "127.0.0.1:5000"
[[listener]]
address = "127.0.0.1:5001"
role = "replica"
[[route]]
database = "a"
listener = "127.0.0.1:5000"
max_lag = "5s"
[[route]]
database = "b"
listener = "127.0.0.1:5001"
max_lag = "5s"
[[route]]
max_lag = "5s"
`, []string{`10: route[1].max_lag: has no use, as neither the route nor a listener of it has another role than leader, which does not lag behind itself`}},
		{"that keep nothing from a leader", `
[[route]]
role = "leader"
max_lag = "0s"
[pool]
max_lag = "5s"
`, nil},
	})
}

// Two bounds are two pools, so that such routes need not agree on anything; for
// the leader they are none.
func TestRoutesWithTwoLagsLeadToTwoPools(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of replicas", `
[[route]]
database = "fresh"
dbname = "app"
role = "replica"
max_lag = "1s"
pool_size = 5
[[route]]
role = "replica"
`, nil},
		{"of the leader", `
[[listener]]
[[route]]
database = "fresh"
dbname = "app"
max_lag = "1s"
pool_size = 5
[[route]]
pool_size = 6
`, []string{`6: route[1].max_lag: has no use, as neither the route nor a listener of it has another role than leader, which does not lag behind itself`,
			`9: route[2].pool_size: must be 5, as in route[1]: both lead to one pool (database "app", any user)`}},
	})
}

func TestRouteTakesThePoolSectionsLag(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
route = [{database = "a", role = "prefer-replica", max_lag = "2s"}, {role = "any"}]
[pool]
max_lag = "1m"
`)
	for i, want := range []time.Duration{2 * time.Second, time.Minute} {
		r := &cfg.Routes[i]
		if got := r.RouteMaxLag(r.Role); got != want {
			t.Errorf("route[%d]: %v", i+1, got)
		}
		if got := r.RouteMaxLag("leader"); got != 0 {
			t.Errorf("route[%d], as leader: %v", i+1, got)
		}
	}
}

func TestReplicasAreMeasuredOnlyWhereARouteNeedsIt(t *testing.T) {
	inFolder(t)
	for text, want := range map[string]bool{
		``:                             false,
		`route = [{role = "replica"}]`: false,
		`route = [{role = "replica", max_lag = "3s"}]`:                             true,
		`route = [{role = "any", max_lag = "3s"}]`:                                 true,
		`route = [{role = "leader"}]` + "\npool = {max_lag = '3s'}":                false,
		`listener = [{role = "prefer-replica"}]`:                                   true,
		`listener = [{role = "prefer-replica"}]` + "\nroute = [{role = 'leader'}]": false,
	} {
		cfg := mustLoad(t, text)
		if got := cfg.MeasuresLag("local"); got != want {
			t.Errorf("%s: %v", text, got)
		}
		if cfg.MeasuresLag("other") {
			t.Errorf("%s: of a cluster that nobody comes to", text)
		}
	}
}
