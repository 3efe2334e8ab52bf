package pool

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// newStageWith is newStage within a quota of servers.
func newStageWith(t testing.TB, servers int, host string) *stage {
	t.Helper()
	s := &stage{t: t, cfg: config.Default(), servers: servers, diary: &diary{}}
	s.open(nil, config.Cluster{Name: "main", Discovery: "static", Hosts: []string{host}, TLS: config.ServerTLS{Mode: "disable"}})
	return s
}

// servers is how many are open at one moment, and how many the quota has counted.
func (ps *Pools) servers() (open, used int) {
	for _, p := range ps.all() { // all at once: one that closes here and one that opens there are never both open
		p.mu.Lock()
		defer p.mu.Unlock()
		open += len(p.servers)
	}
	ps.quota.mu.Lock()
	defer ps.quota.mu.Unlock()
	return open, ps.quota.all.used
}

func TestTheServerIdleForLongestMakesRoomForAnotherPools(t *testing.T) {
	s := newStageWith(t, 4, startFake(t).addr)
	var pools []*Pool
	for i := range 3 { // two idle servers each, of which there is room for four in all
		p := s.join(2, 0, "leader", fmt.Sprint("user", i))
		a, b := s.client(p, 0), s.client(p, 1)
		a.get()
		b.get()
		a.release()
		b.release()
		pools = append(pools, p)
		if open, used := s.pools.servers(); open > 4 || used > 4 {
			t.Fatalf("%d servers open, %d counted", open, used)
		}
	}
	for i, want := range []int{0, 2, 2} {
		if idle, _, _ := pools[i].counts(); idle != want {
			t.Errorf("pool %d has %d servers, want %d", i, idle, want)
		}
	}
	if n := s.diary.times(metrics.ServerEvicted.String()); n != 2 {
		t.Errorf("%d servers were evicted, want 2", n)
	}
	wait(t, "balance", pools[0].balanced)
}

func TestAPoolWithMoreServersGivesOneToAPoolWithFewerAlsoWhileItsOwnClientsWait(t *testing.T) {
	s := newStageWith(t, 5, startFake(t).addr)
	rich, poor := s.join(10, 0, "leader", "rich"), s.join(10, 0, "leader", "poor")
	var lent, waiting []*client
	for range 5 {
		c := s.client(rich, 0)
		c.get()
		lent = append(lent, c)
	}
	for range 5 {
		c := s.client(rich, 1)
		c.ask()
		waiting = append(waiting, c)
	}
	first, second, third := s.client(poor, 0), s.client(poor, 0), s.client(poor, 0)
	first.ask()
	poor.awaitBids(t, 1)
	lent[0].release()
	first.wait()
	second.ask()
	third.ask()
	poor.awaitBids(t, 2)
	lent[1].release()
	second.wait()
	lent[2].release() // three against two: it is for its own
	waiting[0].wait()
	lent[3].release()
	waiting[1].wait()
	if !third.withdraw() {
		t.Error("the poor have more than the rich")
	}
	if n := s.diary.times(metrics.ServerEvicted.String()); n != 2 {
		t.Errorf("%d servers were closed for the poor, want 2", n)
	}
}

// awaitBids waits until so many openers of the pool wait for room.
func (p *Pool) awaitBids(t *testing.T, n int) {
	t.Helper()
	wait(t, "bids", func() error {
		q := &p.owner.quota
		q.mu.Lock()
		defer q.mu.Unlock()
		have := 0
		for _, b := range q.bids {
			if b.pool == p {
				have++
			}
		}
		return until(have == n)
	})
}

// With fewer servers than pools, a pool with a single server that is never idle
// gives it up now and then.
func TestPoolsWithOneServerTakeTurns(t *testing.T) {
	t.Parallel()
	s := newStageWith(t, 1, startFake(t).addr)
	a, b := s.join(1, 0, "leader", "a"), s.join(1, 0, "leader", "b")
	busy := []*client{s.client(a, 0), s.client(a, 1)}
	busy[0].get()
	busy[1].ask()
	other := s.client(b, 0)
	other.ask()
	served := false
	wait(t, "a server for the other pool", func() error {
		select {
		case g := <-other.granted:
			served = g.err == nil
		case g := <-busy[1].granted: // it is at the turn, and the other one asks again
			if g.err != nil {
				t.Fatal(g.err)
			}
			busy[0], busy[1] = busy[1], busy[0]
			busy[1].ask()
		default:
			if busy[0].holds() {
				busy[0].release()
			}
		}
		return until(served)
	})
	other.release()
	within(t, "the first pool's turn again", busy[1].granted)
}

func (c *client) holds() (yes bool) {
	c.do(func() { yes = c.claim.Server != nil })
	return yes
}

// Servers that nobody waits for are no reason to close one.
func TestMinimumSizesDoNotEvictEachOther(t *testing.T) {
	f := startFake(t)
	s := newStageWith(t, 2, f.addr)
	a, b := s.join(2, 2, "leader", "a"), s.join(2, 2, "leader", "b")
	for _, p := range []*Pool{a, b} {
		c := s.client(p, 0)
		c.get()
		c.release()
	}
	one, other := s.pools.servers()
	for range 20 {
		a.sweep()
		b.sweep()
	}
	wait(t, "quiet", func() error {
		if err := a.balanced(); err != nil {
			return err
		}
		return b.balanced()
	})
	if open, used := s.pools.servers(); open != one || used != other || used > 2 {
		t.Errorf("%d servers, %d counted; at first %d, %d", open, used, one, other)
	}
	if n := s.diary.times(metrics.ServerEvicted.String()); n > 1 {
		t.Errorf("%d servers were evicted for the first client of the second pool", n)
	}
}

// Whatever clients of many pools do, none waits for ever, and there are never
// too many servers.
func TestTheQuotaHoldsWhateverClientsDo(t *testing.T) {
	const quota, pools, clients, rounds = 5, 8, 3, 40
	s := newStageWith(t, quota, startFake(t).addr)
	var actors sync.WaitGroup
	var all []*Pool
	for i := range pools {
		p := s.join(1+i%3, i%2, "leader", fmt.Sprint("user", i))
		all = append(all, p)
		for k := range clients {
			c, dice := s.client(p, k%2), rand.New(rand.NewPCG(uint64(i), uint64(k)))
			actors.Add(1)
			go func() {
				defer actors.Done()
				c.comeAndGo(dice, rounds)
			}()
		}
	}
	done := make(chan struct{})
	go func() { actors.Wait(); close(done) }()
	for open := true; open; {
		select {
		case <-done:
			open = false
		case <-time.After(time.Millisecond):
		}
		if n, used := s.pools.servers(); n > quota || used > quota {
			t.Errorf("%d servers, %d counted", n, used)
			<-done
			return
		}
	}
	for _, p := range all {
		wait(t, "balance", p.balanced)
	}
}

// comeAndGo acquires and gives back in one way or another.
func (c *client) comeAndGo(dice *rand.Rand, rounds int) {
	for range rounds {
		c.ask()
		if dice.IntN(5) == 0 && c.withdraw() {
			continue
		}
		c.wait()
		if dice.IntN(4) == 0 {
			c.discard(metrics.ServerDirty)
		} else {
			c.release()
		}
	}
}

// Closing takes its time: until then no second server is closed for the same bid.
func TestOneServerIsClosedForOneBid(t *testing.T) {
	s := newStageWith(t, 6, startFake(t).addr)
	rich, poor := s.join(6, 0, "leader", "rich"), s.join(6, 0, "leader", "poor")
	var lent []*client
	for range 6 {
		c := s.client(rich, 0)
		c.get()
		lent = append(lent, c)
	}
	one := s.client(poor, 0)
	one.ask()
	poor.awaitBids(t, 1)
	lent[0].do(func() { // in one turn of the loop, which closes none before the end of it
		for _, c := range lent {
			rich.Release(&c.claim)
		}
	})
	one.wait()
	if n := s.diary.times(metrics.ServerEvicted.String()); n != 1 {
		t.Errorf("%d servers were closed for one", n)
	}
}
