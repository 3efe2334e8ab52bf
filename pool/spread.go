package pool

import (
	"slices"
	"sync"
	"sync/atomic"

	"portero/auth"
	"portero/config"
	"portero/discovery"
)

// Spread gives each transaction of its clients the pool of one of several groups. The pools are
// those of clients whose routes name the groups: so sizes, failovers and figures are by group.
// Who waits in the queue of a group that cannot serve leaves it when another one can (settle); who
// waits for a server has the first that becomes free in any of the groups (roamers).
//
// A client has a home pool beside it, that of the coordinator: it is counted there, and
// what needs the coordinator runs there, whether that is one of the groups or not.
type Spread struct {
	home  *Pool
	reach Reach
	named []config.Share // none: all groups that discovery knows
	turn  atomic.Uint32
	line  roamers
	parts atomic.Pointer[[]part] // never changed; in the order of the groups

	mu      sync.Mutex // guards what follows; taken before Pools.mu
	clients int
	name    string // as a client has called the database
	terms   Terms
}

// part is a group of a Spread.
type part struct {
	pool   *Pool
	weight int
}

// JoinSpread counts a client in that has joined home, the pool of the coordinator, and whose route
// has a reach; Leave counts it out. name, terms and c are as for JoinAs, and go to the pools of
// all groups. A group that refuses is left out. Any goroutine; it does not block.
func (ps *Pools) JoinSpread(home *Pool, name string, reach Reach, terms Terms, c auth.Credentials) *Spread {
	ps.spreads.mu.Lock()
	sp := home.Spread(reach)
	if sp == nil {
		sp = &Spread{home: home, reach: reach, named: reach.shares()}
		sp.parts.Store(new([]part))
		ps.spreads.add(sp)
	}
	sp.mu.Lock()
	sp.clients++
	sp.name, sp.terms = name, terms
	ps.spreads.mu.Unlock()
	defer sp.mu.Unlock()
	sp.fillLocked(home.cluster().View(), c)
	return sp
}

// Leave is called once by each client that has joined.
func (sp *Spread) Leave() {
	ps := sp.home.owner
	ps.spreads.mu.Lock()
	defer ps.spreads.mu.Unlock()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.clients--; sp.clients > 0 {
		return
	}
	ps.spreads.remove(sp)
	for _, one := range *sp.parts.Load() {
		sp.part(one.pool)
	}
	sp.parts.Store(new([]part))
}

// join counts the Spread, which is no client to those who look, as one of a pool that has counted
// it as a client; part counts it out.
func (sp *Spread) join(p *Pool) {
	p.guests.Add(1)
	sp.takesIn(p)
}

func (sp *Spread) part(p *Pool) {
	sp.letsGo(p)
	p.guests.Add(-1)
	p.Leave()
}

// Agree is Pool.Agree for all groups.
func (sp *Spread) Agree(terms Terms) {
	sp.mu.Lock()
	sp.terms = terms
	sp.mu.Unlock()
	for _, one := range *sp.parts.Load() {
		one.pool.Agree(terms)
	}
}

// fillLocked joins the pools of all groups that there are, and leaves those of groups that a view
// does not have any more.
func (sp *Spread) fillLocked(v *discovery.View, c auth.Credentials) {
	if sp.clients == 0 {
		return
	}
	old := *sp.parts.Load()
	var parts []part
	for _, share := range sp.sharesBy(v) {
		key := sp.home.Key
		key.Group = share.Group
		at := slices.IndexFunc(old, func(p part) bool { return p.pool.Key.Group == share.Group })
		p, err := sp.home.owner.Rejoin(sp.name, key, sp.terms, c)
		switch {
		case err != nil && at < 0:
			continue
		case err != nil:
			p = old[at].pool
		case at >= 0 && old[at].pool == p: // it has been counted
			p.Leave()
		case at >= 0: // it was given up, and there is another one now
			sp.part(old[at].pool)
			sp.join(p)
		default:
			sp.join(p)
		}
		parts = append(parts, part{p, share.Weight})
	}
	sp.parts.Store(&parts)
	for _, one := range old {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.pool.Key.Group == one.pool.Key.Group }) {
			one.pool.stray(sp)
			sp.part(one.pool)
		}
	}
}

// Shares are the groups that serve the clients of a route: its own; or those that it spreads them
// over, as far as they are known, else the coordinator. Any goroutine.
func (ps *Pools) Shares(r *config.Route) []config.Share {
	home := []config.Share{{Group: r.HomeGroup(), Weight: 1}}
	cl := ps.clusters()[r.Cluster]
	if !r.IsSpread() || cl == nil {
		return home
	}
	if all := sharesBy(r.Shares(), cl.discovery.View(), cl.metadata.leftOut()); len(all) > 0 {
		return all
	}
	return home
}

// sharesBy is the groups that clients are to be spread over by a view, but for those that are to be
// left out.
func sharesBy(named []config.Share, v *discovery.View, out map[int]string) (all []config.Share) {
	for _, s := range named {
		if out[s.Group] == "" {
			all = append(all, s)
		}
	}
	if len(named) > 0 {
		return all
	}
	for g := range v.Groups {
		if out[g] == "" {
			all = append(all, config.Share{Group: g, Weight: 1})
		}
	}
	slices.SortFunc(all, func(a, b config.Share) int { return a.Group - b.Group })
	return all
}

func (sp *Spread) sharesBy(v *discovery.View) []config.Share {
	return sharesBy(sp.named, v, sp.home.home.Load().metadata.leftOut())
}

// Choose is the pool that the next transaction is to get its server from. Any goroutine; it does
// not block, and allocates nothing for up to 32 groups.
func (sp *Spread) Choose() *Pool {
	parts := *sp.parts.Load()
	var room [32]option
	seen, zone := room[:0], sp.home.owner.settings.Load().Zone
	for i := range parts {
		seen = append(seen, parts[i].option(zone))
	}
	i := choose(seen, sp.turn.Add(1))
	if i < 0 { // nothing is known of any group
		return sp.home
	}
	return parts[i].pool
}

func (one *part) option(zone string) option {
	p := one.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return option{p.levelLocked(zone), p.lent + p.queuedLocked(), one.weight}
}

func (p *Pool) levelLocked(zone string) level {
	switch {
	case p.closed:
		return levelEnded
	case p.now.hold != NotHeld || len(p.now.targets) == 0:
		return levelHeld
	case p.failing && len(p.servers) == 0:
		return levelAiling
	case p.roomLocked() <= 0:
		return levelFull
	case zone != "" && p.now.targets[0].Zone == zone:
		return levelNear
	}
	return levelFit
}

// roomLocked is for how many more there is a server, or will be; less than 0: so many wait for one
// that is lent.
func (p *Pool) roomLocked() int {
	return p.mostLocked() - len(p.servers) + p.idle - p.queuedLocked()
}

// settle has those leave the queues of groups that cannot serve who could be served elsewhere.
func (sp *Spread) settle() {
	parts := *sp.parts.Load()
	best, levels := levelEnded, make([]level, len(parts))
	atHome := false
	for i := range parts {
		levels[i] = parts[i].option("").level
		best = min(best, levels[i])
		atHome = atHome || parts[i].pool == sp.home
	}
	for i := range parts {
		if levels[i] > max(best, levelFull) {
			parts[i].pool.stray(sp)
		}
		if levels[i] == levelAiling {
			parts[i].pool.tryAgain()
		}
	}
	if !atHome && len(parts) > 0 {
		sp.home.stray(sp)
	}
	if sp.line.isLate() {
		sp.offer()
		sp.open()
	}
}

// tryAgain has a server be opened though nobody waits for one: only so it is found out that the
// leader lets somebody in again.
func (p *Pool) tryAgain() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = max(p.wanted, 1)
	p.openLocked()
}

// stray has those claims leave the pool's queue that a Spread has sent there: their Tasks are
// woken to look for another pool.
func (p *Pool) stray(sp *Spread) {
	p.mu.Lock()
	var gone []*Claim
	for _, q := range p.queues() {
		for c := q.first; c != nil; {
			next := c.next
			if c.Roams == sp {
				p.leavesLocked(c)
				c.astray = true
				gone = append(gone, c)
			}
			c = next
		}
	}
	p.mu.Unlock()
	wakeAll(gone)
}
