package pool

import (
	"slices"
	"sync"

	"portero/discovery"
)

// spreads is all that have clients.
type spreads struct {
	mu  sync.Mutex // guards all; taken before a Spread's
	all []*Spread
}

// add makes a Spread known, to its home pool too, which is asked for it at each piece of work.
func (s *spreads) add(sp *Spread) {
	s.all = append(s.all, sp)
	list := append(slices.Clone(sp.home.spreadList()), sp)
	sp.home.spreads.Store(&list)
}

func (s *spreads) remove(sp *Spread) {
	other := func(o *Spread) bool { return o == sp }
	s.all = slices.DeleteFunc(s.all, other)
	list := slices.DeleteFunc(slices.Clone(sp.home.spreadList()), other)
	sp.home.spreads.Store(&list)
}

func (p *Pool) spreadList() []*Spread {
	if list := p.spreads.Load(); list != nil {
		return *list
	}
	return nil
}

// Spread is that of the clients at home in the pool whose route has this reach; nil: there are
// none. Any goroutine.
func (p *Pool) Spread(reach Reach) *Spread {
	for _, sp := range p.spreadList() {
		if sp.reach == reach {
			return sp
		}
	}
	return nil
}

// of is those of a cluster; "" = all.
func (s *spreads) of(cluster string) (some []*Spread) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sp := range s.all {
		if cluster == "" || sp.home.Key.Cluster == cluster {
			some = append(some, sp)
		}
	}
	return some
}

// follow brings the spreads of a cluster in line with a view, which its pools have seen already.
func (s *spreads) follow(cluster string, v *discovery.View) {
	for _, sp := range s.of(cluster) {
		if !sp.covers(v) {
			sp.fill(v)
		}
		sp.settle()
	}
}

func (sp *Spread) fill(v *discovery.View) {
	c := sp.home.Secret()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.fillLocked(v, c)
}

// refill takes in those groups again whose servers have refused the first login, as one does where
// the role is not there yet: nobody else may come to try. How often is bounded by what is
// remembered of a refusal.
func (sp *Spread) refill() {
	v := sp.home.cluster().View()
	if len(sp.named) == 0 && v.Stale {
		return // it may lack groups
	}
	parts := *sp.parts.Load()
	for _, share := range sp.sharesBy(v) {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.pool.Key.Group == share.Group && !p.pool.isClosed() }) {
			sp.fill(v)
			return
		}
	}
}

func (p *Pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// covers reports whether the groups are those of a view. One that is stale may lack some that are
// not read yet.
func (sp *Spread) covers(v *discovery.View) bool {
	parts, shares := *sp.parts.Load(), sp.sharesBy(v)
	for _, share := range shares {
		if !slices.ContainsFunc(parts, func(p part) bool { return p.pool.Key.Group == share.Group }) {
			return false
		}
	}
	return v.Stale || len(parts) == len(shares)
}

// settle looks at all of them: a leader that lets nobody in shows in no view, and neither does one
// that begins to.
func (s *spreads) settle() {
	for _, sp := range s.of("") {
		sp.refill()
		sp.settle()
	}
}
