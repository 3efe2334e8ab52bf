package pool

import (
	"maps"
	"slices"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
)

func TestAGroupWithoutMetadataIsLeftOutOnceThatIsKnown(t *testing.T) {
	const absent, bare, behind, unread = "it is not in pg_dist_node", "pg_dist_node has it without isactive or hasmetadata",
		"pg_dist_node has it without metadatasynced", "pg_dist_node has not been read since it appeared"
	leaders := map[int]string{0: "a:1", 1: "b:1"}
	more := map[int]string{0: "a:1", 1: "b:1", 2: "c:1"}
	b, c := nodeAt(1, "b", 1), nodeAt(2, "c", 1)
	but := func(n node, lacks, behind bool) node { n.Lacks, n.Behind = lacks, behind; return n }
	m := newMetadata()
	v := viewOf(time.Now(), leaders)
	for _, s := range []struct {
		name    string
		leaders map[int]string // a view; nil: it is an answer
		nodes   []node
		out     map[int]string
		asks    bool
	}{
		{name: "nothing is known at first", leaders: leaders, asks: true},
		{name: "one that is behind then may have been in line", nodes: []node{but(b, false, true)}, asks: true}, // as 0 is not there
		{name: "a group that appears waits for an answer", leaders: more, out: map[int]string{2: unread}, asks: true},
		{name: "it is not there yet", nodes: []node{b}, out: map[int]string{2: absent}, asks: true},
		{name: "it has no metadata", nodes: []node{nodeAt(0, "a", 1), b, but(c, true, true)}, out: map[int]string{2: bare}, asks: true},
		{name: "which is not in line", nodes: []node{nodeAt(0, "a", 1), b, but(c, false, true)}, out: map[int]string{2: behind}, asks: true},
		{name: "it is", nodes: []node{nodeAt(0, "a", 1), b, c}},
		{name: "nodes that are behind for a while stay", nodes: []node{nodeAt(0, "a", 1), but(b, false, true), but(c, false, true)}},
		{name: "one that is disabled does not", nodes: []node{but(nodeAt(0, "a", 1), true, true), but(b, true, false), c}, out: map[int]string{1: bare}, asks: true},
		{name: "a leader that moves changes nothing", leaders: map[int]string{0: "a:1", 1: "b:1", 2: "d:1"}, out: map[int]string{1: bare}, asks: true},
		{name: "a group that has gone", leaders: map[int]string{0: "a:1", 2: "d:1"}, asks: true},
	} {
		if s.leaders != nil {
			v = viewOf(time.Now(), s.leaders)
			m.see(v, true)
		} else {
			m.take(s.nodes, v, time.Now())
		}
		if got := m.leftOut(); !maps.Equal(got, s.out) {
			t.Errorf("%s: %v is left out", s.name, got)
		}
		if asks, _ := m.asks(); asks != s.asks {
			t.Errorf("%s: asks %t", s.name, asks)
		}
	}
	m.see(viewOf(time.Now(), more), true)
	if m.see(viewOf(time.Now(), more), false); len(m.leftOut()) != 0 {
		t.Errorf("%v is left out, and nobody asks any more", m.leftOut())
	}
}

// As it is at a new worker: first it has a leader, then Citus knows of it.
func TestAWorkerThatJoinsIsSpreadOverWhenCitusHasIt(t *testing.T) {
	s := newCitusStage(t, config.Metadata{User: "app", Database: "postgres"})
	defer superuser(t, s.coordinator, "with gone as (delete from pg_dist_node where groupid > 1 returning 1) select count(*) from gone")
	route := config.Route{Cluster: "main", Group: config.AnyGroup}
	next := *s.cfg
	next.Routes = append(slices.Clone(next.Routes), route)
	change, err := s.pools.Prepare(&next)
	if err != nil {
		t.Fatal(err)
	}
	change.Apply(s.servers)
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	wait(t, "it has been read", func() error { return until(s.state(1).MetadataHeard) })
	key := keyOf("leader", "postgres", "app")
	home, err := s.pools.Join(key, s.terms(1, 0), auth.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	sp := s.pools.JoinSpread(home, "app", ReachOf(&route), s.terms(1, 0), auth.Credentials{})
	over := func(want ...int) func() error {
		return func() error {
			var parts, shares []int
			for _, one := range *sp.parts.Load() {
				parts = append(parts, one.pool.Key.Group)
			}
			for _, share := range s.pools.Shares(&route) {
				shares = append(shares, share.Group)
			}
			return until(slices.Equal(parts, want) && slices.Equal(shares, want))
		}
	}
	wait(t, "both groups", over(0, 1))
	s.leads(2, "n", "10.0.0.3:5432")
	wait(t, "it is found to be missing", func() error {
		return until(slices.Contains(s.state(2).Warnings, "left out of routes to any node: it is not in pg_dist_node"))
	})
	if over(0, 1)() != nil || s.pools.LeftOut(&route)[2] == "" || s.pools.LeftOut(&config.Route{Cluster: "main", Group: config.AnyGroup, Groups: []int{0, 1}})[2] != "" {
		t.Errorf("over %v, left out %v", s.pools.Shares(&route), s.pools.LeftOut(&route))
	}
	s.node(2, "10.0.0.3:5432")
	wait(t, "all three", over(0, 1, 2))
	if n := s.diary.times("group is in routes to any node"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
