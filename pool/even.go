package pool

import (
	"portero/loop"
	"portero/metrics"
)

// A pool that is full has no room for servers at a member that joins, or that comes
// back. So it gives up one server a second where most are, until all have their share; and
// as many that are farther away than need be, full or not (near.go).

// evenLocked takes a server to be closed for one at another member, or has it closed
// when it comes back; nil if there is nothing to close now.
func (p *Pool) evenLocked() *Server {
	from := p.strayedLocked()
	if from == nil {
		from = p.crowdedLocked()
	}
	if from == nil {
		return nil
	}
	if taken := p.takeIdleLocked(oneOf(from)); len(taken) > 0 {
		return taken[0]
	}
	var lent *Server
	for s := range p.servers {
		switch {
		case s.place != from || s.state != stateLent:
		case s.condemned != metrics.None:
			return nil // one is on its way already
		default:
			lent = s
		}
	}
	if lent != nil {
		lent.condemned = metrics.Rebalanced
	}
	return nil
}

// oneOf picks the first idle server of a place.
func oneOf(at *place) func(s *Server) bool {
	found := false
	return func(s *Server) bool {
		wanted := !found && s.place == at
		found = found || wanted
		return wanted
	}
}

// crowdedLocked is the place with most servers if the pool is full and in use, and
// another member should have some of them; nil: all have their share.
func (p *Pool) crowdedLocked() (most *place) {
	now := loop.Clock()
	if p.now.as == "leader" || p.opening > 0 || len(p.servers) < p.terms().Size || !p.busyLocked(now) {
		return nil
	}
	least := p.terms().Size
	nearest, near := p.nearestLocked(&p.now, now)
	for _, m := range p.now.targets {
		if p.now.distance(m) == nearest && p.faultLocked(p.now.group, m, now) == faultless {
			least = min(least, p.serversAtLocked(m.Name))
		}
	}
	for _, at := range p.places {
		if (!near || at.distance == nearest) && (most == nil || at.servers > most.servers) {
			most = at
		}
	}
	if most == nil || most.servers-least < 2 {
		return nil
	}
	return most
}
