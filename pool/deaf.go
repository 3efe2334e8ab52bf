package pool

import (
	"time"

	"portero/loop"
)

// An ear whose connection is closed by an order is deaf until it listens anew: by a PAUSE until
// RESUME, by a RECONNECT or a reload for a moment. What is sent meanwhile by our own clients must
// not be missed. So it is closed only when none of them has a server in its database any more,
// and behind one more round, which hears what they have sent; and from then on none gets a server
// before it listens (HoldDeaf). That is bounded: where it cannot listen the others go on, and who
// listens is told by ResumedChannel, as ever.
//
// The deaf ears stand with the orders, so that a RESUME ends one reason to hold and begins the
// other in one step.

// leaveWithin is how long an ear that is to be replaced waits for transactions to end. It
// hears the longer ones again from when it listens.
const leaveWithin = time.Second

// hears reports whether notifications of one pool's servers are heard in the other's.
func (k Key) hears(other Key) bool {
	return k.Cluster == other.Cluster && k.Group == other.Group && k.Database == other.Database
}

// deafUntil is how long who might notify waits for ears; zero if there is none.
func (s *standingOrders) deafUntil(k Key) (until time.Time) {
	for a, t := range s.deaf {
		if a.pool.Key.hears(k) && t.After(until) {
			until = t
		}
	}
	return until
}

// listenAgain bounds how long ears are waited for that were deaf by an order, before which
// stood and is over now.
func (s *standingOrders) listenAgain(before *standingOrders, until time.Time) {
	for a := range s.deaf {
		if names := a.pool.names.list(); before.of(names) != NotHeld && s.of(names) == NotHeld {
			s.deaf[a] = until
		}
	}
}

// hush holds who might notify, which nobody does at a replica.
func (pl *plan) hush(until, now time.Time) {
	if pl.hold != NotHeld || pl.as == "replica" || !now.Before(until) {
		return
	}
	if pl.hold = HoldDeaf; pl.until.IsZero() || until.Before(pl.until) {
		pl.until = until
	}
}

// pausesLocked has the ear be deaf by a PAUSE. False: that is over.
func (a *ear) pausesLocked() bool {
	names := a.pool.names.list()
	err := a.pool.owner.orders.change(func(s *standingOrders) error {
		if s.of(names) != HoldPaused {
			return errResumed
		}
		s.deaf[a] = time.Time{}
		return nil
	})
	if err == nil {
		a.deaf, a.leaving = true, true
	}
	return err == nil
}

// hearsLocked: it is deaf no more, or nobody listens.
func (a *ear) hearsLocked() {
	if !a.deaf {
		return
	}
	a.deaf = false
	a.pool.owner.orders.change(func(s *standingOrders) error { //nolint:errcheck // it has none
		delete(s.deaf, a)
		return nil
	})
}

// renewEars has the ears of pools be deaf that are to have other connections, and returns them:
// once all that is to change has, have them leave. Where somebody listens, nobody of the
// database begins anything in between.
func (ps *Pools) renewEars(of func(*Pool) bool) (deaf []*ear) {
	for _, p := range ps.all() {
		if of(p) && p.ear.renews() {
			deaf = append(deaf, p.ear)
		}
	}
	return deaf
}

func (a *ear) renews() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.connected || len(a.channels) == 0 {
		return false
	}
	until := time.Now().Add(a.pool.owner.limits().ServerConnectTimeout)
	a.deaf, a.leaving = true, true
	a.pool.owner.orders.change(func(s *standingOrders) error { //nolint:errcheck // it has none
		s.deaf[a] = until
		return nil
	})
	return true
}

// leave has ears leave their connections as soon as they have heard all.
func leave(ears []*ear) {
	for _, a := range ears {
		a.mu.Lock()
		if a.leaving {
			a.leaveBy = loop.Clock() + int64(leaveWithin)
		}
		a.stirred()
		a.mu.Unlock()
	}
}

// leaves says why the connection is to be closed now, if it is.
func (a *ear) leaves(l *line) error {
	a.mu.Lock()
	why := a.toLeaveLocked(l)
	waits := why == errNotWanted || why == errRenewed && loop.Clock() < a.leaveBy
	a.mu.Unlock()
	if !waits {
		l.last = 0
		return why
	}
	quiet := a.pool.owner.isQuietFor(a.pool.Key, why == errNotWanted)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case !quiet || a.toLeaveLocked(l) != why:
		l.last = 0
		return nil
	case l.last == 0:
		l.last = a.sent + 1
	}
	if a.completed < l.last || why == errNotWanted && len(a.channels) > 0 && !a.pausesLocked() {
		return nil
	}
	return why
}

// toLeaveLocked says what the connection is to be closed for as soon as that can be.
func (a *ear) toLeaveLocked(l *line) error {
	switch {
	case a.pool.ordered() == HoldPaused:
		if !a.neededLocked() {
			return errNotWanted
		}
	case a.leaving && a.leaveBy > 0:
		return errRenewed
	case !a.leaving && a.pool.home.Load() != l.home:
		return errMoved
	}
	return nil
}

// isQuietFor reports whether none of our clients can send anything to who listens by an ear of
// that database: that is paused, or held until another connection listens.
func (ps *Pools) isQuietFor(k Key, paused bool) bool {
	for _, p := range ps.all() {
		if p.Key.hears(k) && p.maySend(paused) {
			return false
		}
	}
	return true
}

// maySend reports whether a client has a server, or may get one. By another name than is paused
// clients go on, and are not waited for; nor are those in session mode for a replacement, as they
// keep their servers.
func (p *Pool) maySend(paused bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if paused {
		return p.ordered() == HoldPaused && (p.now.hold != HoldPaused || len(p.servers) > 0)
	}
	return p.Key.Mode != "session" && !p.Key.Replicates() && p.now.as != "replica" && (p.lent > 0 || p.now.hold == NotHeld)
}
