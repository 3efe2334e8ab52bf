package pool

import (
	"slices"
	"strings"
	"testing"

	"portero/config"
)

// Ready is what Unready says of all routes by who leads, each once.
func (ps *Pools) Ready(routes []config.Route) (missing []string) {
	for i := range routes {
		for _, text := range ps.Unready(&routes[i], false) {
			if !slices.Contains(missing, text) {
				missing = append(missing, text)
			}
		}
	}
	return missing
}

// Members are a, which leads, and b, a replica, each as its key says, or not there ("").
func TestARouteIsReadyByItsLeaderOrByItsRole(t *testing.T) {
	for _, c := range []struct {
		name, leader, a, b                string
		byLeader, replica, prefer, either string
	}{
		{"all is well", "a", "primary", "replica", "", "", "", ""},
		{"no replica", "a", "primary", "", "", "no replica", "", ""},
		{"no leader", "", "primary", "replica", "no leader", "", "", ""},
		{"neither", "", "primary", "", "no leader", "no replica", "no leader", ""},
		{"nobody", "", "", "", "no leader, and no member is known", "no replica", "no leader, and no member is known", "no member"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := startReign(t, nil)
			members := 0
			for name, role := range map[string]string{"a": c.a, "b": c.b} {
				if role == "" {
					r.keys.put("members/"+name, "")
				} else {
					members++
				}
			}
			r.keys.put("leader", c.leader)
			r.sees("that", func() bool {
				return r.leader() == c.leader && len(r.cluster.View().Groups[0].Members) == members
			})
			for _, one := range []struct {
				role   string
				byRole bool
				want   string
			}{
				{"leader", false, c.byLeader}, {"leader", true, c.byLeader}, {"", true, c.byLeader},
				{"replica", false, c.byLeader}, {"replica", true, c.replica},
				{"prefer-replica", false, c.byLeader}, {"prefer-replica", true, c.prefer},
				{"any", true, c.either},
			} {
				why := r.pools.Unready(&config.Route{Database: "*", Cluster: "main", Role: one.role}, one.byRole)
				if got := strings.TrimPrefix(strings.Join(why, "; "), "cluster main, group 0: "); got != one.want {
					t.Errorf("%q, by its role %v: %q, not %q", one.role, one.byRole, got, one.want)
				}
			}
		})
	}
}

func TestAPausedDatabaseIsAReasonForItsOwnRoutes(t *testing.T) {
	own, again, others := config.Route{Database: "sales", Cluster: "main"}, config.Route{Database: "sales", User: "bob", Cluster: "main"}, config.Route{Database: "*", Cluster: "main"}
	s := newStageOfRoutes(t, []config.Route{own, again, others}, startFake(t).addr)
	for _, name := range []string{"sales", "stock"} {
		s.mustEnd("PAUSE "+name, s.pause(t.Context(), name))
	}
	for _, c := range []struct {
		route config.Route
		want  string
	}{{own, "database sales: paused"}, {again, "database sales: paused"}, {others, "database stock: paused"}} {
		if why := s.pools.Unready(&c.route, false); !slices.Equal(why, []string{c.want}) {
			t.Errorf("%s: %q, not %q", c.route.Database, why, c.want)
		}
	}
}
