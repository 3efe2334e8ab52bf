package config

import "testing"

func TestRouteRoleIsTheRoutesElseTheListenersElseLeader(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `
listener = [{address = ":5000"}, {address = ":5001", role = "replica"}, {address = "unix:/run/p", role = "any"}]
route = [
	{database = "a", role = "leader"},
	{database = "b", listener = ":5001"},
	{database = "c", listener = ":5000"},
	{database = "d", listener = "unix:/run/p/.s.PGSQL.6432"},
	{},
]`)
	want := []struct {
		filled   string    // Role after Load
		resolved [3]string // for a client of each listener
	}{
		{"leader", [3]string{"leader", "leader", "leader"}},
		{"replica", [3]string{"replica", "replica", "replica"}},
		{"leader", [3]string{"leader", "leader", "leader"}},
		{"any", [3]string{"any", "any", "any"}},
		{"", [3]string{"leader", "replica", "any"}},
	}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		if r.Role != want[i].filled {
			t.Errorf("route[%d]: Role is %q, want %q", i+1, r.Role, want[i].filled)
		}
		for j := range cfg.Listeners {
			if got := cfg.RouteRole(r, &cfg.Listeners[j]); got != want[i].resolved[j] {
				t.Errorf("route[%d], listener[%d]: got %q, want %q", i+1, j+1, got, want[i].resolved[j])
			}
		}
	}
	if got := cfg.RouteRole(&cfg.Routes[4], nil); got != "leader" {
		t.Errorf("no listener: got %q", got)
	}
	if got := cfg.Routes[3].Listener; got != "unix:/run/p" {
		t.Errorf("route's listener is %q, not as the listener writes it", got)
	}
}

func TestDefaultRouteFollowsTheListenersRoles(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, `listener = [{address = ":5000", role = "leader"}, {address = ":5001", role = "replica"}]`)
	if got := cfg.RouteRole(&cfg.Routes[0], &cfg.Listeners[1]); got != "replica" {
		t.Errorf("got %q", got)
	}
}
