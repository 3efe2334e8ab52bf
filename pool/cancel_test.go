package pool

import (
	"context"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// begin ties a cancel request to what the client holds.
func (c *client) begin() (x Cancel) {
	c.t.Helper()
	c.do(func() {
		var ok bool
		if x, ok = c.claim.BeginCancel(); !ok {
			c.t.Error("the client holds no server")
		}
	})
	return x
}

func sendIn(ctx context.Context, x Cancel) <-chan error {
	sent := make(chan error, 1)
	go func() { sent <- x.Send(ctx) }()
	return sent
}

func TestAServerIsNotLentWhileACancelRequestForItIsInFlight(t *testing.T) {
	f := startFake(t)
	f.hold = make(chan struct{})
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c, d := s.client(p, 0), s.client(p, 1)
	server := c.get()
	x, y := c.begin(), c.begin()
	sentX := sendIn(t.Context(), x)
	if pid := within(t, "the request", f.cancels); pid != server.PID() {
		t.Errorf("cancels %d, want %d", pid, server.PID())
	}
	d.ask()
	c.release()
	settleLoops(s)
	if len(d.granted) > 0 {
		t.Fatal("lent while a cancel request is in flight")
	}
	f.mu.Lock()
	first := f.hold
	f.hold = make(chan struct{})
	f.mu.Unlock()
	close(first)
	if err := within(t, "the first request", sentX); err != nil {
		t.Error(err)
	}
	settleLoops(s)
	if len(d.granted) > 0 {
		t.Fatal("lent though a second request is in flight")
	}
	close(f.hold)
	if err := y.Send(t.Context()); err != nil {
		t.Error(err)
	}
	if d.wait() != server {
		t.Error("another server")
	}
	if _, err := d.query("select 1"); err != nil {
		t.Error(err)
	}
	d.release()
	wait(t, "balance", p.balanced)
}

func TestAServerWhoseCancelRequestIsNotAnsweredIsClosed(t *testing.T) {
	f := startFake(t)
	f.hold = make(chan struct{})
	s := newStage(t, func(c *config.Pool) { c.CancelWaitTimeout = 100 * time.Millisecond }, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	old := c.get()
	sent := sendIn(t.Context(), c.begin())
	c.release()
	if err := within(t, "Send", sent); err == nil {
		t.Error("no error")
	}
	if c.get() == old {
		t.Error("lent again")
	}
	c.release()

	// The holder may still be at work when the request fails.
	x := c.get()
	if err := c.begin().Send(t.Context()); err == nil {
		t.Error("no error")
	}
	c.release()
	if c.get() == x {
		t.Error("lent again")
	}
	c.release()
	wait(t, "balance", p.balanced)
}

func TestSendEndsWithItsContext(t *testing.T) {
	f := startFake(t)
	f.hold = make(chan struct{})
	s := newStage(t, func(c *config.Pool) { c.CancelWaitTimeout = time.Hour }, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	ctx, cancel := context.WithCancel(t.Context())
	sent := sendIn(ctx, c.begin())
	within(t, "the request", f.cancels)
	cancel()
	if err := within(t, "Send", sent); err == nil {
		t.Error("no error")
	}
	c.release()
}

func TestAServerThatDiesBetweenTwoHandsIsNotLent(t *testing.T) {
	f := startFake(t)
	f.hold = make(chan struct{})
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	old := c.get()
	sent := sendIn(t.Context(), c.begin())
	within(t, "the request", f.cancels)
	c.release()
	f.killOne()
	rests(t)
	close(f.hold)
	if err := within(t, "Send", sent); err != nil {
		t.Error(err)
	}
	wait(t, "its death is noticed", func() error { idle, _, _ := p.counts(); return until(idle == 0) })
	if c.get() == old {
		t.Error("lent again")
	}
	c.release()
	wait(t, "balance", p.balanced)
}

func TestAServerGivenUpWithACancelRequestInFlightIsGone(t *testing.T) {
	f := startFake(t)
	f.hold = make(chan struct{})
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	old := c.get()
	sent := sendIn(t.Context(), c.begin())
	within(t, "the request", f.cancels)
	c.discard(metrics.ServerDirty)
	if c.get() == old {
		t.Error("lent again")
	}
	close(f.hold)
	if err := within(t, "Send", sent); err != nil {
		t.Error(err)
	}
	c.release()
	wait(t, "balance", p.balanced)
}

// A holder that does not read (its client is slow) must not be woken without
// end by the death of its server.
func TestTheDeathOfALentServerIsToldOnce(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.do(func() { c.claim.Server.Sock.Watch(false) })
	f.killOne()
	wait(t, "the news", func() error {
		var closed bool
		c.do(func() { closed = c.claim.Events != 0 })
		return until(closed)
	})
	rests(t)
	if _, err := c.query("select 1"); err == nil {
		t.Error("no error")
	}
	c.discard(metrics.ServerLost)
}
