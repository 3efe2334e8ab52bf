package pool

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"portero/metrics"
	"portero/wire"
)

func TestReconnectReplacesServersAsTheyComeBack(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 0, "leader", "app")
	running, idle := s.client(p, 0), s.client(p, 1)
	old := running.get()
	was := idle.get()
	idle.release()
	if err := s.pools.Reconnect("postgres"); err != nil {
		t.Fatal(err)
	}
	wait(t, "the idle one is closed", func() error { return until(f.lives() == 1) })
	done := beside(func() error { return s.pools.WaitClose(t.Context(), "postgres") })
	if now := idle.get(); now == was {
		t.Error("the old server was lent")
	}
	settleLoops(s)
	if len(done) > 0 {
		t.Error("WAIT_CLOSE did not wait for the one that is lent")
	}
	states := s.pools.ServerStates(t.Context())
	if n := count(states, func(one metrics.ServerState) bool { return one.CloseNeeded && one.ID == old.ID() }); n != 1 || len(states) != 2 {
		t.Errorf("states %+v", states)
	}
	running.release()
	s.mustEnd("WAIT_CLOSE", done)
	if now := running.get(); now == old {
		t.Error("the old server was lent")
	}
	running.release()
	idle.release()
	wait(t, "balance", p.balanced)
	if s.diary.times("reason=reconnect") != 2 {
		t.Error("the log does not say why they were closed")
	}
}

func count[T any](all []T, is func(T) bool) (n int) {
	for _, one := range all {
		if is(one) {
			n++
		}
	}
	return n
}

func TestKillClosesIdleServersAndHoldsUntilResume(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 2, "leader", "app")
	running, next := s.client(p, 0), s.client(p, 1)
	running.get()
	next.get()
	next.release()
	if err := s.pools.Kill("postgres"); err != nil {
		t.Fatal(err)
	}
	wait(t, "the idle one is closed", func() error { return until(f.lives() == 1) })
	next.ask()
	running.release()
	wait(t, "the other too", func() error { return until(f.lives() == 0) })
	settleLoops(s)
	if len(next.granted) > 0 {
		t.Error("served before RESUME")
	}
	if err := s.pools.Resume("postgres"); err != nil {
		t.Fatal(err)
	}
	next.wait()
	next.release()
	s.mustEnd("PAUSE", s.pause(t.Context(), ""))
	if err := s.pools.Kill("postgres"); err != ErrPaused {
		t.Errorf("KILL in a pause: %v", err)
	}
}

func TestDisableRefusesNewClientsAndLeavesThoseWhoAreThere(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	if err := s.pools.Disable("postgres"); err != nil {
		t.Fatal(err)
	}
	_, err := s.pools.Join(p.Key, terms(2, 0), noSecret)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Why != metrics.DatabaseDisabled || refused.Said.Message != "database does not allow connections: postgres" {
		t.Errorf("%v", err)
	}
	must(s.pools.JoinAs("alias", p.Key, terms(2, 0), noSecret))(t).Leave() // it is the name that is disabled
	must(s.pools.Rejoin("postgres", p.Key, terms(2, 0), noSecret))(t).Leave()
	c.get()
	c.release()
	if st := s.pools.States(); len(st) != 1 || !st[0].Disabled || st[0].Paused || st[0].Name != "postgres" || st[0].Clients != 1 {
		t.Errorf("%+v", st)
	}
	if err := s.pools.Enable("postgres"); err != nil {
		t.Fatal(err)
	}
	must(s.pools.Join(p.Key, terms(2, 0), noSecret))(t)
}

func TestSuspendHoldsWhatBeginsAndKeepsServers(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 0, "leader", "app")
	running, next := s.client(p, 0), s.client(p, 1)
	first := running.get()
	done := beside(func() error { return s.pools.Suspend(t.Context()) })
	s.holds(p, HoldSuspended)
	next.ask()
	settleLoops(s)
	if len(done)+len(next.granted) > 0 {
		t.Error("suspended in a transaction, or served")
	}
	running.release()
	s.mustEnd("SUSPEND", done)
	if err := s.pools.Pause(t.Context(), ""); err != ErrPaused {
		t.Errorf("PAUSE: %v", err)
	}
	settleLoops(s)
	if len(next.granted) > 0 || f.lives() != 1 {
		t.Error("served, or the server was closed")
	}
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	if next.wait() != first {
		t.Error("another server")
	}
	next.release()
}

// What operators wait for and clients do at the same time: nobody hears of it but by time, and
// no connection is left when a PAUSE is over.
func TestPauseAndResumeUnderLoadCostNobodyAnything(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	const writers, cycles = 8, 50
	p := s.join(4, 2, "leader", "app")
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan int, writers)
	failed := make(chan error, writers)
	for i := range writers {
		c := s.client(p, i%2)
		go func() {
			n := 0
			for ; ctx.Err() == nil; n++ {
				if err := c.transaction(n); err != nil {
					failed <- err
					return
				}
			}
			served <- n
		}()
	}
	for i := range cycles {
		s.mustEnd(fmt.Sprint("PAUSE ", i), s.pause(t.Context(), []string{"", "postgres"}[i%2]))
		if _, lent, opening := p.counts(); lent+opening > 0 {
			t.Errorf("%d lent, %d opening", lent, opening)
		}
		if i%10 == 0 {
			wait(t, "PostgreSQL sees nobody", func() error { return until(superuser(t, pg, appBackends) == 0) })
		}
		if err := s.pools.Resume([]string{"", "postgres"}[i%2]); err != nil {
			t.Fatal(err)
		}
		wait(t, "somebody is served", func() error { idle, lent, _ := p.counts(); return until(idle+lent > 0) })
	}
	stop()
	sum := 0
	for range writers {
		select {
		case n := <-served:
			sum += n
		case err := <-failed:
			t.Error(err)
		case <-time.After(patience):
			t.Fatal("a writer hangs")
		}
	}
	if sum < cycles {
		t.Errorf("%d transactions in %d cycles", sum, cycles)
	}
	if e := p.Metrics().Totals().Errors; e != (metrics.ReasonCounts{}) {
		t.Errorf("errors were counted: %v", e)
	}
	wait(t, "balance", p.balanced)
}

// transaction asks one question on a server.
func (c *client) transaction(n int) error {
	c.loop.Post(func() {
		if c.pool.Acquire(&c.claim) {
			c.granted <- grant{c.claim.Server, nil}
		} else {
			c.waiting = true
		}
	})
	select {
	case g := <-c.granted:
		if g.err != nil {
			return g.err
		}
	case <-time.After(patience):
		return errors.New("no server came")
	}
	c.loop.Post(func() {
		c.asking = true
		c.claim.Server.Sock.Write(wire.Append(nil, queryMessage(fmt.Sprint("select ", n)))) //nolint:errcheck // the next Read says it again
		c.loop.Wake(c.task)
	})
	select {
	case a := <-c.answers:
		if a.err != nil || a.row != fmt.Sprint(n) {
			return fmt.Errorf("%q in place of %d: %w", a.row, n, a.err)
		}
	case <-time.After(patience):
		return errors.New("no answer came")
	}
	done := make(chan struct{})
	c.loop.Post(func() { c.pool.Release(&c.claim); close(done) })
	<-done
	return nil
}
