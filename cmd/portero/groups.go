package main

import (
	"context"
	"sync"
	"time"

	"portero/discovery"
	"portero/metrics"
)

// tally keeps count of leaders for the metrics: how often one followed
// another, and how long there was none.
type tally struct {
	clusters map[string]*discovery.Cluster
	stop     context.CancelFunc
	workers  sync.WaitGroup

	mu     sync.Mutex // guards groups
	groups map[groupKey]*groupTally
}

type groupKey struct {
	cluster string
	group   int
}

type groupTally struct {
	epoch     uint64
	changes   uint64
	leaderful bool
	lost      time.Time     // since when there is no leader
	without   time.Duration // the sum of all times without a leader
}

func startTally(clusters map[string]*discovery.Cluster) *tally {
	ctx, stop := context.WithCancel(context.Background())
	t := &tally{clusters: clusters, stop: stop, groups: make(map[groupKey]*groupTally)}
	for name := range clusters {
		t.workers.Add(1)
		go t.follow(ctx, name)
	}
	return t
}

func (t *tally) close() {
	t.stop()
	t.workers.Wait()
}

// follow looks at each view of one cluster.
func (t *tally) follow(ctx context.Context, name string) {
	defer t.workers.Done()
	for {
		v := t.clusters[name].View()
		t.note(name, v)
		select {
		case <-v.Replaced():
		case <-ctx.Done():
			return
		}
	}
}

func (t *tally) note(name string, v *discovery.View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, g := range v.Groups {
		k := groupKey{name, id}
		n := t.groups[k]
		if n == nil {
			n = &groupTally{lost: time.Now(), epoch: g.Epoch}
			t.groups[k] = n
		}
		n.see(g, time.Now())
	}
}

func (n *groupTally) see(g *discovery.Group, now time.Time) {
	if g.Epoch != n.epoch {
		if n.epoch != 0 { // the first leader follows nobody
			n.changes++
		}
		n.epoch = g.Epoch
	}
	has := g.Leader != ""
	switch {
	case has && !n.leaderful:
		n.without += now.Sub(n.lost)
	case !has && n.leaderful:
		n.lost = now
	}
	n.leaderful = has
}

func (n *groupTally) leaderless(now time.Time) time.Duration {
	if n.leaderful {
		return n.without
	}
	return n.without + now.Sub(n.lost)
}

// states describes all groups for metrics and the status page.
func (t *tally) states() []metrics.GroupState {
	var states []metrics.GroupState
	for name, c := range t.clusters {
		v, connected := c.View(), c.Stats().Connected
		if len(v.Groups) == 0 {
			states = append(states, metrics.GroupState{Cluster: name, Connected: connected, Stale: v.Stale})
		}
		for id, g := range v.Groups {
			states = append(states, t.state(name, id, g, connected, v.Stale))
		}
	}
	return states
}

func (t *tally) state(name string, id int, g *discovery.Group, connected, stale bool) metrics.GroupState {
	s := metrics.GroupState{
		Cluster: name, Group: id, Leader: g.Leader, Epoch: g.Epoch, Timeline: g.Timeline,
		Connected: connected, Stale: stale, Paused: g.Paused, Standby: g.Standby,
	}
	if g.Announced != nil {
		s.Switchover = g.Announced.From + " to " + g.Announced.To
	}
	for _, m := range g.Members {
		s.Members = append(s.Members, metrics.MemberState{Name: m.Name, Address: m.Address, Role: m.Role, State: m.State, Timeline: m.Timeline, Lag: m.Lag})
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.groups[groupKey{name, id}]; n != nil {
		s.EpochChanges, s.LeaderlessSeconds = n.changes, n.leaderless(time.Now()).Seconds()
	}
	return s
}
