package pool

import "maps"

// A client in session mode is lent only a server that was opened with what it has
// given for the start of its session. So a server may be idle, or come back, of
// which nobody who waits has any use. Those who wait are served in their order
// all the same: each of them has an opener on its way, or the pool is full. Then
// for the first who has none a server of another kind is closed, an idle one or
// the next that comes back; even if one behind him could have had it.

// cover counts the openers off against those who wait, in their order. It is
// made when the first one has to be looked up: where all servers are alike none is.
type cover struct {
	pool *Pool
	left map[Startup]int
}

// has reports whether an opener is on its way for a claim, which the next claim
// cannot count on.
func (v *cover) has(c *Claim) bool {
	if v.left == nil {
		v.left = maps.Clone(v.pool.openers)
	}
	if v.left[c.Startup] == 0 {
		return false
	}
	v.left[c.Startup]--
	return true
}

// heirLocked is the one in the queue who is to have the place of a server that
// has become free, nil if there is none: the server itself, if it was opened with
// what he has given, else another in its place.
func (p *Pool) heirLocked(q *queue, s *Server) *Claim {
	opening := cover{pool: p}
	for c := q.first; c != nil; {
		next := c.next
		if p.isHeirLocked(c, s, &opening) {
			return c
		}
		c = next
	}
	return nil
}

// calledHeirLocked is heirLocked for those aside.
func (p *Pool) calledHeirLocked(s *Server) *Claim {
	opening := cover{pool: p}
	for _, c := range p.calledLocked() {
		if p.isHeirLocked(c, s, &opening) {
			return c
		}
	}
	return nil
}

func (p *Pool) isHeirLocked(c *Claim, s *Server, opening *cover) bool {
	if p.holdsLocked(c) || c.asNew && !c.wants(s) {
		return false
	}
	return (c.Startup == s.startup || !opening.has(c) && p.haveLocked() >= p.mostLocked()) && p.admitsLocked(c, 1)
}

// openForWaitingLocked starts an opener for each who waits and has none on its
// way, as far as there is room or some can be made.
func (p *Pool) openForWaitingLocked() {
	if p.queuedLocked() == 0 || p.waiting.n > 0 && p.haveLocked() >= p.mostForLocked(p.waiting.first) && p.idle == 0 {
		return
	}
	opening := cover{pool: p}
	for _, q := range p.queues() {
		if q == &p.aside && p.idle > 0 {
			return
		}
		for c := q.first; c != nil; c = c.next {
			if c.barred && p.idle > 0 || opening.has(c) {
				continue
			}
			var spare *Server
			if p.haveLocked() >= p.mostForLocked(c) {
				if c.asNew { // it has made room itself
					return
				}
				if spare = p.takeSpareLocked(); spare == nil {
					return
				}
			}
			p.startForLocked(c, spare)
		}
	}
}

// takeSpareLocked takes the server that has been idle for longest out of all
// books, to make room for one that somebody waits for. As nobody waits while a
// server is idle that he could have, that is of no use to any of them.
func (p *Pool) takeSpareLocked() *Server {
	if p.now.hold != NotHeld || !p.known {
		return nil
	}
	var oldest *Server
	for _, at := range p.places {
		if len(at.idle) > 0 && (oldest == nil || at.idle[0].since < oldest.since) {
			oldest = at.idle[0]
		}
	}
	if oldest == nil {
		return nil
	}
	p.takeIdleLocked(func(s *Server) bool { return s == oldest })
	p.buryLentLocked(oldest)
	return oldest
}

// waitsLocked reports whether somebody waits for a server that was opened with st.
func (p *Pool) waitsLocked(st Startup) bool {
	for _, q := range p.queues() {
		for c := q.first; c != nil; c = c.next {
			if c.Startup == st {
				return true
			}
		}
	}
	return false
}
