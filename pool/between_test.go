package pool

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/session"
)

// joinNodes is a pool between nodes, of a user.
func (s *stage) joinNodes(size int) *Pool { return s.joinNodesAs("leader", size) }

// joinMoreNodes is another pool of the same bank.
func (s *stage) joinMoreNodes(size int) *Pool { return s.joinNodesAs("any", size) }

func (s *stage) joinNodesAs(role string, size int) *Pool {
	s.t.Helper()
	key := keyOf(role, "postgres", "app")
	key.Citus = citusInternal
	p, err := s.pools.Join(key, s.terms(size, 0), auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// of makes the client one of an origin.
func (c *client) of(gpid uint64) *client {
	c.t.Helper()
	c.do(func() {
		c.claim.Settings = session.Settings{}.With(applicationName, fmt.Sprintf("citus_internal gpid=%d", gpid))
		c.claim.Number = gpid
	})
	return c
}

func TestOneWhoIsNotLetInHidesNobodyWhoIsOwedAServer(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = 50 * time.Millisecond }, f.addr)
	p := s.joinNodes(2)
	a, b := s.client(p, 0).of(1), s.client(p, 1).of(2)
	a.use()
	b.use()
	p.bank.mu.Lock()
	p.bank.ledger.take(holding{2, p.page}, true) // b is inside by another connection, and so is a third
	p.bank.ledger.take(holding{3, p.page}, true)
	p.bank.mu.Unlock()
	a.exchange(true)
	b.exchange(true)
	b.wait()
	b.release()
	p.bank.mu.Lock()
	p.bank.ledger.giveBack(holding{2, p.page}, true)
	p.bank.ledger.giveBack(holding{3, p.page}, true)
	p.bank.mu.Unlock()
	p.bank.nudge()
	a.wait()
}

// One who needs a server as new waits while an idle one is not, and another is kept out.
func TestAPoolBetweenNodesRestsWhileNobodyCanBeServed(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(3)
	a, b, c := s.client(p, 0).of(1), s.client(p, 1).of(2), s.client(p, 0).of(3)
	a.use()
	b.use()
	c.use()
	f.set(func() { f.silent = true }) // no other is opened
	c.release()
	p.bank.mu.Lock()
	p.bank.ledger.take(holding{1, p.page}, true) // a is inside by another connection too
	p.bank.mu.Unlock()
	a.exchange(true)
	c.ask()
	rests(t)
	if len(a.granted)+len(c.granted) > 0 {
		t.Error("somebody was served")
	}
	p.bank.mu.Lock()
	p.bank.ledger.giveBack(holding{1, p.page}, true)
	p.bank.mu.Unlock()
	p.bank.nudge()
	c.wait()
}

func TestAnExchangeTakesTheTurnOfItsOwnTransaction(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	a, b := s.client(p, 0), s.client(p, 1)
	a.do(func() { a.claim.ticket = behindAll + 1000 }) // of a wait in another pool, say
	s.letIn(p)
	s.client(p, 0).do(func() {})
	first := b.get()
	b.release()
	if a.get() != first {
		t.Fatal("not lent at once")
	}
	b.ask()
	a.exchange(false)
	a.wait()
	if len(b.granted) > 0 {
		t.Error("somebody who came later was served before")
	}
	a.release()
	b.wait()
}

func TestTheSearchForStandstillsSeesAllWhoWait(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(1)
	a, b := s.client(p, 0).of(1), s.client(p, 1).of(1)
	a.get()
	a.release()
	a.get()
	b.ask()
	a.exchange(false)
	wait(t, "the exchange", func() error { return until(len(a.granted) > 0) })
	b.do(func() { b.claim.pool.mu.Lock(); b.claim.ticket = 0; b.claim.pool.mu.Unlock() })
	if seen := look([]*bank{p.bank}); len(seen.queuing) != 1 {
		t.Errorf("%d wait", len(seen.queuing))
	}
}

func TestWhoIsSentAwayLeavesTheBankToo(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(2)
	a, b := s.client(p, 0).of(1), s.client(p, 1).of(2)
	a.get()
	b.get()
	b.release()
	p.bank.mu.Lock()
	p.bank.ledger.pools[p.page].extras++
	p.bank.mu.Unlock()
	for range 2 {
		sp := &Spread{}
		b.do(func() { b.claim.Roams = sp })
		b.ask()
		if n := newcomersOf(p); n != 1 {
			t.Fatalf("%d are kept out", n)
		}
		p.stray(sp)
		wait(t, "leaving", func() error { return until(newcomersOf(p) == 0) })
		b.do(func() { b.waiting = false })
	}
}

func newcomersOf(p *Pool) int {
	p.bank.mu.Lock()
	defer p.bank.mu.Unlock()
	return len(p.bank.newcomers.of)
}

// Servers are idle while some wait who are not let in, are given up, and die; and everybody is
// served in the end.
func TestNobodyIsForgottenAside(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	larger, smaller := s.joinNodes(5), s.joinMoreNodes(2)
	var actors sync.WaitGroup
	for i := range 16 {
		p := larger
		if i%4 == 3 {
			p = smaller
		}
		c, dice := s.client(p, i%2).of(uint64(1+i%7)), rand.New(rand.NewPCG(uint64(i), 1))
		p.Enters(uint64(100+i), c.claim.Settings)
		actors.Add(1)
		go func() {
			defer actors.Done()
			for range 10 {
				c.comeAndGo(dice, 2)
				c.get()
				c.exchange(dice.IntN(2) == 0)
				c.wait()
				c.release()
			}
		}()
	}
	actors.Wait()
	for _, p := range []*Pool{larger, smaller} {
		wait(t, "balance", p.balanced)
		if p.queued() > 0 || newcomersOf(p) > 0 {
			t.Errorf("%d wait, %d to come in", p.queued(), newcomersOf(p))
		}
	}
}

func TestABankEndsWithItsLastPool(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(1)
	p.Leave() // a candidate that nobody uses
	s.pools.mu.Lock()
	defer s.pools.mu.Unlock()
	if n := len(s.pools.banks); n != 0 {
		t.Errorf("%d banks are left", n)
	}
}

// A client goes from pool to pool without a word about what it wants there.
func TestAClaimStaysWhatItIsWhereItGoes(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	a := s.client(s.joinNodes(1), 0)
	a.do(func() {
		a.claim.Settles, a.claim.Login = true, true
		if a.claim.Bind(a.pool, a.task); !a.claim.Settles || !a.claim.Login {
			t.Error("it is an ordinary one")
		}
	})
}
