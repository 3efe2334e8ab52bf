package pool

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"portero/discovery"
)

// metadata is how far a Citus coordinator's pg_dist_node is behind the leaders of the groups:
// behind a failover Patroni rewrites it, and until then Citus' nodes connect to the old leader.
// It is told of views and of what the coordinator answers, and knows when it is to be asked.
type metadata struct {
	mu     sync.Mutex // guards what follows
	groups map[int]*placement
	read   bool // pg_dist_node has been

	out atomic.Pointer[map[int]string] // see leftOut

	wake chan struct{} // somebody who asks is to look again; room for one
}

// placement is where a group's leader is, and where Citus believes it to be.
type placement struct {
	leader string // address; while nobody leads, of who led last
	node   string // the group's primary in pg_dist_node when it was last read; "" = none
	heard  bool   // it has been read
	unsure bool   // it is to be read: the leader has moved, or they differed when it was read last, or it lacked something
	serves bool   // it has once been found to lack nothing
	lacks  string // why it cannot serve what any node can, by what was read last; "" = it can

	since time.Time     // when they began to differ; zero = they do not
	told  bool          // the log says so
	total time.Duration // for which they have differed, but for the present spell
	last  time.Duration // how long the spell before was
}

// node is the primary of a group in pg_dist_node.
type node struct {
	Group  int
	Host   string
	Port   int
	Lacks  bool // isactive or hasmetadata is not set: it cannot serve what any node can
	Behind bool // metadatasynced is not set
}

// shift is what the log is to say of a group.
type shift struct {
	group        int
	leader, node string
	lag          time.Duration // 0: they differ from now on
}

func newMetadata() metadata {
	return metadata{groups: make(map[int]*placement), wake: make(chan struct{}, 1)}
}

// see takes a view. asked: somebody asks the coordinator; else there is nothing to remember.
func (m *metadata) see(v *discovery.View, asked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id := range m.groups {
		if v.Groups[id] == nil || !asked {
			delete(m.groups, id)
		}
	}
	if !asked {
		m.read = false
		m.publishLocked(v)
		return
	}
	defer m.publishLocked(v)
	for id, g := range v.Groups {
		leader, _ := g.Member(g.Leader)
		if leader.Address == "" {
			continue // nobody leads: nothing can be more right than what Citus has
		}
		p := m.groups[id]
		if p == nil {
			p = &placement{}
			m.groups[id] = p
		}
		if p.leader == leader.Address {
			continue
		}
		switch {
		case p.heard && !p.told && p.node != "" && strings.EqualFold(p.node, leader.Address):
			p.since = time.Time{} // it has moved back before anybody was told otherwise
		case p.leader != "" && p.since.IsZero():
			p.since = v.Changed
		}
		p.leader, p.unsure = leader.Address, true
		m.stir()
	}
}

// stir has whoever asks look again.
func (m *metadata) stir() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// asks reports whether the coordinator is to be asked, and since when at least one group has
// differed; zero: it is not known that one does.
func (m *metadata) asks() (asks bool, since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.groups {
		asks = asks || p.unsure
		if !p.since.IsZero() && (since.IsZero() || p.since.Before(since)) {
			since = p.since
		}
	}
	return asks, since
}

// take takes what pg_dist_node says, and returns what has changed by that. v is the view that is in force.
func (m *metadata) take(nodes []node, v *discovery.View, now time.Time) (shifts []shift) {
	said := make(map[int]node, len(nodes))
	for _, n := range nodes {
		said[n.Group] = n
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, p := range m.groups {
		n, there := said[id]
		p.heard, p.node = true, ""
		if there {
			p.node = discovery.Address(n.Host, n.Port)
		}
		same := there && discovery.SamePlace(p.leader, n.Host, n.Port)
		p.lacks = p.lackOf(n, there, m.read)
		p.serves = p.serves || p.lacks == ""
		p.unsure = !same || p.lacks != "" && id != coordinator
		if changed, ok := p.compare(same, now); ok {
			changed.group = id
			shifts = append(shifts, changed)
		}
	}
	m.read = true
	m.publishLocked(v)
	return shifts
}

// compare begins or ends a spell; false: the log has nothing to say.
func (p *placement) compare(same bool, now time.Time) (s shift, ok bool) {
	s = shift{leader: p.leader, node: p.node}
	switch {
	case same && !p.since.IsZero():
		p.last = max(now.Sub(p.since), time.Nanosecond)
		p.total += p.last
		s.lag, ok = p.last, p.told
		p.since, p.told = time.Time{}, false
	case !same && !p.told:
		if p.since.IsZero() {
			p.since = now
		}
		p.told, ok = true, true
	}
	return s, ok
}

// lag is what metrics say of a group; heard is false where pg_dist_node has not been read.
func (m *metadata) lag(group int, now time.Time) (heard, differs bool, total, last time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.groups[group]
	if p == nil {
		return false, false, 0, 0
	}
	differs, total = !p.since.IsZero(), p.total
	if differs {
		total += max(now.Sub(p.since), 0)
	}
	return p.heard, differs, total, p.last
}

// await waits until it is to be looked at again, for pause at most, 0 without end; false: it is
// not any more.
func (m *metadata) await(ctx context.Context, pause time.Duration) bool {
	var alarm <-chan time.Time
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-m.wake:
	case <-alarm:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
