package pool

import (
	"slices"
	"sync"
	"time"

	"portero/discovery"
	"portero/metrics"
)

// groupKey names a group.
type groupKey struct {
	cluster string
	group   int
}

// chronicles is what has become of all groups. Its mu is taken after every other.
type chronicles struct {
	mu sync.Mutex
	of map[groupKey]*chronicle

	former []metrics.FailoverState // that the process before this one has seen to their ends

	suspected map[groupKey]int64 // when the servers of a group were last to be asked, on the loops' clock
}

// suspectAgain is how long the death of a server speaks for that of others, as all of a
// leader's may die at once.
const suspectAgain = 10 * time.Millisecond

// suspects reports whether the servers of a group are to be asked now.
func (cs *chronicles) suspects(k groupKey, now int64) bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if last, ok := cs.suspected[k]; ok && now-last < int64(suspectAgain) {
		return false
	}
	if cs.suspected == nil {
		cs.suspected = make(map[groupKey]int64)
	}
	cs.suspected[k] = now
	return true
}

// tell has something told to the chronicle of a group, and returns its failover with the
// phases that this has begun.
func (cs *chronicles) tell(k groupKey, what func(c *chronicle) []phase) (f metrics.FailoverState, begun []phase) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.of == nil {
		cs.of = make(map[groupKey]*chronicle)
	}
	c := cs.of[k]
	if c == nil {
		c = &chronicle{}
		cs.of[k] = c
	}
	begun = what(c)
	if all := c.failovers(); len(all) > 0 && len(begun) > 0 {
		f = all[len(all)-1]
	}
	return f, begun
}

// note tells a group's chronicle, and the log of each phase that has begun.
func (ps *Pools) note(k groupKey, what func(c *chronicle) []phase) {
	f, begun := ps.chronicles.tell(k, what)
	for _, p := range begun {
		ps.log.Info("failover", "cluster", k.cluster, "group", k.group, "phase", string(p), "from", f.From, "to", f.To,
			"epoch", f.Epoch, "timeline", f.Timeline, "after", time.Since(f.Began()).Round(time.Millisecond), "clients_held", f.ClientsHeld)
	}
}

// replace tells the chronicles of a cluster that it is another one from here on.
func (cs *chronicles) replace(cluster string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for k, c := range cs.of {
		if k.cluster == cluster {
			c.replaced(time.Now())
		}
	}
}

// seeAll tells the chronicles of a cluster of a new view.
func (ps *Pools) seeAll(cluster string, v *discovery.View) {
	for id, g := range v.Groups {
		if !g.AllWrite { // there is no leader to be lost
			ps.see(groupKey{cluster, id}, v)
		}
	}
}

func (ps *Pools) see(k groupKey, v *discovery.View) {
	now := time.Now()
	pl := newPlan(v, k.group, ps.forLeader(), nil, now)
	ps.note(k, func(c *chronicle) []phase { return c.see(&pl, now) })
}

func (p *Pool) group() groupKey { return groupKey{p.Key.Cluster, p.Key.Group} }

// diedUnasked is a server of a leader that has died without being asked to.
func (p *Pool) diedUnasked() {
	if p.Key.Role == "leader" {
		p.owner.note(p.group(), func(c *chronicle) []phase { return c.died(time.Now()) })
	}
}

// provedFirst is the first server that the pool has in an epoch, for which so many clients
// have waited. It may know of the epoch before followCluster does.
func (p *Pool) provedFirst(epoch uint64, waited int) {
	if p.Key.Role == "leader" {
		p.owner.see(p.group(), p.cluster().View())
		p.owner.note(p.group(), func(c *chronicle) []phase { return c.proved(epoch, waited, time.Now()) })
	}
}

// Ended is the position in the WAL at which a timeline of the pool's group ended, once
// Patroni tells. Any goroutine.
func (p *Pool) Ended(timeline int64) (position uint64, ok bool) {
	if g := p.cluster().View().Groups[p.Key.Group]; g != nil {
		position, ok = g.Ends[timeline]
	}
	return position, ok
}

// Count adds what became of transactions whose server was lost. Any goroutine.
func (p *Pool) Count(o metrics.Outcomes) {
	p.owner.note(p.group(), func(c *chronicle) []phase { c.count(o, time.Now()); return nil })
}

// Remember adds to Failovers those that the process before this one has seen. One that was
// under way is left out: nobody knows here how it goes on.
func (ps *Pools) Remember(former []metrics.FailoverState) {
	ps.chronicles.mu.Lock()
	defer ps.chronicles.mu.Unlock()
	ps.chronicles.former = slices.DeleteFunc(slices.Clone(former), func(f metrics.FailoverState) bool { return f.Ended().IsZero() })
}

// Failovers are the last ones of each group, the newest first.
func (ps *Pools) Failovers() []metrics.FailoverState {
	ps.chronicles.mu.Lock()
	defer ps.chronicles.mu.Unlock()
	all := append([]metrics.FailoverState{}, ps.chronicles.former...)
	for k, c := range ps.chronicles.of {
		for _, f := range c.failovers() {
			f.Cluster, f.Group = k.cluster, k.group
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b metrics.FailoverState) int { return b.Began().Compare(a.Began()) })
	seen := make(map[groupKey]int)
	return slices.DeleteFunc(all, func(f metrics.FailoverState) bool {
		k := groupKey{f.Cluster, f.Group}
		seen[k]++
		return seen[k] > keptFailovers
	})
}

// forLeader is what those ask who need a group's leader.
func (ps *Pools) forLeader() demand {
	return demand{role: "leader", drain: ps.limits().SwitchoverDrain, ordered: ps.orders.stand.Load().ofAll()}
}

// Groups describes all groups, for metrics and the status page.
func (ps *Pools) Groups() (states []metrics.GroupState) {
	now, open := time.Now(), ps.serversByMember()
	for name, cl := range ps.clusters() {
		v, connected := cl.discovery.View(), cl.discovery.Stats().Connected
		if len(v.Groups) == 0 {
			states = append(states, metrics.GroupState{Cluster: name, Connected: connected, Stale: v.Stale})
		}
		for id := range v.Groups {
			s := ps.groupState(groupKey{name, id}, v, now)
			s.Connected, s.Stale = connected, v.Stale
			for i := range s.Members {
				s.Members[i].Servers = open[memberKey{groupKey{name, id}, s.Members[i].Name}]
			}
			states = append(states, s)
		}
	}
	return states
}

func (ps *Pools) groupState(k groupKey, v *discovery.View, now time.Time) metrics.GroupState {
	pl := newPlan(v, k.group, ps.forLeader(), nil, now)
	g := pl.group
	s := metrics.GroupState{
		Cluster: k.cluster, Group: k.group, Leader: pl.leads, Epoch: g.Epoch, Timeline: g.Timeline,
		AllWrite: g.AllWrite, Paused: g.Paused, Standby: g.Standby, Held: pl.words(), Unconfirmed: g.Unconfirmed, Behind: g.Behind,
	}
	if g.Announced != nil {
		s.Switchover = g.Announced.From + " to " + g.Announced.To
	}
	warn(&s, g, v)
	if cl := ps.clusters()[k.cluster]; cl != nil {
		var total, last time.Duration
		s.MetadataHeard, s.MetadataDiffers, total, last = cl.metadata.lag(k.group, now)
		s.MetadataLagSeconds, s.MetadataLastLagSeconds = total.Seconds(), last.Seconds()
		if words := ps.leftOutWords(cl, k.group); words != "" {
			s.Warnings = append(s.Warnings, words)
		}
	}
	for _, m := range g.Members {
		s.Members = append(s.Members, ps.memberState(k.cluster, k.group, m))
	}
	ps.chronicles.mu.Lock()
	defer ps.chronicles.mu.Unlock()
	if c := ps.chronicles.of[k]; c != nil {
		s.EpochChanges, s.LeaderlessSeconds, s.HeldSeconds, s.Outcomes = c.changes, c.leaderless(now).Seconds(), c.heldFor(now).Seconds(), c.total
	}
	return s
}

func (ps *Pools) memberState(cluster string, group int, m discovery.Member) metrics.MemberState {
	s := metrics.MemberState{Name: m.Name, Address: m.Address, Role: m.Role, State: m.State, Timeline: m.Timeline, Lag: m.Lag, Host: m.Host, Zone: m.Zone}
	s.LagTime, s.Measured = ps.Lag(cluster, group, m.Name)
	return s
}
