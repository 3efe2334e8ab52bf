package pool

import (
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// checked has idle servers asked after delay, and given up when they have not
// answered in patience.
func checked(delay, patience time.Duration) func(c *config.Pool) {
	return func(c *config.Pool) {
		c.ServerCheckDelay, c.ServerConnectTimeout, c.TCPKeepalive, c.TCPUserTimeout = delay, patience, 0, 0
	}
}

func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.signs
}

func TestAnIdleServerIsAskedForASignOfLife(t *testing.T) {
	f := startFake(t)
	s := newStage(t, checked(50*time.Millisecond, time.Minute), f.addr)
	p := s.join(2, 0, "leader", "app")
	c, d := s.client(p, 0), s.client(p, 1)
	first, second := c.get(), d.get()
	d.release()
	c.release()
	for n := range 3 {
		wait(t, "both are asked", func() error { p.sweep(); return until(f.asked() >= 2*n) })
	}
	wait(t, "both are idle again", func() error { idle, _, _ := p.counts(); return until(idle == 2) })
	wait(t, "balance", p.balanced)
	if c.get() != first || d.get() != second {
		t.Error("not in the order of last use")
	}
	c.release()
	d.release()
}

func TestAServerThatIsUsedIsNotAsked(t *testing.T) {
	f := startFake(t)
	s := newStage(t, checked(time.Hour, time.Minute), f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	p.sweep()
	c.get()
	c.release()
	if n := f.asked(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestASuspendedServerIsClosedBeforeItIsLent(t *testing.T) {
	t.Parallel()
	pg := ownServer(t)
	s := newStage(t, checked(50*time.Millisecond, 300*time.Millisecond), pg.Address())
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	first := c.get()
	c.release()
	pg.Suspend()
	wait(t, "it is closed", func() error { idle, lent, _ := p.counts(); return until(idle+lent == 0) })
	pg.Resume()
	if c.get() == first {
		t.Error("lent")
	}
	if _, err := c.query("select 1"); err != nil {
		t.Error(err)
	}
	c.release()
	wait(t, "balance", p.balanced)
}

func TestBeingAskedDoesNotMakeAServerYounger(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) {
		checked(20*time.Millisecond, time.Minute)(c)
		c.ServerIdleTimeout = 500 * time.Millisecond
	}, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	wait(t, "it is closed", func() error { p.sweep(); return until(f.lives() == 0) })
	if n := f.asked(); n == 0 {
		t.Error("never asked")
	}
}

// oneDue makes the pool's only idle server one that is due, and takes it.
func (p *Pool) oneDue(t *testing.T) []toAsk {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.servers {
		s.since -= 2 * int64(p.owner.limits().ServerCheckDelay)
		s.heard = s.since
	}
	due := p.checkLocked()
	if len(due) != 1 {
		t.Fatalf("%d are due", len(due))
	}
	return due
}

// Who comes while the only server is asked gets it when it has answered.
func TestAServerThatIsAskedGoesToWhoWaits(t *testing.T) {
	f := startFake(t)
	s := newStage(t, checked(time.Hour, time.Minute), f.addr)
	p := s.join(1, 0, "leader", "app")
	c, d := s.client(p, 0), s.client(p, 1)
	first := c.get()
	c.release()
	due := p.oneDue(t)
	d.ask()
	settleLoops(s)
	if len(d.granted) > 0 {
		t.Fatal("lent while it is asked")
	}
	p.check(due)
	if d.wait() != first {
		t.Error("not the one that was asked")
	}
	if _, err := d.query("select 1"); err != nil {
		t.Error(err)
	}
	d.release()
	wait(t, "balance", p.balanced)
}

func TestServersThatAreAskedLeaveWithTheirLeaderAndWithThePool(t *testing.T) {
	r := startReign(t, checked(time.Hour, time.Hour))
	p := r.join(1, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	p.oneDue(t) // and it is never asked, so that it does not answer
	r.switchover()
	r.b.lead(2)
	wait(t, "it is closed", func() error { return until(r.a.lives() == 0) })
	c.get()
	c.release()
	p.oneDue(t)
	r.pools.Close()
	wait(t, "the other too", func() error { return until(r.b.lives() == 0) })
	wait(t, "balance", p.balanced)
}

func TestWhenAServerDiesTheOthersAreAskedBeforeTheyAreLent(t *testing.T) {
	r := startReign(t, nil)
	p, other := r.join(4, 0, "leader", "app"), r.join(4, 0, "leader", "other")
	c, d, e := r.client(p, 0), r.client(p, 1), r.client(other, 0)
	c.get()
	d.get()
	e.get()
	d.release()
	e.release()
	settleLoops(r.stage)
	before := r.a.asked()
	c.discard(metrics.ServerLost)
	wait(t, "the idle ones of both pools are asked", func() error { return until(r.a.asked() == before+2) })
	d.get()
	e.get()
	d.release()
	e.release()
	wait(t, "balance", p.balanced)
}

// A server that says that it is in recovery leads no more.
func TestAnIdleServerThatIsInRecoveryIsNotLent(t *testing.T) {
	r := startReign(t, nil)
	r.a.set(func() { r.a.standby = true })
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	s := c.get()
	c.do(func() { s.Reported("in_hot_standby", "on") })
	c.release()
	wait(t, "it is closed", func() error { return until(r.a.lives() == 0) })
	wait(t, "balance", p.balanced)
}
