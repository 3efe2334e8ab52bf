package pool

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/wire"
)

// joinOn is join with terms of the test's own.
func (s *stage) joinOn(database, user string, t Terms) *Pool {
	s.t.Helper()
	p, err := s.pools.Join(keyOf("leader", database, user), t, auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// bounded is the terms of a pool within bounds.
func bounded(size, ofDatabase, ofUser int) Terms {
	t := terms(size, 0)
	t.MaxDatabase, t.MaxUser = ofDatabase, ofUser
	return t
}

// overBounds says which bound of its pools is broken at this moment.
func (ps *Pools) overBounds() error {
	databases, users := make(map[string]int), make(map[string]int)
	all := ps.all()
	for _, p := range all { // all at once, as in servers
		p.mu.Lock()
		defer p.mu.Unlock()
		databases[p.Key.Database] += len(p.servers)
		users[p.Key.User] += len(p.servers)
	}
	ps.quota.mu.Lock()
	defer ps.quota.mu.Unlock()
	for _, p := range all {
		for i, most := range [...]int{ofDatabase: p.terms().MaxDatabase, ofUser: p.terms().MaxUser} {
			if most > 0 && p.bounds[i].used > most {
				return fmt.Errorf("%s by %s: %d are counted of at most %d", p.Key.Database, p.Key.User, p.bounds[i].used, most)
			}
		}
		if n := databases[p.Key.Database]; p.terms().MaxDatabase > 0 && n > p.terms().MaxDatabase {
			return fmt.Errorf("%d servers of %s, at most %d", n, p.Key.Database, p.terms().MaxDatabase)
		}
		if n := users[p.Key.User]; p.terms().MaxUser > 0 && n > p.terms().MaxUser {
			return fmt.Errorf("%d servers of %s, at most %d", n, p.Key.User, p.terms().MaxUser)
		}
	}
	return nil
}

// Whatever clients of many pools do, none waits for ever, and no bound is broken.
func TestBoundsHoldWhateverClientsDo(t *testing.T) {
	for _, c := range []struct{ quota, ofDatabase, ofUser int }{{plenty, 3, 0}, {plenty, 0, 2}, {5, 3, 2}, {plenty, 1, 1}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			s := newStageWith(t, c.quota, startFake(t).addr)
			var actors sync.WaitGroup
			var all []*Pool
			for i := range 6 {
				p := s.joinOn(fmt.Sprint("database", i%2), fmt.Sprint("user", i%3), bounded(1+i%3, c.ofDatabase, c.ofUser))
				all = append(all, p)
				for k := range 3 {
					one, dice := s.client(p, k%2), rand.New(rand.NewPCG(uint64(i), uint64(k)))
					actors.Add(1)
					go func() {
						defer actors.Done()
						one.comeAndGo(dice, 15)
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
				if err := s.pools.overBounds(); err != nil {
					t.Error(err)
					<-done
					return
				}
			}
			for _, p := range all {
				wait(t, "balance", p.balanced)
			}
			wait(t, "books that agree", s.pools.booksAgree)
		})
	}
}

// booksAgree is an error as long as a bound counts other servers than there are.
func (ps *Pools) booksAgree() error {
	all := ps.all()
	have := make(map[*bound]int)
	for _, p := range all {
		p.mu.Lock()
		for _, b := range p.bounds {
			have[b] += len(p.servers)
		}
		p.mu.Unlock()
	}
	ps.quota.mu.Lock()
	defer ps.quota.mu.Unlock()
	for b, n := range have {
		if b.used != n || b.closing != 0 {
			return fmt.Errorf("%d are counted, %d of them closing, and there are %d", b.used, b.closing, n)
		}
	}
	return nil
}

// A server that another bound stands in the way of is none to close: it would be for nothing.
func TestOnlyWhatMakesRoomIsEvicted(t *testing.T) {
	s := newStageWith(t, plenty, startFake(t).addr)
	same, other := s.joinOn("a", "x", bounded(2, 2, 0)), s.joinOn("b", "y", bounded(2, 2, 0))
	var all []*client
	for _, p := range []*Pool{other, other, same, same} {
		c := s.client(p, 0)
		c.get()
		all = append(all, c)
	}
	all[0].release()
	all[1].release()
	third := s.joinOn("a", "z", bounded(1, 2, 0))
	c := s.client(third, 0)
	c.ask()
	third.awaitBids(t, 1)
	wait(t, "a look for room", func() error { return until(s.diary.times("no room for another server") > 0) })
	if !c.withdraw() {
		t.Error("there was room")
	}
	wait(t, "balance", third.balanced)
	if n := s.diary.times(metrics.ServerEvicted.String()); n != 0 {
		t.Errorf("%d servers were evicted", n)
	}
}

func TestTheServerOfTheDatabaseThatIsIdleForLongestMakesRoom(t *testing.T) {
	s := newStageWith(t, plenty, startFake(t).addr)
	var idle []*Pool
	for _, k := range [][2]string{{"other", "x"}, {"this", "x"}, {"this", "y"}} {
		p := s.joinOn(k[0], k[1], bounded(1, 2, 0))
		c := s.client(p, 0)
		c.get()
		c.release()
		idle = append(idle, p)
	}
	c := s.client(s.joinOn("this", "z", bounded(1, 2, 0)), 0)
	c.get()
	for i, want := range []int{1, 0, 1} {
		if n, _, _ := idle[i].counts(); n != want {
			t.Errorf("pool %d has %d servers, want %d", i, n, want)
		}
	}
	c.release()
}

// Clients name databases and users as they like.
func TestBoundsOfPoolsThatAreGoneAreForgotten(t *testing.T) {
	f := startFake(t)
	s := newStageWith(t, plenty, f.addr)
	f.set(func() { f.refusal = wire.Fatal(wire.InvalidPassword, "no") })
	for i := range 3 {
		p := s.joinOn(fmt.Sprint("database", i), fmt.Sprint("user", i), bounded(1, 1, 1))
		c := s.client(p, 0)
		c.ask()
		if g := within(t, "a refusal", c.granted); g.err == nil {
			t.Fatal("it was let in")
		}
		p.Leave()
	}
	wait(t, "nothing", func() error {
		s.pools.quota.mu.Lock()
		defer s.pools.quota.mu.Unlock()
		return until(len(s.pools.quota.bounds) == 0)
	})
}

func TestAKeptPoolHasItsMinimumAsLongAsItIsKept(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerIdleTimeout = 10 * time.Millisecond }, f.addr)
	key := keyOf("leader", "postgres", "app")
	f.set(func() { f.refusal = wire.Fatal(wire.InvalidPassword, "no") })
	s.pools.Keep(key, terms(3, 2), noSecret)
	wait(t, "a refusal", func() error { return until(s.diary.times("server login failed") > 0) })
	f.set(func() { f.refusal = nil })
	idle := 0
	wait(t, "two servers", func() error {
		s.pools.Keep(key, terms(3, 2), noSecret) // as the proxy does, once a second
		for _, p := range s.pools.all() {
			idle, _, _ = p.counts()
		}
		return until(idle == 2)
	})
	p := s.pools.all()[0]
	p.sweep()
	if n, _, opening := p.counts(); n+opening != 2 {
		t.Errorf("%d servers", n)
	}
}

func TestAServerThatRefusesConnectQueryIsNotLentAndNotDoubted(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	on := terms(1, 0)
	on.ConnectQuery = "refuse"
	f.set(func() { f.refuses = "refuse" })
	p := s.joinOn("postgres", "app", on)
	c := s.client(p, 0)
	c.ask()
	wait(t, "a failure", func() error { return until(s.diary.times("connect_query failed") > 0) })
	if words := p.Trouble(0); words != errConnectQuery.Error() {
		t.Errorf("who waits is told %q", words)
	}
	if n := p.Metrics().Totals().Errors[metrics.ConnectQuery]; n == 0 {
		t.Error("it was not counted")
	}
	f.set(func() { f.refuses = "" })
	c.wait()
	c.release()
}
