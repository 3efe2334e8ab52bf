package pool

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

func queryMessage(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func TestAServerIsOpenedLentAndUsedAgain(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(3, 0, "leader", "app")
	c := s.client(p, 0)
	first := c.get()
	c.release()
	if second := c.get(); second != first {
		t.Error("another server was opened while one was idle")
	}
	c.release()
	d := s.client(p, 1)
	if third := d.get(); third != first {
		t.Error("another loop was not lent the idle server")
	}
	if row, err := d.query("select 1"); err != nil {
		t.Error(row, err)
	}
	d.release()
	wait(t, "balance", p.balanced)
	if live, _, logins := f.count(); live != 1 || logins != 1 {
		t.Errorf("%d live, %d logins", live, logins)
	}
}

// Of those that the client's loop watches, before all others.
func TestTheServerUsedLastIsLentFirst(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 0, "leader", "app")
	clients := make([]*client, 4)
	servers := make([]*Server, 4)
	for i := range clients {
		clients[i] = s.client(p, i%2)
		servers[i] = clients[i].get()
	}
	for _, i := range []int{2, 0, 3, 1} {
		clients[i].release()
	}
	for _, i := range []int{0, 2, 1, 3} {
		if got := clients[0].get(); got != servers[i] {
			t.Fatalf("not in the order of last use: %d", i)
		}
		clients[0].do(func() { clients[0].claim.Server.holder.Store(nil); clients[0].claim.Server = nil }) // keep it out
	}
}

func TestTheSizeIsNeverExceeded(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	const size, clients = 5, 40
	p := s.join(size, 0, "leader", "app")
	all := make([]*client, clients)
	for i := range all {
		all[i] = s.client(p, i%2)
		all[i].ask()
	}
	for _, c := range all { // strictly in this order
		c.wait()
		c.release()
	}
	wait(t, "balance", p.balanced)
	if live, most, _ := f.count(); most > size || live > size {
		t.Errorf("%d servers at one time, %d now; at most %d", most, live, size)
	}
	if n := p.Metrics().Totals().Waits; n < clients-size || n > clients {
		t.Errorf("%d waits counted", n)
	}
}

func TestThoseWhoWaitAreServedInTheirOrderAcrossLoops(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	first := s.client(p, 0)
	server := first.get()
	waiters := make([]*client, 10)
	for i := range waiters {
		waiters[i] = s.client(p, (i/2)%2)
		waiters[i].ask()
	}
	holder := first
	for i, w := range waiters {
		for j, later := range waiters[i:] {
			if len(later.granted) > 0 {
				t.Fatalf("client %d was served while %d waits", i+j, i)
			}
		}
		holder.release()
		if got := w.wait(); got != server {
			t.Fatal("another server")
		}
		if idle, lent, _ := p.counts(); idle != 0 || lent != 1 {
			t.Fatalf("not handed on directly: %d idle, %d lent", idle, lent)
		}
		holder = w
	}
	holder.release()
	wait(t, "balance", p.balanced)
}

func TestNobodyOvertakesThoseWhoWait(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	a.get()
	b.ask()
	a.do(func() { // released and wanted again in one go: b was first
		p.Release(&a.claim)
		if p.Acquire(&a.claim) {
			t.Error("a took the server that b waits for")
		}
		a.waiting = true
	})
	c.ask()
	b.wait()
	b.release()
	a.wait()
	a.release()
	c.wait()
	c.release()
}

func TestAServerThatIsDiscardedMakesRoomForThoseWhoWait(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(2, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	first := a.get()
	b.get()
	c.ask()
	a.discard(metrics.ServerDirty)
	if got := c.wait(); got == first {
		t.Error("the discarded server was lent")
	}
	b.release()
	c.release()
	wait(t, "balance", p.balanced)
	if _, most, _ := f.count(); most > 3 {
		t.Errorf("%d servers at one time", most)
	}
}

func TestWithdrawLeavesTheQueueInOrder(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	a.get()
	b.ask()
	c.ask()
	if !b.withdraw() {
		t.Error("nothing was on its way to b")
	}
	if !b.withdraw() {
		t.Error("a second Withdraw finds nothing either")
	}
	a.release()
	c.wait()
	b.ask()
	c.release()
	b.wait()
	b.release()
	wait(t, "balance", p.balanced)
}

// A server may be on its way to a client that leaves: then it must come back.
func TestAServerOnItsWayToAClientThatLeavesIsNotLost(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	for i := range 200 {
		a, b := s.client(p, 0), s.client(p, 1)
		a.get()
		b.ask()
		done := make(chan struct{})
		s.loops[0].Post(func() { p.Release(&a.claim); close(done) })
		if i%2 == 0 {
			within(t, "release", done)
		}
		if b.withdraw() {
			within(t, "release", done)
			continue
		}
		b.wait()
		b.release()
	}
	wait(t, "balance", p.balanced)
	if _, _, logins := f.count(); logins > 1 {
		t.Errorf("%d logins", logins)
	}
}

func TestAbandonGivesUpInEveryState(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	waiting, holding, after := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	holding.get()
	waiting.ask()
	after.ask()
	waiting.do(func() { p.Abandon(&waiting.claim, metrics.Shutdown); waiting.waiting = false })
	holding.do(func() { p.Abandon(&holding.claim, metrics.Panic) })
	after.wait()

	// With the server on its way from the other loop.
	leaving, last := s.client(p, 1), s.client(p, 0)
	leaving.ask()
	last.ask()
	blocked, unblock := make(chan struct{}), make(chan struct{})
	s.loops[1].Post(func() {
		close(blocked)
		<-unblock
		p.Abandon(&leaving.claim, metrics.Shutdown)
		leaving.waiting = false
	})
	within(t, "the loop", blocked)
	after.release()
	close(unblock)
	last.wait()
	last.release()
	wait(t, "balance", p.balanced)
}

func TestCountsForMetricsAreRight(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) {}, f.addr)
	p := s.join(2, 0, "leader", "app")
	a, b, c := s.client(p, 0), s.client(p, 1), s.client(p, 0)
	a.get()
	b.get()
	c.ask()
	states := s.pools.States()
	if len(states) != 1 {
		t.Fatalf("%d pools", len(states))
	}
	got := states[0]
	if got.ServersActive != 2 || got.ServersIdle != 0 || got.ClientsWaiting != 1 || got.Size != 2 || got.MaxWait < 0 {
		t.Errorf("%+v", got)
	}
	a.release()
	c.wait()
	b.release()
	c.release()
	if got := s.pools.States()[0]; got.ServersActive != 0 || got.ServersIdle != 2 || got.ClientsWaiting != 0 {
		t.Errorf("%+v", got)
	}
}

func TestLendingDoesNotAllocate(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(2, 0, "leader", "app")
	c, d := s.client(p, 0), s.client(p, 0)
	c.get()
	c.do(func() {
		p.Release(&c.claim)
		if n := testing.AllocsPerRun(1000, func() {
			if !p.Acquire(&c.claim) {
				t.Error("no server")
			}
			p.Release(&c.claim)
		}); n != 0 {
			t.Errorf("%v allocations for an idle server", n)
		}
	})
	d.get()
	c.get()
	c.do(func() {
		from, to := &c.claim, &d.claim
		p.Release(to)
		if n := testing.AllocsPerRun(1000, func() {
			p.Acquire(to)
			p.Release(from)
			from, to = to, from
			p.Acquire(to)
			p.Release(from)
			from, to = to, from
		}); n != 0 {
			t.Errorf("%v allocations for a server that is handed on", n)
		}
	})
	c.release()
}
