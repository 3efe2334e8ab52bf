package discovery

import (
	"fmt"
	"slices"
	"sort"
	"time"
)

// patroni is what is known of a cluster that Patroni keeps in etcd: the last
// pictures of its groups, and the memory that gives each an epoch. It has no
// I/O and no lock; Cluster.mu guards it.
type patroni struct {
	seen    map[int]picture
	reigns  map[int]reign
	leaders map[int]Member     // the last leader of each group as its own key described it
	wanted  map[int]Switchover // what was announced last
	limit   time.Duration      // stale_leader_limit; 0 = by Patroni's own settings
}

func newPatroni() *patroni {
	return &patroni{seen: map[int]picture{}, reigns: map[int]reign{}, leaders: map[int]Member{}, wanted: map[int]Switchover{}}
}

// follow takes the pictures of a newer revision, seen at now. A group whose keys have
// all gone keeps its epoch and is without leader and members.
func (p *patroni) follow(seen map[int]picture, now time.Time) {
	p.date(seen, now)
	p.seen = seen
	for id := range p.reigns {
		if _, ok := seen[id]; !ok {
			p.reigns[id] = p.reigns[id].of("")
		}
	}
	for id, pic := range seen {
		p.reigns[id] = p.reigns[id].see(pic)
		if m, ok := pic.leading(); ok {
			p.leaders[id] = m
		}
	}
}

// date notes since when a switchover is announced.
func (p *patroni) date(seen map[int]picture, now time.Time) {
	wanted := map[int]Switchover{}
	for id, pic := range seen {
		if pic.announced == nil {
			continue
		}
		s, before := *pic.announced, p.wanted[id]
		if s.Since = before.Since; s != before {
			s.Since = now
		}
		wanted[id], pic.announced = s, &s
		seen[id] = pic
	}
	p.wanted = wanted
}

// see tells what a picture says of the reign. A member's timeline counts only if
// it leads and calls itself primary: a replica writes the one it follows, and a
// leader that has not promoted yet is a replica (patroni/ha.py, touch_member).
func (r reign) see(p picture) reign {
	r = r.of(p.system).hold(p.leader)
	if m, ok := p.leading(); ok && m.Role == rolePrimary && !p.standby {
		r = r.claim(m.Timeline)
	}
	return r
}

// observe believes nobody but the member that the key names, or named last: who
// else is not in recovery is a leader of the past, or of a future that the key
// will tell of.
func (p *patroni) observe(proof Proof) bool {
	old, ok := p.reigns[proof.Group]
	foreign := proof.SystemID != "" && old.system != "" && proof.SystemID != old.system
	if !ok || proof.InRecovery || proof.Member != old.member || foreign {
		return false
	}
	r := old.compare(proof.Timeline, p.seen[proof.Group].history.newest)
	if r.behind == 0 {
		r = r.prove(proof.Timeline)
	}
	p.reigns[proof.Group] = r
	return r != old
}

// accept has the leader of a group begin a reign on the older timeline that it has
// proved, and forgets the newer ones, those of the history key as it stands included.
func (p *patroni) accept(group int, timeline int64) error {
	r, history := p.reigns[group], p.seen[group].history.newest
	switch {
	case r.behind == 0:
		return fmt.Errorf("group %d: its leader is not held for an older timeline", group)
	case r.behind != timeline:
		return fmt.Errorf("group %d: its leader is held for timeline %d, not %d", group, r.behind, timeline)
	case p.seen[group].group(group, r).Holder() != r.member:
		return fmt.Errorf("group %d: %s, which is on timeline %d, does not lead", group, r.member, timeline)
	}
	p.reigns[group] = r.accept(history)
	return nil
}

// doubt changes nothing: who leads is for the key to say.
func (p *patroni) doubt(int, string) bool { return false }

func (p *patroni) groups() map[int]*Group {
	groups := make(map[int]*Group, len(p.reigns))
	for id, r := range p.reigns {
		g := p.seen[id].group(id, r)
		g.StaleLimit = p.staleLimit(p.seen[id])
		p.keepUnleased(g)
		groups[id] = g
	}
	return groups
}

// keepUnleased puts the last leader back among the members while failsafe mode
// may keep it leading: its member key hangs on the same lease as the leader key
// and expires with it (patroni/dcs/etcd3.py, take_leader; docs/dcs_failsafe_mode.rst).
func (p *patroni) keepUnleased(g *Group) {
	last, ok := p.leaders[g.ID]
	if !ok || !g.Failsafe || g.Leader != "" || last.Name != g.LastLeader {
		return
	}
	if _, there := g.Member(last.Name); there {
		return
	}
	last.Role, last.State, last.Lag = "", "", -1
	g.Members = append(slices.Clone(g.Members), last)
	sort.Slice(g.Members, func(i, j int) bool { return g.Members[i].Name < g.Members[j].Name })
}

// defaultLease is ttl - loop_wait of Patroni's own defaults.
const defaultLease = 20 * time.Second

// staleLimit is how long a leader is used after it was last confirmed: as long as its
// key lasts, if its Patroni was well then. Another can lead only when that has expired.
func (p *patroni) staleLimit(pic picture) time.Duration {
	switch {
	case pic.paused:
		return 0
	case p.limit > 0:
		return p.limit
	case pic.lease > 0:
		return pic.lease
	}
	return defaultLease
}

// group joins what the keys show with what memory adds.
func (p picture) group(id int, r reign) *Group {
	return &Group{
		ID:         id,
		Leader:     p.leader,
		LastLeader: r.member,
		Epoch:      r.epoch,
		Timeline:   r.newestWith(p.history.newest),
		Ends:       p.history.ends,
		Behind:     r.behind,
		SystemID:   p.system,
		Standby:    p.standby,
		Paused:     p.paused,
		Failsafe:   p.failsafe,
		Announced:  p.announced,
		Members:    p.members,

		Synchronous:  p.replicas == synchronous,
		Undecided:    p.replicas == undecided,
		SyncStandbys: p.inStep.standbys,
		SyncQuorum:   p.inStep.quorum,
	}
}
