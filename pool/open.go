package pool

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// How often a host that is not ready is asked again. One opener per pool asks
// often; the others wait for its success or ask seldom.
const (
	askOften     = 5 * time.Millisecond
	askSeldom    = 250 * time.Millisecond
	slowestRetry = 50 * time.Millisecond
	firstRetry   = 2 * time.Millisecond
)

// A host that does not answer costs this much at first where there are others
// to ask, and twice as much each time after, up to server_connect_timeout.
const firstPatience = 500 * time.Millisecond

// warnEvery bounds how often the log says aloud that no server can be opened.
const warnEvery = 5 * time.Second

var (
	errNotWanted = errors.New("no more servers are wanted")
	errMoved     = errors.New("the leader moved while the server was opened")
)

// openLocked starts as many openers as there are servers missing: for those who
// wait, each with what it must be opened with, and then for those who will come.
func (p *Pool) openLocked() {
	if p.closed || p.ctx.Err() != nil || p.now.hold.ordered() || p.now.hold == HoldSwitchover { // what is opened now is cut off by it
		return
	}
	p.openForWaitingLocked()
	for p.haveLocked() < min(p.wanted, p.mostLocked()) {
		p.startLocked(p.usual, nil, 0)
	}
}

// haveLocked is how many servers there are or will be, mostLocked how many there
// may be.
func (p *Pool) haveLocked() int { return len(p.servers) + p.opening }

func (p *Pool) mostLocked() int {
	if !p.known {
		return 1 // is enough to find out
	}
	t := p.terms()
	if t.Reserve > 0 && p.isLateLocked() {
		return t.Size + t.Reserve
	}
	return t.Size
}

// isLateLocked reports whether the first in the queue has waited so long that the
// reserve is opened.
func (p *Pool) isLateLocked() bool {
	c := p.waiting.first
	return c != nil && loop.Clock()-c.Since >= int64(p.owner.limits().ReservePoolTimeout)
}

// ReserveAfter is how long the first in the queue waits before servers of the
// reserve are opened: then call Reserve. False: there is no reserve.
func (p *Pool) ReserveAfter() (time.Duration, bool) {
	return p.owner.limits().ReservePoolTimeout, p.terms().Reserve > 0
}

// Reserve opens servers beyond pool_size if the first in the queue has waited for
// long enough. Any goroutine.
func (p *Pool) Reserve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.openLocked()
}

// startLocked starts an opener, which first closes the server it is to replace,
// if there is one: else it is patient for so long.
func (p *Pool) startLocked(st Startup, replaced *Server, patient time.Duration) {
	if replaced != nil { // its place is taken until it is closed
		patient = 0
	}
	p.opening++
	p.openers[st]++
	if patient > 0 {
		p.turnover.patient++
	}
	p.owner.openers.Add(1)
	go p.open(p.opens, st, replaced, patient)
}

// recallLocked ends the openers at work, wherever they are.
func (p *Pool) recallLocked() {
	if p.opening > 0 {
		p.recall()
		p.opens, p.recall = context.WithCancel(p.ctx)
	}
}

// openerEndsLocked takes an opener out of the books.
func (p *Pool) openerEndsLocked(st Startup) {
	p.opening--
	if p.openers[st]--; p.openers[st] == 0 {
		delete(p.openers, st)
	}
}

// open is one opener: it ends with an idle server, or when none is wanted, or
// with an error for those who wait.
func (p *Pool) open(ctx context.Context, st Startup, replaced *Server, patient time.Duration) {
	defer p.owner.openers.Done()
	if patient > 0 && !p.outwait(ctx, st, patient) {
		return
	}
	began := loop.Clock()
	if replaced != nil {
		p.destruct(replaced)
		p.reportClosed(replaced, metrics.ServerEvicted)
	}
	err := p.puddle.CreateResource(withStartup(ctx, st))
	var refused *wire.Error
	var unfit *misfit
	if !errors.As(err, &unfit) && errors.As(err, &refused) {
		refused = refused.AsFatal()
		if p.turnAway(refused, st) {
			return
		}
	}
	p.mu.Lock()
	p.openerEndsLocked(st)
	var wake []*Claim
	waited, before := p.queuedLocked(), p.opened
	switch {
	case err == errNoRoom:
		p.wanted = 0 // until the next sweep
	case unfit != nil:
		wake = p.misfitLocked(st, unfit)
	case err == nil:
		p.refused = false
		p.turnover.took(time.Duration(loop.Clock() - began))
		wake = p.openedLocked()
	case refused != nil:
		p.refused, p.wanted = true, 0
		wake = p.failLocked(refused)
		p.Metrics().Error(metrics.ServerLogin)
	}
	loud := refused != nil && p.mayWarnLocked()
	p.openLocked() // somebody may have come while this one ended
	now := p.opened
	p.mu.Unlock()
	wakeAll(wake)
	p.offer()
	if now != before {
		p.provedFirst(now, waited)
	}
	if refused != nil {
		p.log.Log(p.ctx, levelOf(loud), "server login failed", "error", refused.Error())
	}
}

// mayWarnLocked reports whether it is time again to tell the log of failures.
func (p *Pool) mayWarnLocked() bool {
	if !p.known {
		return p.owner.mayWarn()
	}
	now := loop.Clock()
	if p.warned != 0 && now-p.warned < int64(warnEvery) {
		return false
	}
	p.warned = now
	return true
}

// mayWarn is mayWarnLocked for all candidates together.
func (ps *Pools) mayWarn() bool {
	now, before := loop.Clock(), ps.warned.Load()
	return (before == 0 || now-before >= int64(warnEvery)) && ps.warned.CompareAndSwap(before, now)
}

func levelOf(loud bool) slog.Level {
	if loud {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// openedLocked takes stock after CreateResource: what is idle in puddle is new
// and unknown to our counts. From here on it counts as in use there.
func (p *Pool) openedLocked() []*Claim {
	close(p.proved)
	p.proved, p.trouble = make(chan struct{}), trouble{}
	for _, r := range p.puddle.AcquireAllIdle() {
		if s := r.Value(); p.registerLocked(r) {
			p.idleLocked(s, nil)
			p.watchLater(s)
		}
	}
	return p.serveLocked()
}

// watchLater has a loop watch a server that nobody has taken yet.
func (p *Pool) watchLater(s *Server) {
	l := p.owner.nextLoop()
	l.Post(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.state == stateIdle && s.Sock.Loop() == nil {
			if err := s.Sock.Attach(l); err != nil {
				p.log.Error("watch idle server", "error", err)
			}
		}
	})
}

// stillWanted reports whether an opener should go on.
func (p *Pool) stillWanted(st Startup) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && !p.now.hold.ordered() && (p.waitsLocked(st) || p.haveLocked() <= p.wanted)
}

// construct opens one server, however long it takes until there is one that
// proves itself. puddle calls it from open.
func (p *Pool) construct(ctx context.Context) (*Server, error) {
	st := startupOf(ctx)
	retry, patience, began := firstRetry, firstPatience, loop.Clock()
	var refused error // the last refusal for good since then
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !p.stillWanted(st) {
			return nil, errNotWanted
		}
		home := p.home.Load()
		view := home.discovery.View()
		if refused != nil && p.seeksInVain(view, began) {
			if !p.otherSecret(refused) {
				return nil, permanent(refused)
			}
			refused, began = nil, loop.Clock()
		}
		target, wait := p.target(home, view)
		if wait > 0 {
			p.pause(ctx, view, wait)
			continue
		}
		s, err := p.connect(ctx, home, view, target, p.limit(view, patience))
		p.arrived(target)
		if err == nil {
			p.welcomed(target)
			return s, nil
		}
		if err == errNoRoom {
			return nil, err
		}
		var unfit *misfit
		if errors.As(err, &unfit) {
			p.welcomed(target)
			return nil, unfit
		}
		if refusal := permanent(err); refusal != nil {
			refused = err
			if p.refusedBy(target, refusal, began) {
				if !p.otherSecret(err) {
					return nil, refusal
				}
				refused, began = nil, loop.Clock() // all are to be asked with that
			}
			continue
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		p.noteFailure(target, err)
		if errors.Is(err, errConnectQuery) {
			p.pause(ctx, view, askSeldom)
			continue
		}
		p.pauseAfter(ctx, view, retry)
		retry, patience = min(2*retry, p.slowest()), min(2*patience, p.owner.limits().ServerConnectTimeout)
	}
}

// limit is the time for a login at one host: all of server_connect_timeout
// unless there are others to try.
func (p *Pool) limit(v *discovery.View, patience time.Duration) time.Duration {
	whole := p.owner.limits().ServerConnectTimeout
	if pl := p.plan(v); pl.choice {
		return min(patience, whole)
	}
	return whole
}

// slowest is the longest pause between two tries. Candidates may be many, and
// each has an opener of its own.
func (p *Pool) slowest() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known {
		return slowestRetry
	}
	return askSeldom
}

// pauseAfter waits before the next try: the opener that has the token comes
// back soon, the others when it has succeeded.
func (p *Pool) pauseAfter(ctx context.Context, v *discovery.View, d time.Duration) {
	select {
	case p.probing <- struct{}{}:
		defer func() { <-p.probing }()
		p.pause(ctx, v, d)
	default:
		p.pause(ctx, v, askSeldom)
	}
}

// pause waits for d, for a newer view, or for another opener's success.
func (p *Pool) pause(ctx context.Context, v *discovery.View, d time.Duration) {
	p.mu.Lock()
	proved := p.proved
	p.mu.Unlock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-v.Replaced():
	case <-proved:
	case <-t.C:
	}
}
