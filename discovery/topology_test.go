package discovery

import (
	"slices"
	"strings"
	"testing"
)

// layoutOf is a group whose first member leads, each written as "host", or "host tag" with
// nofailover, or failover_priority and its value.
func layoutOf(members ...string) *Group {
	g := &Group{Leader: "m1"}
	for i, text := range members {
		host, tag, _ := strings.Cut(text, " ")
		m := Member{Name: "m" + string(rune('1'+i)), Host: host}
		switch name, value, _ := strings.Cut(tag, "="); name {
		case "nofailover":
			m.Tags = map[string]any{"nofailover": true}
		case "failover_priority":
			m.Tags = map[string]any{"failover_priority": value}
		}
		g.Members = append(g.Members, m)
	}
	return g
}

func (g *Group) with(change func(g *Group)) *Group { change(g); return g }

func inStep(quorum int, names ...string) func(*Group) {
	return func(g *Group) { g.Synchronous, g.SyncStandbys, g.SyncQuorum = true, names, quorum }
}

func TestAGroupIsLostWithTheHostBeyondWhichNobodyMayBePromoted(t *testing.T) {
	noLeader := func(g *Group) { g.Leader = "" }
	for _, c := range []struct {
		about string
		group *Group
		host  string
	}{
		{"leader and only standby on one host", layoutOf("a", "a"), "a"},
		{"crossed", layoutOf("a", "b"), ""},
		{"alone, as somebody has meant it", layoutOf("a"), ""},
		{"nobody", layoutOf(), ""},
		{"one standby of two elsewhere", layoutOf("a", "a", "b"), ""},
		{"the standby elsewhere must not lead", layoutOf("a", "a", "b nofailover"), "a"},
		{"nor with priority 0", layoutOf("a", "a", "b failover_priority=0"), "a"},
		{"with priority 1 it may", layoutOf("a", "a", "b failover_priority=1"), ""},
		{"nobody else may lead at all, as somebody has meant it", layoutOf("a", "b nofailover"), ""},
		{"of two names for the machine itself", layoutOf("127.0.0.1", "localhost"), "127.0.0.1"},
		{"a name in capitals", layoutOf("DB-1.", "db-1"), "DB-1."},
		{"two forms of one address", layoutOf("10.0.0.1", "::ffff:10.0.0.1"), "10.0.0.1"},
		{"a host that is not known is another", layoutOf("a", ""), ""},
		{"hosts that are not known", layoutOf("", ""), ""},
		{"while nobody leads", layoutOf("a", "a").with(noLeader), "a"},
		{"while nobody leads, crossed", layoutOf("a", "b").with(noLeader), ""},
		{"the leader may have a tag", layoutOf("a nofailover", "a"), "a"},
		{"a list of hosts", layoutOf("a", "a").with(func(g *Group) { g.AskHosts = true }), ""},
		{"nodes that all take writes", layoutOf("a", "a").with(func(g *Group) { g.AllWrite = true }), ""},

		{"in step on the leader's host", layoutOf("a", "a", "b").with(inStep(0, "m2")), "a"},
		{"in step elsewhere", layoutOf("a", "a", "b").with(inStep(0, "m3")), ""},
		{"two in step", layoutOf("a", "a", "b").with(inStep(0, "m2", "m3")), ""},
		{"nobody in step for the moment", layoutOf("a", "b").with(inStep(0)), ""},
		{"who is in step has gone", layoutOf("a", "b").with(inStep(0, "m9")), ""},
		{"a quorum elsewhere", layoutOf("a", "a", "b", "c").with(inStep(1, "m2", "m3", "m4")), ""},
		{"too few for a quorum elsewhere", layoutOf("a", "a", "b").with(inStep(1, "m2", "m3")), "a"},
		{"names of the sync key without synchronous_mode", layoutOf("a", "a", "b").with(func(g *Group) { g.SyncStandbys = []string{"m2"} }), ""},
	} {
		if got := c.group.SingleHost(); got != c.host {
			t.Errorf("%s: %q, want %q", c.about, got, c.host)
		}
	}
}

func TestWarningsOfATopology(t *testing.T) {
	undecided := func(g *Group) { g.Undecided = true }
	three := []string{"a", "b", "c"}
	const lost = ": no member elsewhere may be promoted without loss"
	const async = " asynchronously, and nobody has asked for that: a failover may lose commits; set synchronous_mode in Patroni's configuration, false if it is meant"
	for _, c := range []struct {
		about  string
		groups []*Group
		etcd   []string
		want   []string
	}{
		{"nothing is known", nil, nil, nil},
		{"three servers, crossed", []*Group{layoutOf("a", "b"), layoutOf("b", "a"), layoutOf("c", "a")}, three, nil},
		{"three servers, as they were planned", []*Group{layoutOf("a", "b"), layoutOf("b", "a"), layoutOf("c", "c")}, three, []string{"group 2 is lost with host c" + lost}},
		{"two groups on two hosts", []*Group{layoutOf("a", "a"), layoutOf("b", "b")}, nil, []string{"group 0 is lost with host a" + lost, "group 1 is lost with host b" + lost}},
		{"two groups and most of etcd on one host", []*Group{layoutOf("a", "a"), layoutOf("c", "b"), layoutOf("a", "a")}, []string{"a", "a", "c"},
			[]string{"groups 0 and 2 are lost with host a" + lost, "2 of 3 members of etcd run on host a: without it there is no quorum, and nobody is promoted"}},
		{"a machine that has it all", []*Group{layoutOf("127.0.0.1", "127.0.0.1"), layoutOf("localhost", "127.0.0.1"), layoutOf("::1", "::1")}, []string{"127.0.0.1", "localhost", "127.0.0.1"},
			[]string{"groups 0, 1 and 2 are lost with host 127.0.0.1" + lost, "all members of etcd (3) run on host 127.0.0.1: without it nobody is promoted"}},
		{"one member of etcd", []*Group{layoutOf("a", "b")}, []string{"c"}, []string{"all members of etcd (1) run on host c: without it nobody is promoted"}},
		{"etcd on two hosts", nil, []string{"a", "b"}, []string{"1 of 2 members of etcd run on host a: without it there is no quorum, and nobody is promoted", "1 of 2 members of etcd run on host b: without it there is no quorum, and nobody is promoted"}},
		{"members of etcd that do not say where", nil, []string{"", "", ""}, nil},
		{"undecided", []*Group{layoutOf("a", "b").with(undecided), layoutOf("a").with(undecided), layoutOf("b", "a").with(undecided)}, three, []string{"groups 0 and 2 replicate" + async}},
		{"one undecided", []*Group{layoutOf("a", "b"), layoutOf("b", "a").with(undecided)}, three, []string{"group 1 replicates" + async}},
	} {
		groups := make(map[int]*Group)
		for id, g := range c.groups {
			groups[id] = g
		}
		var got []string
		for _, w := range topology(groups, c.etcd) {
			got = append(got, w.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.about, got, c.want)
		}
	}
}

// TestTheLogIsWarnedOnceUntilItIsKnownToBeBetter takes the views of a cluster one by one.
func TestTheLogIsWarnedOnceUntilItIsKnownToBeBetter(t *testing.T) {
	var told warned
	for _, step := range []struct {
		about        string
		groups       []*Group
		etcd         []string
		begun, ended int
	}{
		{"both on one host, etcd too", []*Group{layoutOf("a", "a"), layoutOf("a", "b")}, []string{"a"}, 2, 0},
		{"the same", []*Group{layoutOf("a", "a"), layoutOf("a", "b")}, []string{"a"}, 0, 0},
		{"the standby is gone", []*Group{layoutOf("a"), layoutOf("a", "b")}, []string{"a"}, 0, 0},
		{"it is back", []*Group{layoutOf("a", "a"), layoutOf("a", "b")}, []string{"a"}, 0, 0},
		{"nobody leads, and it is alone", []*Group{layoutOf("a").with(func(g *Group) { g.Leader = "" }), layoutOf("a", "b")}, []string{"a"}, 0, 0},
		{"another group too", []*Group{layoutOf("a", "a"), layoutOf("a", "a")}, []string{"a"}, 1, 0},
		{"one has moved", []*Group{layoutOf("a", "b"), layoutOf("a", "a")}, []string{"a"}, 0, 1},
		{"etcd has grown", []*Group{layoutOf("a", "b"), layoutOf("a", "a")}, []string{"a", "b", "c"}, 0, 1},
		{"the other group is no more", []*Group{layoutOf("a", "b")}, []string{"a", "b", "c"}, 0, 1},
		{"as at first", []*Group{layoutOf("a", "a"), layoutOf("a", "b")}, []string{"a"}, 2, 0},
	} {
		groups := make(map[int]*Group)
		for id, g := range step.groups {
			groups[id] = g
		}
		begun, ended := told.take(&View{Groups: groups, Warnings: topology(groups, step.etcd)})
		if len(begun) != step.begun || len(ended) != step.ended {
			t.Errorf("%s: begun %v, ended %v", step.about, begun, ended)
		}
	}
}
