package main

import (
	"context"
	"sync"
	"time"

	"portero/discovery"
	"portero/metrics"
)

// reigns keeps count of leaders for the metrics: how often one followed
// another, and how long there was none.
type reigns struct {
	clusters map[string]*discovery.Cluster
	stop     context.CancelFunc
	workers  sync.WaitGroup

	mu     sync.Mutex // guards groups
	groups map[groupKey]*reign
}

type groupKey struct {
	cluster string
	group   int
}

type reign struct {
	epoch     uint64
	changes   uint64
	leaderful bool
	lost      time.Time     // since when there is no leader
	without   time.Duration // the sum of all times without a leader
}

func watchReigns(clusters map[string]*discovery.Cluster) *reigns {
	ctx, stop := context.WithCancel(context.Background())
	r := &reigns{clusters: clusters, stop: stop, groups: make(map[groupKey]*reign)}
	for name := range clusters {
		r.workers.Add(1)
		go r.follow(ctx, name)
	}
	return r
}

func (r *reigns) close() {
	r.stop()
	r.workers.Wait()
}

// follow looks at each view of one cluster.
func (r *reigns) follow(ctx context.Context, name string) {
	defer r.workers.Done()
	for {
		v := r.clusters[name].View()
		r.note(name, v)
		select {
		case <-v.Replaced():
		case <-ctx.Done():
			return
		}
	}
}

func (r *reigns) note(name string, v *discovery.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, g := range v.Groups {
		k := groupKey{name, id}
		n := r.groups[k]
		if n == nil {
			n = &reign{lost: time.Now(), epoch: g.Epoch}
			r.groups[k] = n
		}
		n.see(g, time.Now())
	}
}

func (n *reign) see(g *discovery.Group, now time.Time) {
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

func (n *reign) leaderless(now time.Time) time.Duration {
	if n.leaderful {
		return n.without
	}
	return n.without + now.Sub(n.lost)
}

// states describes all groups for metrics and the status page.
func (r *reigns) states() []metrics.GroupState {
	var states []metrics.GroupState
	for name, c := range r.clusters {
		v, connected := c.View(), c.Stats().Connected
		if len(v.Groups) == 0 {
			states = append(states, metrics.GroupState{Cluster: name, Connected: connected, Stale: v.Stale})
		}
		for id, g := range v.Groups {
			states = append(states, r.state(name, id, g, connected, v.Stale))
		}
	}
	return states
}

func (r *reigns) state(name string, id int, g *discovery.Group, connected, stale bool) metrics.GroupState {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.groups[groupKey{name, id}]; n != nil {
		s.EpochChanges, s.LeaderlessSeconds = n.changes, n.leaderless(time.Now()).Seconds()
	}
	return s
}
