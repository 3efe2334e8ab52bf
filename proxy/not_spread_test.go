package proxy_test

import (
	"fmt"
	"slices"
	"testing"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/pool"
	"portero/proxy"
)

// A node of Citus means the node that it has asked for.
func TestConnectionsOfCitusItselfAreNotSpread(t *testing.T) {
	s := startSpread(t)
	for _, kind := range []string{"citus_internal", "citus_rebalancer", "citus_run_command"} {
		r := s.plug()
		r.login("user", "app", "database", "app", "application_name", kind+" gpid=10000000001")
		if at := visits(r, 4); at["0"] != 4 {
			t.Errorf("%s: %v", kind, at)
		}
	}
}

func TestExplainTellsOfTheSpreadOnlyWhomItConcerns(t *testing.T) {
	s := startSpread(t, over(1, 2))
	a := auth.Load(s.cfg, config.NewReport())
	for who, want := range map[proxy.Newcomer]string{
		{}: "1, 2; 2 groups", {Replication: "true"}: "; 0 groups", {Replication: "database"}: "; 0 groups", {Application: "citus_internal gpid=1"}: "; 0 groups",
		{Application: "citus_run_command gpid=1"}: "; 0 groups", {Application: "app"}: "1, 2; 2 groups",
	} {
		who.Database, who.User, who.From = "app", "app", "127.0.0.1"
		found := must(s.proxy.Explain(s.cfg, a, nil, who))(t)
		one := found.Answers[0]
		if one.Refused != nil || one.Pool == nil || one.Now == nil {
			t.Fatalf("%+v: %+v", who, one)
		}
		if got := fmt.Sprintf("%s; %d groups", one.Pool.Spread, len(one.Now.Groups)); got != want || one.Pool.Group != 0 {
			t.Errorf("%+v: %s, at group %d; want %s, at group 0", who, got, one.Pool.Group, want)
		}
	}
}

// Who replicates stays at the coordinator, and is not told of the groups that others are spread
// over; nor is Citus itself.
func TestWhoReplicatesIsNotSpread(t *testing.T) {
	s := startSpread(t)
	for range 3 {
		r := s.dial("replication", "database")
		if at := visits(r, 2); at["0"] != 2 {
			t.Errorf("%v, and the coordinator is 0", at)
		}
		r.quit()
	}
	eventually(t, "no walsender is left", func() bool {
		return !slices.ContainsFunc(s.pools.States(), func(p metrics.PoolState) bool {
			return p.ServersActive != 0 || p.ServersIdle != 0 && p.Labels.Mode == pool.LogicalReplication
		})
	})
}
