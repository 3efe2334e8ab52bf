package pool

import (
	"time"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
)

// follow brings the pool in line with a new view: servers that no longer
// belong are closed if idle and taken away if lent, and as many are opened at
// the new leader at once. It is to be called again at until, if that is not zero.
func (p *Pool) follow(cl *cluster, v *discovery.View) (until time.Time) {
	pl := p.planAt(cl, v)
	p.mu.Lock()
	if p.home.Load() != cl {
		p.mu.Unlock()
		return until // it has moved meanwhile
	}
	p.now, p.followed = pl, v
	p.surveyLocked()
	p.announced.Store(pl.hold == HoldSwitchover)
	p.forgetLocked(pl.group)
	lent := p.condemnLocked()
	if pl.known && pl.epoch != p.epoch {
		p.epoch = pl.epoch
		p.expireWelcomesLocked(pl.epoch)
		clear(p.objections)
	}
	condemned := func(s *Server) bool { return s.condemned != metrics.None }
	idle := p.takeUnusedLocked(condemned)
	if n := len(idle) + len(lent); n > 0 && !p.Key.Replicates() {
		p.heirs, p.heirsUntil = min(p.terms().Size, n), loop.Clock()+int64(heirsFor)
		p.wanted = max(p.wanted, p.heirs)
	}
	cold := p.warmLocked()
	var shut []*Server
	if pl.hold.ordered() {
		p.recallLocked()
	}
	if pl.hold == HoldPaused {
		shut = p.takeUnusedLocked(all)
	}
	wake := p.serveLocked()
	p.openLocked()
	p.mu.Unlock()
	wakeAll(wake)
	p.hangUpAll(cold)
	for _, s := range idle {
		p.destroy(s, s.condemned)
	}
	for _, s := range shut {
		p.destroy(s, metrics.ServerPaused)
	}
	if pl.hold == HoldPaused {
		p.ear.stirred()
	} else {
		p.ear.start()
	}
	for _, s := range lent {
		if !pl.lets(s.member, s.post) {
			p.cut(s, pl.parting(s.member, s.post))
		}
	}
	return pl.until
}

// heirsFor is how long servers are tried to be opened at a new leader that
// nobody asks for: a promotion takes seconds, a crash recovery may take more.
const heirsFor = time.Minute

// condemnLocked marks the servers that no longer belong to the pool and
// returns those of them that are lent.
func (p *Pool) condemnLocked() (lent []*Server) {
	for s := range p.servers {
		if s.home != p.home.Load() || p.now.keeps(s.member, s.post, p.epoch) {
			continue
		}
		s.condemned = p.now.parting(s.member, s.post)
		if s.state == stateLent {
			lent = append(lent, s)
		}
	}
	return lent
}

// cut tells the holder of a server that it is to be given up, and why. One that may end in
// peace what it is at is closed when it comes back.
func (p *Pool) cut(s *Server, why metrics.Reason) {
	c := s.holder.Load()
	if c == nil {
		return // on its way to a claim, or back from one: condemned is looked at there
	}
	c.loop.Post(func() {
		if s.holder.Load() == c {
			c.Lost = why
			c.loop.Wake(c.task)
		}
	})
}

// sweep closes what has been idle or alive for too long, asks what has been
// idle for a while, and opens what is missing. The owner calls it about once a
// second.
func (p *Pool) sweep() {
	p.mu.Lock()
	if p.opening == 0 || loop.Clock() > p.heirsUntil {
		p.heirs = 0 // they are there, or will not be
	}
	p.wanted = p.wantedLocked()
	p.reserved = max(0, min(p.reserved, p.haveLocked()-p.ordinary()))
	aged := p.takeAgedLocked()
	mute := p.speechlessLocked()
	due := p.checkLocked()
	cold := p.coldLocked()
	surplus := p.evenLocked()
	p.openLocked()
	p.mu.Unlock()
	p.hangUpAll(cold)
	if surplus != nil {
		p.destroy(surplus, metrics.Rebalanced)
	}
	for s, why := range aged {
		p.destroy(s, why)
	}
	for _, s := range mute {
		p.destroy(s, metrics.ServerLost)
	}
	p.check(due)
}

// wantedLocked is how many servers the pool should have open when nobody waits:
// the minimum, while it is in use one at each member that may serve it, so that
// all of them have a share in what it does, and what a new leader is to have.
func (p *Pool) wantedLocked() int {
	n := 0
	if p.clients > 0 || len(p.servers) > 0 || loop.Clock() < p.kept {
		n = p.terms().Minimum
	}
	n = max(n, p.heirs)
	if p.refused {
		return min(n, 1) // one is enough to find out whether it still is
	}
	if bare := p.bareLocked(); bare > 0 {
		n = max(n, min(p.terms().Size, len(p.servers)+bare))
	}
	return n
}

// bareLocked is at how many of the nearest members that may serve it a pool that is in
// use has no server.
func (p *Pool) bareLocked() (bare int) {
	pl := p.plan(p.cluster().View())
	now := loop.Clock()
	if pl.as == "leader" || p.opening > 0 || p.Key.Replicates() || !p.busyLocked(now) {
		return 0
	}
	nearest, _ := p.nearestLocked(&pl, now)
	for _, m := range pl.targets {
		if p.faultLocked(pl.group, m, now) == faultless && pl.distance(m) == nearest && p.serversAtLocked(m.Name) == 0 {
			bare++
		}
	}
	return bare
}

// busyLocked reports whether a server is lent, or was a moment ago.
func (p *Pool) busyLocked(now int64) bool {
	for _, at := range p.places {
		if at.lent > 0 {
			return true
		}
		if n := len(at.idle); n > 0 && now-at.idle[n-1].since < int64(2*sweepEvery) {
			return true
		}
	}
	return false
}

// takeAgedLocked takes the servers out of the idle stack that are too old, or
// idle for too long and more than the minimum.
func (p *Pool) takeAgedLocked() map[*Server]metrics.Reason {
	aged := make(map[*Server]metrics.Reason)
	now, limit := loop.Clock(), int64(p.terms().IdleTimeout)
	p.takeIdleLocked(func(s *Server) bool {
		switch {
		case s.expires != 0 && now > s.expires:
			aged[s] = metrics.ServerLifetime
		case p.Key.Replicates(): // who it was opened for has gone, and a place for it is dear
			aged[s] = metrics.ServerIdle
		case p.spareLocked(s, now, len(aged)):
			aged[s] = metrics.ServerIdle
		case limit > 0 && now-s.since > limit && len(p.servers)-len(aged) > p.terms().Minimum:
			aged[s] = metrics.ServerIdle
		}
		return aged[s] != metrics.None
	})
	return aged
}

// unusedSince reports whether nobody uses the pool, and since when.
func (p *Pool) unusedSince() (since time.Time, unused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients > 0 || len(p.servers) > 0 || p.opening > 0 || p.queuedLocked() > 0 {
		p.unused = time.Time{}
		return p.unused, false
	}
	if p.unused.IsZero() {
		p.unused = time.Now()
	}
	return p.unused, true
}

// forgetAfter is how long a pool without clients and servers keeps its counters.
const forgetAfter = 10 * time.Minute
