package pool

import (
	"slices"
	"time"

	"github.com/jackc/puddle/v2"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// popIdleLocked takes an idle server for a claim, to be lent; nil if there is none.
func (p *Pool) popIdleLocked(c *Claim) *Server {
	at := p.quietestLocked(c.Startup)
	if at == nil {
		return nil
	}
	s := at.pop(c.Startup, c.Settings, c.loop)
	p.idle--
	p.lent++
	s.state = stateLent
	return s
}

// registerLocked takes a server that has just been opened into the books, as
// lent to the caller; false if its time is over already.
func (p *Pool) registerLocked(r *puddle.Resource[*Server]) bool {
	s := r.Value()
	s.resource, s.place = r, p.placeLocked(s.member)
	s.place.servers++
	s.place.lent++
	if p.closed || p.now.hold == HoldPaused || !p.currentLocked(s) {
		p.buryLocked(s)
		p.destruct(s)
		return false
	}
	p.servers[s] = struct{}{}
	p.failing = false
	p.owner.backends.add(s)
	p.lent++
	p.usual = s.startup
	p.opened = max(p.opened, s.epoch)
	return true
}

// takeIdleLocked takes the idle servers that are wanted, as lent to the caller.
// The others stay in their order.
func (p *Pool) takeIdleLocked(wanted func(s *Server) bool) (taken []*Server) {
	for _, at := range p.places {
		at.idle = slices.DeleteFunc(at.idle, func(s *Server) bool {
			if !wanted(s) {
				return false
			}
			s.state = stateLent
			at.lent++
			p.idle--
			p.lent++
			taken = append(taken, s)
			return true
		})
	}
	return taken
}

// idleLocked makes a server idle. on is the loop that the caller runs on, nil if none.
func (p *Pool) idleLocked(s *Server, on *loop.Loop) {
	s.state, s.since = stateIdle, clockOf(on)
	s.Sock.Watch(true) // its last holder, or a cancel request, may have turned it off
	p.lent--
	p.idle++
	s.place.push(s)
	if s.bearsName() {
		p.dropNamesSoonLocked()
	}
}

// passOn finds a place for a free server: the first in the queue, the idle
// ones, or the grave. on is the loop that the caller runs on, nil if none.
func (p *Pool) passOn(s *Server, on *loop.Loop) {
	p.mu.Lock()
	p.passOnLocked(s, on, false)
}

// passOnLocked is passOn for a caller who holds mu, and lets go of it. back: a client has given
// it back.
func (p *Pool) passOnLocked(s *Server, on *loop.Loop, back bool) {
	if p.reached.Load() != nil && p.handsOverLocked(s, on) {
		return
	}
	why := p.overLocked(s, on)
	if why == metrics.None && p.owner.quota.owes(p) {
		why = metrics.ServerEvicted
	}
	if why != metrics.None {
		p.mu.Unlock()
		p.destroy(s, why)
		return
	}
	if back {
		p.turnover.cameBack = on.Now()
	}
	if p.queuedLocked() == 0 || p.holdsAllLocked() {
		p.idleLocked(s, on)
		p.mu.Unlock()
		return
	}
	c := p.heirLocked(&p.choosy, s)
	if c == nil {
		c = p.heirLocked(&p.waiting, s)
	}
	if c == nil {
		c = p.calledHeirLocked(s)
	}
	switch {
	case c == nil:
		p.idleLocked(s, on)
	case c.Startup != s.startup:
		p.countOut(c) // until that one comes
		p.buryLentLocked(s)
		p.startLocked(c.Startup, s, 0)
	default:
		p.queueOfLocked(c).remove(c)
		c.handed = s
		s.state = stateLent
		p.mu.Unlock()
		c.wakeWith(on)
		return
	}
	p.mu.Unlock()
}

// clockOf is the time, of the loop that the caller runs on if there is one: to read the clock costs
// as much as all else that is done here to a server that is lent.
func clockOf(on *loop.Loop) int64 {
	if on == nil {
		return loop.Clock()
	}
	return on.Now()
}

// overLocked says why a server must not be lent again; None if it may. on is the loop that the
// caller runs on, nil if none.
func (p *Pool) overLocked(s *Server, on *loop.Loop) metrics.Reason {
	switch {
	case s.condemned != metrics.None:
		return s.condemned
	case p.closed:
		return metrics.Shutdown
	case p.now.hold == HoldPaused:
		return metrics.ServerPaused
	case p.oversizedLocked():
		return metrics.Reconfigured
	case s.expires != 0 && clockOf(on) > s.expires:
		return metrics.ServerLifetime
	case p.cluster().View() != p.followed && !p.currentLocked(s):
		return metrics.EpochMoved
	}
	return metrics.None
}

// currentLocked reports whether a server still belongs to the pool, by the view as it is.
func (p *Pool) currentLocked(s *Server) bool {
	if s.home != p.home.Load() {
		return false
	}
	pl := p.now
	if v := p.cluster().View(); v != p.followed {
		pl = p.plan(v)
	}
	return pl.keeps(s.member, s.post, p.epoch)
}

// holdsLocked reports whether a claim is not to be served at present, holdsAllLocked
// whether none is. Where a switchover is announced, those who only read go on until the
// leader stops.
func (p *Pool) holdsLocked(c *Claim) bool {
	return p.now.hold != NotHeld && !(p.now.hold == HoldSwitchover && c.Brief)
}

func (p *Pool) holdsAllLocked() bool { return p.now.hold != NotHeld && p.now.hold != HoldSwitchover }

// SwitchoverAnnounced reports whether those are held whose claims are not Brief. Any goroutine.
func (p *Pool) SwitchoverAnnounced() bool { return p.announced.Load() }

// serveLocked hands idle servers to those who wait and returns the claims to
// be woken once mu is free.
func (p *Pool) serveLocked() (lucky []*Claim) {
	for _, q := range []*queue{&p.choosy, &p.waiting} {
		for c := q.first; c != nil && p.idle > 0 && !p.holdsAllLocked(); {
			next := c.next
			if p.handsLocked(c) {
				lucky = append(lucky, c)
			}
			c = next
		}
	}
	for more := true; more && p.idle > 0; {
		more = false
		for _, c := range p.calledLocked() {
			if p.idle > 0 && p.handsLocked(c) {
				lucky, more = append(lucky, c), true
			}
		}
	}
	return lucky
}

// handsLocked gives an idle server to a claim in a queue, if there is one for it.
func (p *Pool) handsLocked(c *Claim) bool {
	// The bank is asked last: what it has once admitted must not come back unused.
	if p.holdsLocked(c) || !p.hasForLocked(c) || !p.admitsLocked(c, 0) {
		return false
	}
	p.queueOfLocked(c).remove(c)
	c.handed = p.popForLocked(c)
	return true
}

// hasForLocked reports whether an idle server would do for a claim in a queue.
func (p *Pool) hasForLocked(c *Claim) bool {
	for _, at := range p.places {
		if !c.asNew && at.lastOf(c.Startup) >= 0 || c.asNew && slices.ContainsFunc(at.idle, c.fits) {
			return true
		}
	}
	return false
}

// popForLocked takes a server for which hasForLocked has answered.
func (p *Pool) popForLocked(c *Claim) *Server {
	if c.asNew {
		return p.popAsNewLocked(c)
	}
	return p.popIdleLocked(c)
}

// wants reports whether a server is new enough for a claim that is choosy, fits whether it
// will do.
func (c *Claim) wants(s *Server) bool { return s.AsNew() && s.opened > c.after }

func (c *Claim) fits(s *Server) bool { return s.startup == c.Startup && c.wants(s) }

// popAsNewLocked takes an idle server that a choosy claim may have; nil if there
// is none.
func (p *Pool) popAsNewLocked(c *Claim) *Server {
	found := false
	taken := p.takeIdleLocked(func(s *Server) bool {
		wanted := !found && c.fits(s)
		found = found || wanted
		return wanted
	})
	if len(taken) == 0 {
		return nil
	}
	return taken[0]
}

// failLocked ends all waits with an error that waiting longer would not cure.
func (p *Pool) failLocked(e *wire.Error) (failed []*Claim) {
	for _, q := range p.queues() {
		for q.n > 0 {
			c := q.first
			p.leavesLocked(c)
			c.failed = e
			failed = append(failed, c)
		}
	}
	return failed
}

// queuedLocked is how many wait.
func (p *Pool) queuedLocked() int { return p.waiting.n + p.choosy.n + p.aside.n }

// queues are all in which claims wait. Under mu.
func (p *Pool) queues() [3]*queue { return [...]*queue{&p.choosy, &p.waiting, &p.aside} }

// queueOfLocked is the queue that a claim has its place in.
func (p *Pool) queueOfLocked(c *Claim) *queue {
	switch {
	case c.aside:
		return &p.aside
	case c.asNew:
		return &p.choosy
	}
	return &p.waiting
}

func wakeAll(claims []*Claim) {
	for _, c := range claims {
		c.wakeWith(nil)
	}
}

// wakeWith delivers what the claim was handed: at once when the caller runs on
// its loop.
func (c *Claim) wakeWith(on *loop.Loop) {
	if on == c.loop {
		c.deliver()
		return
	}
	c.loop.Post(c.deliver)
}

// delivered runs on the claim's loop.
func (c *Claim) delivered() {
	p := c.pool
	p.mu.Lock()
	s, failed, by, astray := c.handed, c.failed, c.failedBy, c.astray
	c.Standing = c.standing
	c.handed, c.failed, c.failedBy, c.astray, c.standing = nil, nil, nil, false, false
	if s != nil && s.pool != p { // of another group, see roamers
		p.mu.Unlock()
		p, c.pool, c.ticket = s.pool, s.pool, behindAll // should it miss it: nobody there came before
		p.mu.Lock()
	}
	if s != nil {
		if why := p.overLocked(s, c.loop); why != metrics.None {
			p.missedLocked(c, s, why)
			return
		}
		if !c.left {
			s.holder.Store(c)
		}
	}
	p.mu.Unlock()
	p.Metrics().Shard(c.loop.ID).Waited(time.Duration(c.loop.Now() - c.Since))
	switch {
	case failed != nil:
		c.Err, c.Refused = failed, by
	case astray:
		c.Strayed = true
	case c.left:
		p.countOut(c)
		p.passOn(s, c.loop)
		return
	case !c.take(s):
		p.countOut(c)
		c.Err = wire.Fatal(wire.ConnectionFailure, "the server could not be used")
		p.destroy(s, metrics.Internal)
	}
	c.loop.Wake(c.task)
}

// missedLocked closes a server whose time was over before it reached the
// claim, which takes its old place in the queue. It lets go of mu.
func (p *Pool) missedLocked(c *Claim, s *Server, why metrics.Reason) {
	var wake []*Claim
	p.countOut(c)
	if !c.left {
		p.queueOfLocked(c).putBack(c)
		wake = p.serveLocked()
	}
	p.mu.Unlock()
	p.destroy(s, why)
	wakeAll(wake)
	if !c.left {
		c.loop.Wake(c.task) // it may have wished to withdraw meanwhile
	}
}
