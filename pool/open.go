package pool

import (
	"context"
	"errors"
	"time"

	"portero/discovery"
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

var (
	errNotWanted = errors.New("no more servers are wanted")
	errMoved     = errors.New("the leader moved while the server was opened")
)

// openLocked starts as many openers as there are servers missing.
func (p *Pool) openLocked() {
	if p.closed {
		return
	}
	have := len(p.servers) + p.opening
	missing := max(p.waiting.n-p.opening, p.wanted-have)
	for i := 0; i < missing && have+i < p.size; i++ {
		p.opening++
		p.openers.Add(1)
		go p.open()
	}
}

// open is one opener: it ends with a server in the idle stack, or when none is
// wanted, or with an error for those who wait.
func (p *Pool) open() {
	defer p.openers.Done()
	err := p.puddle.CreateResource(p.ctx)
	p.mu.Lock()
	p.opening--
	var wake []*Claim
	var refused *wire.Error
	switch {
	case err == nil:
		wake = p.openedLocked()
	case errors.As(err, &refused):
		p.Metrics.Error(metrics.ServerLogin)
		p.log.Warn("server login failed", "error", refused.Error())
		wake = p.failLocked(wire.Fatal(refused.Code, "%s", refused.Message))
		p.wanted = 0
	case !errors.Is(err, errNotWanted) && p.ctx.Err() == nil:
		p.log.Error("open server", "error", err)
	}
	p.openLocked() // somebody may have come while this one ended
	p.mu.Unlock()
	wakeAll(wake)
}

// openedLocked takes stock after CreateResource: the new servers are idle in
// puddle and unknown to our counts.
func (p *Pool) openedLocked() []*Claim {
	close(p.proved)
	p.proved = make(chan struct{})
	all := p.puddle.AcquireAllIdle()
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i].Value()
		if s.state != stateOpening {
			all[i].ReleaseUnused()
		} else if p.registerLocked(all[i]) {
			p.restLocked(s)
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
func (p *Pool) stillWanted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed && (p.waiting.n > 0 || len(p.servers)+p.opening <= p.wanted)
}

// construct opens one server, however long it takes until there is one that
// proves itself. puddle calls it from open.
func (p *Pool) construct(ctx context.Context) (*Server, error) {
	retry := firstRetry
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if !p.stillWanted() {
			return nil, errNotWanted
		}
		view := p.cluster.View()
		target, ok := p.target(view)
		if !ok {
			p.pause(ctx, view, askSeldom)
			continue
		}
		s, err := p.connect(ctx, view, target)
		if err == nil {
			return s, nil
		}
		if refusal := permanent(err); refusal != nil {
			return nil, refusal
		}
		p.noteFailure(target, err)
		p.pauseAfter(ctx, view, retry)
		retry = min(2*retry, slowestRetry)
	}
}

// permanent picks the server's refusals that the client must hear at once.
func permanent(err error) *wire.Error {
	var e *wire.Error
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return nil
	}
	switch {
	case e.Code[:2] == "28", e.Code == wire.UndefinedDatabase, e.Code == "42501", e.Code == wire.FeatureNotSupported:
		return e
	}
	return nil
}

func (p *Pool) noteFailure(m discovery.Member, err error) {
	if errors.Is(err, errMoved) {
		return
	}
	p.Metrics.Error(metrics.ServerConnect)
	p.log.Debug("server not opened", "member", m.Name, "address", m.Address, "error", err)
	p.cluster.Doubt(p.Key.Group, m.Name)
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
