package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// model checks from the outside what must hold whatever happens: a server has
// one holder at a time, there are never more than the size, nobody waits for
// ever, and who holds a server of an old reign is told.
type model struct {
	t    *testing.T
	pool *Pool

	mu      sync.Mutex // guards what follows
	holders map[*Server]*actor
	stop    bool
	grants  int
	misses  int // withdrawn
	deaths  int
	cuts    int

	exchanges int
	unfit     int
	cancels   sync.WaitGroup
}

// actor is a client that acquires, works, releases, discards, withdraws and
// cancels at random.
type actor struct {
	m     *model
	rand  *rand.Rand
	claim Claim
	task  *loop.Task
	done  chan struct{}
}

func (m *model) start(l *loop.Loop, seed uint64) *actor {
	a := &actor{m: m, rand: rand.New(rand.NewPCG(seed, 1)), done: make(chan struct{})}
	l.Post(func() { a.task = l.Start(a) })
	return a
}

func (m *model) stopped() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stop
}

func (a *actor) Run(t *loop.Task) {
	defer close(a.done)
	a.claim.Bind(a.m.pool, t)
	for !a.m.stopped() && !a.m.t.Failed() {
		if a.acquire(t) {
			a.hold()
			a.work(t)
		}
		a.m.checkSize()
		t.ParkUntil(t.Loop().Now() + a.rand.Int64N(int64(time.Millisecond)) + 1)
	}
}

func (a *actor) epoch() uint64 {
	if g := a.m.pool.cluster().View().Groups[0]; g != nil {
		return g.Epoch
	}
	return 0
}

// acquire is true when the actor holds a server.
func (a *actor) acquire(t *loop.Task) bool {
	before := a.epoch()
	if a.m.pool.Key.Mode == "session" {
		a.claim.Startup = startsOfActors[a.rand.IntN(len(startsOfActors))]
	}
	if a.m.pool.Acquire(&a.claim) {
		if a.claim.Server.epoch < before {
			a.m.t.Errorf("lent a server of epoch %d in epoch %d", a.claim.Server.epoch, before)
		}
		return true
	}
	return a.wait(t)
}

// wait is true when the actor, which is in the queue, holds a server.
func (a *actor) wait(t *loop.Task) bool {
	leave, began := int64(0), loop.Clock()
	if a.rand.IntN(4) == 0 {
		leave = t.Loop().Now() + a.rand.Int64N(int64(3*time.Millisecond)) + 1
	}
	for a.claim.Server == nil {
		now := t.Loop().Now()
		if e := a.claim.Err; e != nil {
			if a.claim.Refused != nil && a.claim.Startup == unfit {
				a.claim.Err, a.claim.Refused = nil, nil
				a.m.count(&a.m.unfit)
				return false
			}
			a.m.t.Errorf("told %v", e)
			return false
		}
		if leave != 0 && now >= leave {
			if a.m.pool.Withdraw(&a.claim) {
				a.m.count(&a.m.misses)
				return false
			}
			leave = now + int64(time.Millisecond)
		}
		if time.Duration(loop.Clock()-began) > patience {
			a.m.t.Errorf("still waiting after %v", patience)
			return false
		}
		until := leave
		if until == 0 {
			until = now + int64(time.Second)
		}
		t.ParkUntil(until)
	}
	return true
}

// hold notes who holds the server.
func (a *actor) hold() {
	s := a.claim.Server
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	a.m.grants++
	if s.startup != a.claim.Startup {
		a.m.t.Error("a server that was opened with something else")
	}
	if a.m.holders[s] != nil {
		a.m.t.Errorf("server %d has two holders", s.pid)
	}
	a.m.holders[s] = a
	if a.rand.IntN(2) == 0 {
		s.Used = true
	}
}

func (a *actor) letGo() {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	delete(a.m.holders, a.claim.Server)
}

func (m *model) count(n *int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*n++
}

// work keeps the server for a while, asks it something, and gives it up.
func (a *actor) work(t *loop.Task) {
	if a.rand.IntN(2) == 0 && !a.ask(t) {
		a.letGo()
		a.m.count(&a.m.deaths)
		a.m.pool.Discard(&a.claim, metrics.ServerLost)
		return
	}
	t.ParkUntil(t.Loop().Now() + a.rand.Int64N(int64(2*time.Millisecond)) + 1)
	if a.mustGiveUp(t) {
		a.letGo()
		a.m.count(&a.m.cuts)
		a.m.pool.Discard(&a.claim, metrics.EpochMoved)
		return
	}
	switch n := a.rand.IntN(20); {
	case n == 0:
		a.letGo()
		a.m.pool.Discard(&a.claim, metrics.ServerDirty)
		return
	case n <= 3:
		a.exchange(t, n == 3 && a.m.pool.Key.Mode != "session") // there nobody is choosy
		return
	case n == 4:
		if x, ok := a.claim.BeginCancel(); ok {
			a.m.cancels.Go(func() { x.Send(context.Background()) })
		}
	}
	a.letGo()
	a.m.pool.Release(&a.claim)
}

// exchange gives the server up for another.
func (a *actor) exchange(t *loop.Task, asNew bool) {
	a.letGo()
	a.m.count(&a.m.exchanges)
	a.m.pool.Exchange(&a.claim, metrics.ServerDirty, asNew)
	if !a.wait(t) {
		return
	}
	if asNew && !a.claim.Server.AsNew() {
		a.m.t.Error("a server that is not as new")
	}
	a.hold()
	a.letGo()
	a.m.pool.Release(&a.claim)
}

// mustGiveUp reports whether the server was taken away. If its reign is over
// it must be.
func (a *actor) mustGiveUp(t *loop.Task) bool {
	end := t.Loop().Now() + int64(patience)
	for a.claim.Server.epoch < a.epoch() && a.claim.Lost == metrics.None {
		if t.Loop().Now() > end {
			a.m.t.Errorf("a server of epoch %d is not taken away in epoch %d", a.claim.Server.epoch, a.epoch())
			return true
		}
		t.ParkUntil(t.Loop().Now() + int64(time.Second))
	}
	return a.claim.Lost != metrics.None
}

// ask is false when the server is dead or taken away.
func (a *actor) ask(t *loop.Task) bool {
	s := a.claim.Server
	if s.Sock.Write(wire.Append(nil, queryMessage("select 1"))) != nil {
		return false
	}
	var kept []byte
	for a.claim.Lost == metrics.None {
		if a.claim.Events&loop.Readable == 0 {
			s.Sock.Watch(true)
			t.Park()
			continue
		}
		n, err := s.Sock.Read(t.Loop().Scratch())
		if err == loop.ErrNotNow {
			a.claim.Events &^= loop.Readable
			continue
		}
		if err != nil {
			return false
		}
		kept = append(kept, t.Loop().Scratch()[:n]...)
		if _, err, whole := decodeAnswer(kept); whole {
			a.claim.Events &^= loop.Readable
			return err == nil
		}
	}
	return false
}

func (m *model) checkSize() {
	m.pool.mu.Lock()
	defer m.pool.mu.Unlock()
	if n := len(m.pool.servers); n > m.pool.size {
		m.t.Errorf("%d servers, at most %d", n, m.pool.size)
	}
}
