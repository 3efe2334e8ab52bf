package pool

import (
	"slices"

	"portero/loop"
	"portero/session"
)

// place is what a pool has at one member. Guarded by the pool's mu.
type place struct {
	member  string
	idle    []*Server // the one used last comes last
	servers int       // open, in any state
	lent    int       // of them, out of idle for whatever reason
	heading int       // openers on their way; all roles but leader

	distance int // by the plan, see plan.distance
}

// placeLocked is the pool's place at a member, made when it is first needed.
// Who adds nothing to it calls leaveLocked.
func (p *Pool) placeLocked(member string) *place {
	for _, at := range p.places {
		if at.member == member {
			return at
		}
	}
	at := &place{member: member, distance: p.now.distanceOf(member)}
	p.places = append(p.places, at)
	return at
}

// serversAtLocked is how many servers the pool has or will have at a member.
func (p *Pool) serversAtLocked(member string) int {
	for _, at := range p.places {
		if at.member == member {
			return at.servers + at.heading
		}
	}
	return 0
}

// leaveLocked forgets a place that nothing is left of.
func (p *Pool) leaveLocked(at *place) {
	if at.servers > 0 || at.heading > 0 {
		return
	}
	if i := slices.Index(p.places, at); i >= 0 {
		p.places = slices.Delete(p.places, i, i+1)
	}
}

// quietestLocked is the place to lend a server from next that was opened with
// st: the nearest, of those where the fewest servers are lent, and in turn where that
// is the same. The servers of a leader pool are in one place. nil: none is idle.
func (p *Pool) quietestLocked(st Startup) *place {
	var best *place
	chosen, n := 0, len(p.places)
	for i := range n {
		k := (p.turn + i) % n
		at := p.places[k]
		if at.lastOf(st) >= 0 && (best == nil || at.quieter(best)) {
			best, chosen = at, k
		}
	}
	p.turn = chosen + 1
	return best
}

// quieter reports whether at comes before another place.
func (at *place) quieter(other *place) bool {
	if at.distance != other.distance {
		return at.distance < other.distance
	}
	return at.lent < other.lent
}

// lastOf is where, of the idle servers that were opened with st, the one used
// last lies; -1: there is none.
func (at *place) lastOf(st Startup) int {
	i := len(at.idle) - 1
	for i >= 0 && at.idle[i].startup != st {
		i--
	}
	return i
}

// maxLooks is how many idle servers are looked at for one that needs no change.
const maxLooks = 32

// bestOf is which of the idle servers opened with st suits a client with these
// settings on a loop: rather one that has them, of these rather one that the loop
// watches already, as it need not move, and of these the one used last; -1: there is none.
func (at *place) bestOf(st Startup, want session.Settings, on *loop.Loop) int {
	best, most := -1, -1
	last := at.lastOf(st)
	for i := last; i >= 0 && i > last-maxLooks && most < bestFit; i-- {
		if s := at.idle[i]; s.startup == st {
			if n := s.fit(want, on); n > most {
				best, most = i, n
			}
		}
	}
	return best
}

const bestFit = 3

// fit is how well an idle server suits a client with these settings on a loop: the settings
// cost a round trip, the way between loops two calls of the kernel.
func (s *Server) fit(want session.Settings, on *loop.Loop) (n int) {
	if s.Applied == want {
		n += 2
	}
	if s.Sock.Loop() == on {
		n++
	}
	return n
}

// pop takes that server, as lent.
func (at *place) pop(st Startup, want session.Settings, on *loop.Loop) *Server {
	i := at.bestOf(st, want, on)
	s := at.idle[i]
	if last := len(at.idle) - 1; i == last {
		at.idle[i], at.idle = nil, at.idle[:i]
	} else {
		at.idle = slices.Delete(at.idle, i, i+1)
	}
	at.lent++
	return s
}

// push makes a server that was lent idle.
func (at *place) push(s *Server) {
	at.lent--
	at.idle = append(at.idle, s)
}

// pushUnder is push for a server that has not been used: it goes below those
// that were used since.
func (at *place) pushUnder(s *Server) {
	at.lent--
	i := 0
	for i < len(at.idle) && at.idle[i].since <= s.since {
		i++
	}
	at.idle = slices.Insert(at.idle, i, s)
}
