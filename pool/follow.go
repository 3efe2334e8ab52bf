package pool

import (
	"time"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
)

// follow brings the pool in line with a new view: servers that no longer
// belong are closed if idle and taken away if lent, and as many are opened at
// the new leader at once.
func (p *Pool) follow(v *discovery.View) {
	g := v.Groups[p.Key.Group]
	p.mu.Lock()
	p.held = p.Key.Role == "leader" && (g == nil || (leaderOf(g) == "" && !g.AskHosts))
	if g != nil && g.Epoch != p.epoch {
		p.epoch = g.Epoch
		clear(p.welcomes)
	}
	idle, lent := p.outdatedLocked()
	if len(idle)+len(lent) > 0 {
		p.wanted = max(p.wanted, min(p.size, len(idle)+len(lent)))
	}
	p.takeIdleLocked(idle)
	wake := p.serveLocked()
	p.openLocked()
	p.mu.Unlock()
	wakeAll(wake)
	for _, s := range idle {
		p.destroy(s, metrics.EpochMoved)
	}
	for _, s := range lent {
		p.cut(s)
	}
}

func (p *Pool) outdatedLocked() (idle, lent []*Server) {
	for s := range p.servers {
		if p.currentLocked(s) {
			continue
		}
		s.condemned = metrics.EpochMoved
		switch s.state {
		case stateIdle:
			idle = append(idle, s)
		case stateLent:
			lent = append(lent, s)
		}
	}
	return idle, lent
}

// takeIdleLocked takes these servers out of the idle stack.
func (p *Pool) takeIdleLocked(some []*Server) {
	if len(some) == 0 {
		return
	}
	all := p.puddle.AcquireAllIdle()
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i].Value()
		if s.condemned == metrics.None || s.state != stateIdle {
			all[i].ReleaseUnused()
			continue
		}
		s.state = stateLent
		p.idle--
		p.lent++
	}
}

// cut tells the holder of a server that it is to be given up. Reads from a
// replica may end in peace: such a server is closed when it comes back.
func (p *Pool) cut(s *Server) {
	c := s.holder.Load()
	if c == nil || p.Key.Role != "leader" {
		return // on its way to a claim, or back from one: condemned is looked at there
	}
	c.loop.Post(func() {
		if s.holder.Load() == c {
			c.Lost = metrics.EpochMoved
			c.loop.Wake(c.task)
		}
	})
}

// sweep closes what has been idle or alive for too long and opens what is
// missing of the minimum. The owner calls it about once a second.
func (p *Pool) sweep() {
	p.mu.Lock()
	p.wanted = 0
	if p.clients > 0 || len(p.servers) > 0 {
		p.wanted = p.minimum
	}
	over := p.agedLocked()
	p.openLocked()
	p.mu.Unlock()
	for s, why := range over {
		p.destroy(s, why)
	}
}

// agedLocked takes the servers out of the idle stack that are too old, or idle
// for too long and more than the minimum.
func (p *Pool) agedLocked() map[*Server]metrics.Reason {
	if p.idle == 0 {
		return nil
	}
	limit := p.owner.limits.ServerIdleTimeout
	over := make(map[*Server]metrics.Reason)
	all := p.puddle.AcquireAllIdle()
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i].Value()
		switch {
		case s.state != stateIdle:
		case s.expires != 0 && loop.Clock() > s.expires:
			over[s] = metrics.ServerLifetime
		case limit > 0 && loop.Clock()-s.since > int64(limit) && len(p.servers)-len(over) > p.minimum:
			over[s] = metrics.ServerIdle
		}
		if over[s] == metrics.None {
			all[i].ReleaseUnused()
			continue
		}
		s.state = stateLent
		p.idle--
		p.lent++
	}
	return over
}

// abandoned reports whether nobody has used the pool for a while.
func (p *Pool) abandoned() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients > 0 || len(p.servers) > 0 || p.opening > 0 || p.waiting.n > 0 {
		p.unused = time.Time{}
		return false
	}
	if p.unused.IsZero() {
		p.unused = time.Now()
	}
	return time.Since(p.unused) > forgetAfter
}

// forgetAfter is how long a pool without clients and servers keeps its counters.
const forgetAfter = 10 * time.Minute
