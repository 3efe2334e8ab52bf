package pool

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
	"portero/wire"
)

func TestTheMinimumIsOpenedAndKept(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(5, 3, "leader", "app")
	three := func() error {
		idle, _, _ := p.counts()
		if live, _, _ := f.count(); idle != 3 || live != 3 {
			return fmt.Errorf("%d idle, %d live", idle, live)
		}
		return nil
	}
	wait(t, "the minimum", three)
	f.killOne()
	f.killOne()
	wait(t, "two lost", func() error { _, _, n := f.count(); return until(n >= 5) })
	wait(t, "the minimum again", three)
	wait(t, "balance", p.balanced)
}

func TestServersIdleForTooLongAreClosedDownToTheMinimum(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerIdleTimeout = 50 * time.Millisecond }, f.addr)
	p := s.join(5, 2, "leader", "app")
	var all []*client
	for i := range 5 {
		c := s.client(p, i%2)
		c.get()
		all = append(all, c)
	}
	for _, c := range all {
		c.release()
	}
	wait(t, "two are left", func() error {
		idle, _, _ := p.counts()
		live, _, _ := f.count()
		return until(idle == 2 && live == 2)
	})
	p.sweep()
	if idle, _, _ := p.counts(); idle != 2 {
		t.Errorf("%d idle", idle)
	}
	wait(t, "balance", p.balanced)
}

func TestEachPoolHasAnIdleTimeoutOfItsOwn(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerIdleTimeout = time.Hour }, f.addr)
	short, long := s.terms(1, 0), s.terms(1, 0)
	short.IdleTimeout = 10 * time.Millisecond
	p, other := s.joinOn("nodes", "app", short), s.joinOn("app", "app", long)
	for _, one := range []*Pool{p, other} {
		c := s.client(one, 0)
		c.get()
		c.release()
	}
	wait(t, "the pool with a short one is empty", func() error {
		idle, _, _ := p.counts()
		return until(idle == 0)
	})
	other.sweep()
	if idle, _, _ := other.counts(); idle != 1 {
		t.Errorf("%d servers are idle in the pool with a long one", idle)
	}
}

func TestAServerIsClosedAtTheEndOfItsLifeButNotWhileItIsLent(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerLifetime = 100 * time.Millisecond }, f.addr)
	p := s.join(2, 0, "leader", "app")
	lent, idle := s.client(p, 0), s.client(p, 1)
	first := lent.get()
	idle.get()
	idle.release()
	wait(t, "the idle one is closed", func() error { live, _, _ := f.count(); return until(live == 1) })
	if _, err := lent.query("select 1"); err != nil {
		t.Errorf("the lent one was closed too: %v", err)
	}
	lent.release()
	wait(t, "closed when released", func() error { live, _, _ := f.count(); return until(live == 0) })
	if lent.get() == first {
		t.Error("lent again")
	}
	lent.release()
}

func TestLifetimesAreSpread(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerLifetime = 1000 * time.Second }, f.addr)
	p := s.join(1, 0, "leader", "app")
	lowest, highest := p.expiry(), p.expiry()
	for range 1000 {
		e := p.expiry()
		lowest, highest = min(lowest, e), max(highest, e)
	}
	if spread := time.Duration(highest - lowest); spread < 90*time.Second || spread > 101*time.Second {
		t.Errorf("spread over %v", spread)
	}
}

func TestPoolsCloseLeavesNothing(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(5, 3, "leader", "app")
	lent, waiting := s.client(p, 0), s.client(p, 1)
	lent.get()
	q := s.join(1, 0, "leader", "other")
	f.set(func() { f.refusal = wire.Fatal(wire.TooManyConnections, "full") })
	waiting.do(func() { waiting.claim.Bind(q, waiting.task) })
	waiting.do(func() { q.Acquire(&waiting.claim) })
	s.pools.Close()
	wait(t, "only the lent one is left", func() error { live, _, _ := f.count(); return until(live == 1) })
	waiting.do(func() { q.Abandon(&waiting.claim, metrics.Shutdown) })
	lent.release()
	wait(t, "closed when released", func() error { live, _, _ := f.count(); return until(live == 0) })
	wait(t, "balance", p.balanced)
	wait(t, "balance", q.balanced)
}

func TestNothingIsLeftOfPoolsThatWereClosed(t *testing.T) {
	address := lab.AddressForTest(t)
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	f := startFakeAt(t, address)
	t.Run("life", func(t *testing.T) {
		s := newStage(t, nil, f.addr)
		p := s.join(5, 3, "leader", "app")
		for i := range 8 {
			s.client(p, i%2).ask()
		}
		wait(t, "all five are lent", func() error { _, lent, _ := p.counts(); return until(lent == 5) })
		for _, c := range []*client{s.client(p, 0), s.client(p, 1)} {
			c.ask()
			c.withdraw()
		}
	})
	f.down()
	wait(t, "all goroutines end", func() error { return until(runtime.NumGoroutine() <= goroutines) })
	wait(t, "all descriptors are closed", func() error { return until(descriptors(t) <= open) })
}

func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
