package pool

import (
	"errors"
	"strings"
	"testing"
	"time"

	"portero/discovery"
)

// What is heard of replicas, and what a view means with that to those who prefer
// them, or do not want them to lag by more than 10 s.
func TestAPlanKeepsReadersFromReplicasThatDoNotFit(t *testing.T) {
	now := announcedAt
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	well := reading{at: ago(time.Second), seen: ago(time.Second), led: ago(time.Second)}
	lags := well
	lags.behind = ago(11 * time.Second)
	alone := reading{at: ago(time.Second)}
	silent := reading{at: ago(4 * time.Second), seen: ago(4 * time.Second), led: now}
	for _, c := range []struct {
		name                           string
		edit                           func(g *discovery.Group)
		b                              reading
		replica, prefer, loose, either string // loose: prefers replicas, however far behind
	}{
		{"a replica that is up to date", nil, well, "until 9s, b", "until 9s, b", "until 2s, b", "until 9s, a b"},
		{"that lags", nil, lags, "all replicas lag", "leader a", "until 2s, b", "a"},
		{"of which nothing was heard", nil, reading{}, "lag of replicas not known", "leader a", "leader a", "a"},
		{"that answers, and its leader never did", nil, alone, "lag of replicas not known", "leader a", "until 2s, b", "a"},
		{"that has fallen silent", nil, silent, "until 6s, b", "until 6s, b", "leader a", "until 6s, a b"},
		{"that is not to be read", func(g *discovery.Group) { g.Members[1].Tags = map[string]any{"noloadbalance": true} }, well, "", "leader a", "leader a", "a"},
		{"that is gone", func(g *discovery.Group) { g.Members = g.Members[:1] }, well, "", "leader a", "leader a", "a"},
		{"without a leader", func(g *discovery.Group) { g.Leader = "" }, well, "until 9s, b", "until 9s, b", "until 2s, b", "until 9s, b"},
		{"that lags, without a leader", func(g *discovery.Group) { g.Leader = "" }, lags, "all replicas lag", "leader no leader", "until 2s, b", "all replicas lag"},
		{"while a switchover is announced", announce("a", "b"), well, "until 9s, b", "until 9s, b", "until 2s, b", "until 9s, a b"},
		{"that lags then", announce("a", "b"), lags, "all replicas lag", "leader switchover announced until 5s, a, warm b", "until 2s, b", "a"},
		{"among hosts that are asked", func(g *discovery.Group) { g.AskHosts = true }, lags, "all replicas lag", "leader a or another", "until 2s, b", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, one := range []struct {
				demand demand
				want   string
			}{
				{demand{role: "replica", maxLag: 10 * time.Second}, c.replica},
				{demand{role: "prefer-replica", maxLag: 10 * time.Second}, c.prefer},
				{demand{role: "prefer-replica"}, c.loose},
				{demand{role: "any", maxLag: 10 * time.Second}, c.either},
			} {
				one.demand.drain = 5 * time.Second
				pl := newPlan(led(c.edit), 0, one.demand, readings{"b": c.b}, now)
				got := planText(pl)
				if pl.as == "leader" {
					got = "leader " + got
				}
				got = strings.TrimPrefix(got, " ")
				if got != one.want {
					t.Errorf("%s, %v: %q, not %q", one.demand.role, one.demand.maxLag, got, one.want)
				}
			}
		})
	}
}

// Whether a pool exists only a server can tell, and one that lags can.
func TestACandidateMayAskAReplicaThatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		role string
		edit func(g *discovery.Group)
		want string
	}{
		{"replica", nil, "lag of replicas not known, b"},
		{"prefer-replica", nil, "a"},
		{"prefer-replica", func(g *discovery.Group) { g.Leader = "" }, "no leader, b"},
	} {
		pl := newPlan(led(c.edit), 0, demand{role: c.role, maxLag: time.Second, candidate: true}, nil, announcedAt)
		if got := planText(pl); got != c.want {
			t.Errorf("%s: %q, not %q", c.role, got, c.want)
		}
	}
}

// Who prefers replicas may write while the leader serves: then nothing is less
// fenced than for role leader.
func TestTheLeaderServesThoseWhoPreferReplicasAsALeader(t *testing.T) {
	v := led(nil)
	a, _ := v.Groups[0].Member("a")
	b, _ := v.Groups[0].Member("b")
	fits := readings{"b": reading{at: announcedAt, seen: announcedAt, led: announcedAt}}
	falls, reads := newPlan(v, 0, demand{role: "prefer-replica"}, nil, announcedAt), newPlan(v, 0, demand{role: "prefer-replica"}, fits, announcedAt)
	for _, c := range []struct {
		name     string
		plan     plan
		member   discovery.Member
		recovery bool
		timeline int64
		want     error
	}{
		{"the leader, as none fits", falls, a, false, 7, nil},
		{"on an older timeline", falls, a, false, 6, errOldTimeline},
		{"in recovery", falls, a, true, 0, errInRecovery},
		{"a replica that does not fit", falls, b, true, 0, errMoved},
		{"a replica that fits", reads, b, true, 0, nil},
		{"that takes writes", reads, b, false, 7, errNotReplica},
		{"the leader then", reads, a, false, 7, errMoved},
	} {
		_, err := c.plan.judge(c.member, discovery.Proof{Member: c.member.Name, InRecovery: c.recovery, Timeline: c.timeline, SystemID: "4711"})
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	moved := led(func(g *discovery.Group) { g.Leader, g.Epoch = "b", 4 })
	after := newPlan(moved, 0, demand{role: "prefer-replica"}, nil, announcedAt)
	for _, c := range []struct {
		name        string
		plan        plan
		member      string
		at          post
		stays, lets bool
	}{
		{"at the leader", falls, "a", post{"leader", 3}, true, true},
		{"at a replica that fits no more", falls, "b", post{"replica", 3}, false, true},
		{"at a replica", reads, "b", post{"replica", 2}, true, true},
		{"at the leader, as a replica is back", reads, "a", post{"leader", 3}, false, true},
		{"at the old leader", after, "a", post{"leader", 3}, false, false},
		{"at a replica that leads now", after, "b", post{"replica", 3}, false, true},
	} {
		if stays, lets := c.plan.keeps(c.member, c.at, 3), c.plan.lets(c.member, c.at); stays != c.stays || lets != c.lets {
			t.Errorf("%s: stays %v, may end in peace %v", c.name, stays, lets)
		}
	}
}
