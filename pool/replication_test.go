package pool

import (
	"strings"
	"testing"

	"portero/auth"
	"portero/discovery"
	"portero/wire"
)

// joinReplication is join for clients that replicate, each with what it has its server opened
// with: replicating.
func (s *stage) joinReplication(role, mode string) *Pool {
	s.t.Helper()
	p, err := s.pools.Join(keyOf(role, "postgres", "app").ForReplication(mode), s.terms(1, 0).ForReplication(), auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stage) replicating(p *Pool, how string) *client {
	s.t.Helper()
	c := s.client(p, 0)
	c.do(func() { c.claim.Startup = NewStartup([]wire.Parameter{{Name: "replication", Value: how}}) })
	return c
}

// A walsender stays where it is. So it is opened at a replica although nobody has heard of one
// yet, and at the leader only once no replica lets it in.
func TestAWalsenderThatPrefersReplicasComesToOneAtOnce(t *testing.T) {
	leader, replica := startFake(t), startFake(t)
	replica.follow()
	s := newStage(t, nil, leader.addr, replica.addr)
	at := func(how string) string {
		t.Helper()
		mode := map[string]string{"true": PhysicalReplication, "database": LogicalReplication}[how]
		return s.replicating(s.joinReplication("prefer-replica", mode), how).get().Member()
	}
	for _, how := range []string{"true", "database", "true", "database"} {
		if got := at(how); got != replica.addr {
			t.Errorf("replication=%s: served by %s, not the replica %s", how, got, replica.addr)
		}
	}
	replica.down()
	for _, how := range []string{"true", "database"} {
		if got := at(how); got != leader.addr {
			t.Errorf("replication=%s: served by %s, not the leader %s", how, got, leader.addr)
		}
	}
}

// The plan of a walsender that prefers replicas, and what it keeps.
func TestTheLeaderIsSpareForWalsendersThatPreferReplicas(t *testing.T) {
	d := demand{role: "prefer-replica", lasting: true}
	plan := func(edit func(g *discovery.Group)) plan { return newPlan(led(edit), 0, d, nil, announcedAt) }
	for _, c := range []struct {
		about string
		edit  func(g *discovery.Group)
		want  string // tiers
		as    string
	}{
		{"as it is", nil, "b, a", "replica"},
		{"nobody leads", func(g *discovery.Group) { g.Leader, g.LastLeader = "", "" }, "b", "replica"},
		{"the leader is not confirmed", func(g *discovery.Group) { g.Unconfirmed = true }, "b", "replica"},
		{"the leader is on an older timeline", func(g *discovery.Group) { g.Behind = 1 }, "b", "replica"},
		{"no replica runs", func(g *discovery.Group) { g.Members[1].State = "stopped" }, "a", "leader"},
	} {
		if pl := plan(c.edit); tiers(pl) != c.want || pl.as != c.as || pl.hold != NotHeld {
			t.Errorf("%s: %q as %s, %v", c.about, tiers(pl), pl.as, pl.hold)
		}
	}
	pl := plan(nil)
	a, _ := pl.group.Member("a")
	if _, err := pl.judge(a, discovery.Proof{InRecovery: true, SystemID: "4711"}); err != errInRecovery {
		t.Errorf("a leader in recovery: %v", err)
	}
	at, err := pl.judge(a, discovery.Proof{Timeline: pl.group.Timeline, SystemID: pl.group.SystemID})
	if err != nil || at.as != "leader" || !pl.keeps("a", at, 0) {
		t.Errorf("the leader: %+v, %v", at, err)
	}
	if at.epoch--; pl.keeps("a", at, 0) || pl.lets("a", at) {
		t.Error("a leader's walsender of an older epoch is kept")
	}
	if why := pl.whyLater(a); !strings.HasPrefix(why, "leads") {
		t.Errorf("explained by %q", why)
	}
}
