package pool

import (
	"testing"
	"time"

	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// exchange gives the client's server up for another; it comes by granted.
func (c *client) exchange(asNew bool) {
	c.t.Helper()
	c.do(func() {
		c.waiting = true
		c.pool.Exchange(&c.claim, metrics.ServerDirty, asNew)
	})
}

func (p *Pool) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.queuedLocked()
}

// use has the client work on its server.
func (c *client) use() *Server {
	c.t.Helper()
	s := c.get()
	c.do(func() { s.Used = true })
	return s
}

func TestWhoeverExchangesAServerComesBeforeThoseWhoWait(t *testing.T) {
	for _, asNew := range []bool{false, true} {
		f := startFake(t)
		s := newStage(t, nil, f.addr)
		p := s.join(1, 0, "leader", "app")
		a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
		first := a.use()
		b.ask()
		c.ask()
		a.exchange(asNew)
		if second := a.wait(); second == first {
			t.Error("the same server again")
		}
		if len(b.granted)+len(c.granted) > 0 {
			t.Error("somebody else was served")
		}
		a.release()
		b.wait()
		b.release()
		c.wait()
		c.release()
		wait(t, "balance", p.balanced)
		if live, most, logins := f.count(); live != 1 || most > 2 || logins != 2 {
			t.Errorf("%d live, at most %d, %d logins", live, most, logins)
		}
	}
}

func TestAnyServerThatIsFreeDoesForAnExchange(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(2, 0, "leader", "app")
	a, b := s.client(p, 0), s.client(p, 1)
	a.use()
	idle := b.use()
	b.release()
	a.exchange(false)
	if a.wait() != idle {
		t.Error("another than the idle one")
	}
	a.release()
	wait(t, "balance", p.balanced)
	if _, _, logins := f.count(); logins != 2 {
		t.Errorf("%d logins", logins)
	}
}

func TestWhoeverNeedsAServerAsNewGetsNoOther(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(3, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	a.use()
	used, set := b.use(), c.get()
	b.release()
	c.do(func() { set.Applied = session.Settings{}.With("a", "1") })
	c.release()
	a.exchange(true)
	got := a.wait()
	if got == used || got == set {
		t.Error("a server that others have worked on")
	}
	if d := s.client(p, 1).get(); d != set && d != used {
		t.Error("others must be served meanwhile")
	}
	if n := p.queued(); n != 0 {
		t.Errorf("%d wait", n)
	}
}

func TestAServerThatIsAsNewAndIdleIsNotOpenedAgain(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(3, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	a.use()
	b.use()
	asNew := c.get()
	c.release()
	b.release()
	a.exchange(true)
	if a.wait() != asNew {
		t.Error("another server")
	}
	b.use()
	b.exchange(true)
	c = s.client(p, 0)
	c.ask()
	a.release()
	if got := b.wait(); got != asNew && !got.AsNew() {
		t.Error("not as new")
	}
	c.wait()
	wait(t, "balance", p.balanced)
}

func TestWhoeverNeedsAServerAsNewMayGiveUpAndMayBeRefused(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = 50 * time.Millisecond }, f.addr)
	p := s.join(2, 0, "leader", "app")
	a, b := s.client(p, 0), s.client(p, 1)
	a.use()
	b.use()
	f.set(func() { f.silent = true })
	a.exchange(true)
	if n := p.queued(); n != 1 {
		t.Errorf("%d wait", n)
	}
	if !a.withdraw() {
		t.Error("a server is on its way")
	}
	f.set(func() { f.silent, f.refusal = false, wire.Fatal(wire.InvalidAuthorization, "no") })
	b.exchange(true)
	if g := within(t, "an error", b.granted); g.err == nil || g.err.Code != wire.InvalidAuthorization {
		t.Errorf("%+v", g)
	}
}

func TestAnObjectionIsKnownAgainButForTheNameOfTheClient(t *testing.T) {
	f := startFake(t)
	p := newStage(t, nil, f.addr).join(1, 0, "leader", "app")
	bad := session.Settings{}.With("work_mem", "banana")
	said := wire.Errorf("22023", "no banana")
	p.KeepObjection(bad.With("application_name", "a"), said)
	for _, c := range []struct {
		settings session.Settings
		said     *wire.Error
		want     bool
	}{
		{bad, said, true},
		{bad.With("application_name", "b"), wire.Fatal("22023", "no banana"), true},
		{bad.With("timezone", "UTC"), said, false},
		{bad, wire.Errorf("22023", "no fruit"), false},
		{bad, wire.Errorf("42501", "no banana"), false},
	} {
		if got := p.Objected(c.settings, c.said); got != c.want {
			t.Errorf("%v, %v: %t", c.settings, c.said, got)
		}
	}
	for i := range 2 * maxObjections {
		p.KeepObjection(bad.With("a.b", string(rune('a'+i))), said)
	}
	p.mu.Lock()
	n := len(p.objections)
	p.objections[objectionTo(bad, said)] = loop.Clock()
	p.mu.Unlock()
	if n > maxObjections || p.Objected(bad, said) {
		t.Errorf("%d are kept, and for longer than they may: %t", n, p.Objected(bad, said))
	}
}
