package discovery

import (
	"slices"
	"testing"

	"portero/config"
)

func openStatic(t *testing.T, hosts ...string) *Cluster {
	t.Helper()
	c, err := Open(config.Cluster{Name: "local", Discovery: "static", Hosts: hosts}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func primary(member string, timeline int64) Proof {
	return Proof{Member: member, Timeline: timeline, SystemID: "71"}
}

func replica(member string) Proof { return Proof{Member: member, InRecovery: true, SystemID: "71"} }

func TestStaticHostsAreMembersOfUnknownRole(t *testing.T) {
	c := openStatic(t, "b:5433", "a", "[::1]:5432", "a:5432")
	v := c.View()
	g := v.Groups[0]
	var names []string
	for _, m := range g.Members {
		if m.Name != m.Address || m.Role != "" || m.Lag != -1 {
			t.Errorf("member %+v", m)
		}
		names = append(names, m.Name)
	}
	if v.Stale || !g.AskHosts || g.Leader != "" || g.Epoch != 0 || !slices.Equal(names, []string{"[::1]:5432", "a:5432", "b:5433"}) {
		t.Errorf("got %+v with members %v", g, names)
	}
}

// TestStaticLeaderIsWhoProvesIt tells a story per case; each step is a proof or
// a doubt, and what is known after it.
func TestStaticLeaderIsWhoProvesIt(t *testing.T) {
	type step struct {
		proof  Proof
		doubt  string
		leader string
		epoch  uint64
	}
	const a, b = "a:5432", "b:5432"
	tests := map[string][]step{
		"promotion and demotion": {
			{proof: replica(b), leader: "", epoch: 0},
			{proof: primary(a, 1), leader: a, epoch: 1},
			{proof: primary(a, 1), leader: a, epoch: 1},
			{proof: replica(a), leader: "", epoch: 1},
			{proof: primary(b, 2), leader: b, epoch: 2},
		},
		"a newer timeline wins over one that has not been seen to end": {
			{proof: primary(a, 1), leader: a, epoch: 1},
			{proof: primary(b, 2), leader: b, epoch: 2},
			{proof: primary(a, 1), leader: b, epoch: 2},
		},
		"the first of two on one timeline stays until doubted": {
			{proof: primary(a, 3), leader: a, epoch: 1},
			{proof: primary(b, 3), leader: a, epoch: 1},
			{doubt: b, leader: a, epoch: 1},
			{doubt: a, leader: "", epoch: 1},
			{proof: primary(b, 3), leader: b, epoch: 2},
		},
		"dead and back, the same reign": {
			{proof: primary(a, 3), leader: a, epoch: 1},
			{doubt: a, leader: "", epoch: 1},
			{doubt: a, leader: "", epoch: 1},
			{proof: primary(a, 3), leader: a, epoch: 1},
		},
		"promoted in place": {
			{proof: primary(a, 3), leader: a, epoch: 1},
			{doubt: a, leader: "", epoch: 1},
			{proof: primary(a, 4), leader: a, epoch: 2},
		},
		"a stale primary never leads, even if nobody else does": {
			{proof: primary(b, 4), leader: b, epoch: 1},
			{doubt: b, leader: "", epoch: 1},
			{proof: primary(a, 3), leader: "", epoch: 1},
			{proof: primary(b, 4), leader: b, epoch: 1},
		},
		"another database never leads": {
			{proof: primary(b, 4), leader: b, epoch: 1},
			{doubt: b, leader: "", epoch: 1},
			{proof: Proof{Member: a, Timeline: 9, SystemID: "99"}, leader: "", epoch: 1},
		},
		"without timelines the first stays": {
			{proof: primary(a, 0), leader: a, epoch: 1},
			{proof: primary(b, 0), leader: a, epoch: 1},
			{doubt: a, leader: "", epoch: 1},
			{proof: primary(b, 0), leader: b, epoch: 2},
		},
		"strangers": {
			{proof: primary("c:5432", 1), leader: "", epoch: 0},
			{doubt: "c:5432", leader: "", epoch: 0},
		},
	}
	for about, steps := range tests {
		t.Run(about, func(t *testing.T) {
			c := openStatic(t, a, b)
			for i, s := range steps {
				if s.doubt != "" {
					c.Doubt(0, s.doubt)
				} else {
					c.Observe(s.proof)
				}
				if g := c.View().Groups[0]; g.Leader != s.leader || g.Epoch != s.epoch {
					t.Fatalf("step %d: leader %q, epoch %d; want %q, %d", i, g.Leader, g.Epoch, s.leader, s.epoch)
				}
			}
		})
	}
}

func TestTheOnlyStaticHostMayBeSetUpAnew(t *testing.T) {
	c := openStatic(t, "a:5432")
	c.Observe(primary("a:5432", 7))
	c.Observe(Proof{Member: "a:5432", Timeline: 1, SystemID: "99"})
	if g := c.View().Groups[0]; g.Leader != "a:5432" || g.Epoch != 2 || g.Timeline != 1 || g.SystemID != "99" {
		t.Errorf("got %+v", g)
	}
	c.Observe(Proof{Member: "a:5432", Timeline: 1, SystemID: "99"})
	if g := c.View().Groups[0]; g.Epoch != 2 {
		t.Errorf("then: got %+v", g)
	}
}

func TestStaticRolesFollowTheProofs(t *testing.T) {
	c := openStatic(t, "a:5432", "b:5432")
	role := func(name string) string { m, _ := c.View().Groups[0].Member(name); return m.Role }
	c.Observe(primary("a:5432", 1))
	c.Observe(replica("b:5432"))
	if role("a:5432") != "primary" || role("b:5432") != "replica" {
		t.Errorf("got %q, %q", role("a:5432"), role("b:5432"))
	}
	c.Doubt(0, "b:5432")
	c.Observe(primary("b:5432", 2))
	if role("a:5432") != "" || role("b:5432") != "primary" {
		t.Errorf("then: got %q, %q", role("a:5432"), role("b:5432"))
	}
}

func TestWhatIsNoNewsReplacesNoView(t *testing.T) {
	c := openStatic(t, "a:5432", "b:5432")
	first := c.View()
	c.Observe(primary("a:5432", 1))
	select {
	case <-first.Replaced():
	default:
		t.Fatal("the first View was not replaced")
	}
	second := c.View()
	c.Observe(primary("a:5432", 1))
	c.Observe(Proof{Group: 5, Member: "a:5432"})
	c.Doubt(0, "b:5432")
	if c.View() != second {
		t.Error("a View was published without news")
	}
}
