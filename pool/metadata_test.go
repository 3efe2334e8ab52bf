package pool

import (
	"testing"
	"time"

	"portero/discovery"
)

// viewOf is a view in which the leaders of groups are at these addresses.
func viewOf(at time.Time, leaders map[int]string) *discovery.View {
	v := &discovery.View{Cluster: "main", Groups: make(map[int]*discovery.Group), Changed: at}
	for id, address := range leaders {
		g := &discovery.Group{ID: id}
		if address != "" {
			g.Leader, g.Members = "m", []discovery.Member{{Name: "m", Address: address}}
		}
		v.Groups[id] = g
	}
	return v
}

// step is a view or an answer, and what is known behind it of group 1.
type step struct {
	name    string
	at      int            // seconds
	leaders map[int]string // a view; nil: it is an answer
	nodes   []node
	asks    bool
	shifts  int // how many lines the log gets
	heard   bool
	differs bool
	total   int // seconds
	last    int
}

func TestTheLagOfTheMetadataIsFromTheLeadersMoveToTheAnswerThatHasIt(t *testing.T) {
	at, there := "10.0.0.1:5432", "10.0.0.2:5432"
	first, second := nodeAt(1, "10.0.0.1", 5432), nodeAt(1, "10.0.0.2", 5432)
	zero := nodeAt(0, "10.0.0.9", 5432)
	leaders := func(worker string) map[int]string { return map[int]string{0: "10.0.0.9:5432", 1: worker} }
	run(t, []step{
		{name: "it is read at the start", at: 0, leaders: leaders(at), asks: true},
		{name: "and points to the leaders", at: 1, nodes: []node{zero, first}, heard: true},
		{name: "nobody leads", at: 10, leaders: leaders(""), heard: true},
		{name: "the leader has moved", at: 20, leaders: leaders(there), asks: true, heard: true, differs: true},
		{name: "it does not know yet", at: 22, nodes: []node{zero, first}, asks: true, shifts: 1, heard: true, differs: true, total: 2},
		{name: "which is told once", at: 23, nodes: []node{zero, first}, asks: true, heard: true, differs: true, total: 3},
		{name: "it knows", at: 25, nodes: []node{zero, second}, shifts: 1, heard: true, total: 5, last: 5},
		{name: "the same again is no move", at: 30, leaders: leaders(there), heard: true, total: 5, last: 5},
		{name: "the leader has moved back", at: 40, leaders: leaders(at), asks: true, heard: true, differs: true, total: 5, last: 5},
		{name: "of which it knew at once", at: 41, nodes: []node{first, zero}, heard: true, total: 6, last: 1},
	})
}

// Nobody has been sent elsewhere by a leader that is where it was when it is asked.
func TestALeaderThatMovesThereAndBackBetweenTwoReadingsIsNoLag(t *testing.T) {
	leader := func(address string) map[int]string { return map[int]string{1: address} }
	at, there := leader("node-a:5432"), leader("node-b:5432")
	a := []node{nodeAt(1, "NODE-A", 5432)}
	run(t, []step{
		{name: "start", at: 0, leaders: at, asks: true},
		{name: "it knows", at: 1, nodes: a, heard: true},
		{name: "the leader has moved", at: 10, leaders: there, asks: true, heard: true, differs: true},
		{name: "and back", at: 30, leaders: at, asks: true, heard: true},
		{name: "it knew all the time", at: 31, nodes: a, heard: true},
		{name: "it has moved again", at: 40, leaders: there, asks: true, heard: true, differs: true},
		{name: "which it does not know", at: 42, nodes: a, asks: true, shifts: 1, heard: true, differs: true, total: 2},
		{name: "and back, of which the log tells when it is read", at: 45, leaders: at, asks: true, heard: true, differs: true, total: 5},
		{name: "it is right again", at: 46, nodes: a, shifts: 1, heard: true, total: 6, last: 6},
	})
}

func TestMetadataThatHasNeverPointedToTheLeaderLagsFromItsFirstReading(t *testing.T) {
	leaders := map[int]string{1: "[fd00::1]:5433"}
	run(t, []step{
		{name: "start", at: 0, leaders: leaders, asks: true},
		{name: "another port", at: 7, nodes: []node{nodeAt(1, "fd00::1", 5432)}, asks: true, shifts: 1, heard: true, differs: true},
		{name: "the group is not there", at: 8, nodes: nil, asks: true, heard: true, differs: true, total: 1},
		{name: "it is", at: 9, nodes: []node{nodeAt(1, "FD00::1", 5433)}, shifts: 1, heard: true, total: 2, last: 2},
		{name: "the group has gone", at: 10, leaders: map[int]string{}},
	})
}

// nodeAt is a node that lacks nothing.
func nodeAt(group int, host string, port int) node { return node{Group: group, Host: host, Port: port} }

func run(t *testing.T, steps []step) {
	m := newMetadata()
	v := &discovery.View{}
	began := time.Now()
	for _, s := range steps {
		now := began.Add(time.Duration(s.at) * time.Second)
		var shifts []shift
		if s.leaders != nil {
			v = viewOf(now, s.leaders)
			m.see(v, true)
		} else {
			shifts = m.take(s.nodes, v, now)
		}
		if asks, _ := m.asks(); asks != s.asks {
			t.Errorf("%s: asks %t", s.name, asks)
		}
		if len(shifts) != s.shifts {
			t.Errorf("%s: the log is told of %v", s.name, shifts)
		}
		heard, differs, total, last := m.lag(1, now)
		if heard != s.heard || differs != s.differs || total != time.Duration(s.total)*time.Second || last != time.Duration(s.last)*time.Second {
			t.Errorf("%s: heard %t, differs %t, for %s, the last time %s", s.name, heard, differs, total, last)
		}
	}
}

func TestNothingIsRememberedOfMetadataThatNobodyAsksFor(t *testing.T) {
	m := newMetadata()
	v := viewOf(time.Now(), map[int]string{1: "10.0.0.1:5432"})
	m.see(v, true)
	m.take(nil, v, time.Now())
	m.see(v, false)
	if asks, since := m.asks(); asks || !since.IsZero() {
		t.Errorf("asks %t since %s", asks, since)
	}
	m.see(v, true)
	if heard, differs, _, _ := m.lag(1, time.Now()); heard || differs {
		t.Errorf("heard %t, differs %t", heard, differs)
	}
}
