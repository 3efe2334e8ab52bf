package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// counter is a bank as its pools use it, with servers that are only counted. What the loops
// would do at a nudge is done at once.
type counter struct {
	t      *testing.T
	bank   *bank
	pools  []*Pool
	idle   []int
	lacks  []bool     // the pool can give nothing: it is held, and its idle servers are of no use
	queues [][]*Claim // those whom it looks at itself
	aside  [][]*Claim // those whom the bank is to call
	lent   []*Claim
	again  bool
}

// newCounter is over pools with so many places.
func newCounter(t *testing.T, places ...int) *counter {
	m := &counter{t: t, bank: newBank(), lacks: make([]bool, len(places)), queues: make([][]*Claim, len(places)), aside: make([][]*Claim, len(places))}
	for _, n := range places {
		p := &Pool{bank: m.bank}
		p.agreed.Store(&Terms{Size: n})
		m.bank.enter(p)
		m.bank.ledger.pools[p.page].clients = 1
		m.pools, m.idle = append(m.pools, p), append(m.idle, n)
	}
	return m
}

// ask has an origin's client want a server of a pool.
func (m *counter) ask(who origin, client uint64, pool int, login bool) *Claim {
	c := &Claim{origin: who, Number: client, Login: login, pool: m.pools[pool]}
	m.queues[pool] = append(m.queues[pool], c)
	m.serve(pool)
	m.settle()
	return c
}

// serve is Pool.serveLocked.
func (m *counter) serve(pool int) {
	for _, c := range slices.Clone(m.queues[pool]) {
		m.hands(pool, c)
	}
	for more := true; more; {
		more = false
		for _, c := range m.bank.called(m.pools[pool], nil) {
			more = slices.Contains(m.aside[pool], c) && m.hands(pool, c) || more
		}
	}
}

// hands is Pool.handsLocked.
func (m *counter) hands(pool int, c *Claim) bool {
	if m.idle[pool] == 0 || m.lacks[pool] {
		return false
	}
	as, outside, stirs := m.bank.admit(c.pool, c)
	m.again = m.again || stirs
	switch {
	case as != notCounted:
		m.forget(c)
		c.counted = as
		m.idle[pool]--
		m.lent = append(m.lent, c)
	case outside != slices.Contains(m.aside[pool], c):
		m.forget(c)
		to := &m.queues[pool]
		if outside {
			to = &m.aside[pool]
		}
		*to = append(*to, c)
	}
	return as != notCounted
}

// forget takes a claim out of where it waits.
func (m *counter) forget(c *Claim) {
	for _, q := range [][][]*Claim{m.queues, m.aside} {
		q[c.pool.page] = slices.DeleteFunc(q[c.pool.page], func(o *Claim) bool { return o == c })
	}
}

// waiting are all who wait for a pool.
func (m *counter) waiting(pool int) []*Claim { return slices.Concat(m.queues[pool], m.aside[pool]) }

// settle nudges until nobody asks for it any more.
func (m *counter) settle() {
	for n := 0; m.again; n++ {
		if n == 100 {
			m.t.Fatal("the pools are looked through again and again")
		}
		m.again = false
		for _, p := range m.bank.poolsNow() {
			m.serve(p.page)
			lacks := m.lacks[p.page] || m.idle[p.page] == 0
			_, was := m.bank.passOver(p, supply{none: lacks, empty: m.lacks[p.page]}, func(*Claim) bool { return lacks })
			m.again = m.again || was
		}
	}
}

// giveBack is Release, or Promise for a login.
func (m *counter) giveBack(c *Claim) {
	m.lent = slices.DeleteFunc(m.lent, func(o *Claim) bool { return o == c })
	if c.counted == countedLogin {
		m.bank.mu.Lock()
		m.bank.ledger.pools[c.pool.page].extras--
		m.again = m.bank.promiseLocked(c.Number, holding{c.origin, c.pool.page}) || m.again
		m.bank.mu.Unlock()
	} else {
		m.again = m.bank.giveBack(c.pool, c) || m.again
	}
	c.counted = notCounted
	m.idle[c.pool.page]++
	m.serve(c.pool.page)
	m.settle()
}

func (m *counter) withdraw(c *Claim) {
	m.forget(c)
	m.again = m.bank.leaveQueue(c) || m.again
	m.settle()
}

// lack has a pool be held, or serve again.
func (m *counter) lack(pool int, held bool) {
	m.lacks[pool] = held
	m.serve(pool)
	m.again = true // once a second
	m.settle()
}

// breakPromises has the time of all promises be over.
func (m *counter) breakPromises() {
	for client := range m.bank.logins.promises {
		m.bank.breakLocked(client)
	}
	m.again = true
	m.settle()
}

// check looks whether anybody waits for nothing.
func (m *counter) check(seed uint64) {
	m.t.Helper()
	a := m.bank
	for i := range m.pools {
		extras := 0
		for _, pr := range a.logins.promises {
			if pr.pool == i {
				extras++
			}
		}
		for _, c := range m.lent {
			if c.pool.page == i && c.counted != countedFirst {
				extras++
			}
		}
		if extras != a.ledger.pools[i].extras {
			m.t.Fatalf("seed %d: pool %d has %d extras, and counts %d", seed, i, extras, a.ledger.pools[i].extras)
		}
		if m.idle[i] == 0 || m.lacks[i] {
			continue
		}
		for _, c := range m.waiting(i) {
			h := holding{c.origin, i}
			switch inside := a.ledger.inside[c.origin] > 0; {
			case c.Login:
			case inside && a.ledger.firsts[h] == 0:
				m.t.Fatalf("seed %d: %d is owed a server of pool %d, which is there, and waits", seed, c.origin, i)
			case len(m.lent)+len(a.logins.promises) == 0:
				m.t.Fatalf("seed %d: nobody holds anything, and %d waits for pool %d", seed, c.origin, i)
			case !inside && c.listing == comesNew && a.newcomers.first() == c && len(a.craving) == 0 && a.ledger.admits(h, false, false):
				m.t.Fatalf("seed %d: %d is the first to come in, has a place in pool %d, and waits", seed, c.origin, i)
			}
		}
	}
	for _, c := range a.craving {
		if a.ledger.inside[c.origin] == 0 {
			m.t.Fatalf("seed %d: %d craves, and holds nothing", seed, c.origin)
		}
	}
}

// end gives everything back, and has everybody who waits be served in turn.
func (m *counter) end(seed uint64) {
	for i := range m.pools {
		m.lack(i, false)
	}
	for a := m.bank; len(m.lent)+len(a.logins.promises) > 0; m.breakPromises() {
		for len(m.lent) > 0 {
			m.giveBack(m.lent[0])
			m.check(seed)
		}
	}
	a := m.bank
	for i := range m.pools {
		q := m.waiting(i)
		q = slices.DeleteFunc(q, func(c *Claim) bool { return c.Login }) // in a pool of one there is no place for it
		if len(q) > 0 || a.ledger.pools[i].extras != 0 {
			m.t.Fatalf("seed %d: all is given back; pool %d has %d who wait, and %d extras", seed, i, len(q), a.ledger.pools[i].extras)
		}
	}
	if len(a.newcomers.of)+len(a.craving)+len(a.ledger.inside)+len(a.ledger.firsts) > 0 {
		m.t.Fatalf("seed %d: all is given back, and this is left: %+v", seed, a)
	}
}

// TestNobodyWaitsAtTheBankForWhatIsThere has origins ask, hold, give back, give up and change
// their names at random, over pools that come and go.
func TestNobodyWaitsAtTheBankForWhatIsThere(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		m := newCounter(t, 1+r.IntN(4), 1+r.IntN(4), 2+r.IntN(5))
		for range 300 {
			pool := r.IntN(len(m.pools))
			switch k := r.IntN(20); {
			case k < 8:
				client := uint64(1 + r.IntN(30)) // of an origin that it may change
				who := origin(1 + (client+uint64(r.IntN(2)))%8)
				if r.IntN(3) == 0 {
					m.bank.logins.exit(client)
					m.bank.logins.enter(client+1000, holding{who, pool}) // before it
					m.bank.logins.enter(client, holding{who, pool})
				}
				m.ask(who, client, pool, r.IntN(6) == 0)
			case k < 15 && len(m.lent) > 0:
				m.giveBack(m.lent[r.IntN(len(m.lent))])
			case k < 17 && len(m.waiting(pool)) > 0:
				m.withdraw(m.waiting(pool)[r.IntN(len(m.waiting(pool)))])
			case k == 17:
				m.lack(pool, !m.lacks[pool])
			case k == 18:
				m.breakPromises()
			}
			m.check(seed)
		}
		m.end(seed)
	}
}

func TestWhoCravesAndHasGivenAllBackBarsNobody(t *testing.T) {
	m := newCounter(t, 2, 3)
	first := m.ask(1, 11, 0, false)
	other := m.ask(2, 21, 1, false)
	further := m.ask(1, 12, 0, false)
	if further.listing != craves {
		t.Fatal("a further connection has the place that another origin is owed")
	}
	m.giveBack(first)
	if further.counted != countedFirst {
		t.Error("it waits for its own place")
	}
	m.giveBack(other)
	if m.ask(3, 31, 0, false).counted != countedFirst {
		t.Error("a newcomer is kept out")
	}
}

func TestWhoCravesWhatIsNotThereBarsNobody(t *testing.T) {
	m := newCounter(t, 2, 4)
	m.ask(1, 11, 0, false)
	m.ask(1, 12, 1, false)
	m.idle[0]++ // one of the two is left to nobody who comes in
	m.bank.ledger.pools[0].extras++
	m.ask(1, 13, 0, false)
	newcomer := m.ask(2, 21, 1, false)
	m.bank.ledger.pools[0].extras--
	if newcomer.counted != notCounted || len(m.bank.craving) != 1 {
		t.Fatal("nobody is kept waiting")
	}
	m.lack(0, true)
	if newcomer.counted != countedFirst {
		t.Error("a newcomer waits behind one whose pool is held")
	}
}

// Origins that have further connections, which are logged in and do nothing, keep nobody out.
func TestPromisesToThoseWhoAreIdleGiveWay(t *testing.T) {
	for what, login := range map[string]bool{"a login": true, "a transaction": false} {
		m := newCounter(t, 4, 2)
		for who := range 4 {
			m.giveBack(m.ask(origin(10+who), uint64(10+who), 0, true))
		}
		if n := m.bank.ledger.pools[0].extras; n != 3 { // the last one's is one of theirs
			t.Fatalf("%d places are kept", n)
		}
		if login {
			m.ask(1, 100, 1, false) // somebody is at work
		}
		if c := m.ask(1, 101, 0, login); c.counted == notCounted {
			t.Errorf("%s waits for places of those who are idle", what)
		}
	}
}

func TestAPromiseToOneWhoIsAtWorkIsKept(t *testing.T) {
	m := newCounter(t, 3, 3)
	m.ask(1, 10, 1, false)
	m.giveBack(m.ask(1, 11, 0, true))
	m.ask(2, 20, 1, false)
	if c := m.ask(3, 30, 0, false); c.counted != notCounted {
		t.Error("another has come in, and taken the place")
	}
	if !m.bank.logins.hasPromise(11, holding{1, 0}) {
		t.Error("it is broken")
	}
}

func TestAPoolThatNobodyIsLoggedInToKeepsNobodyOut(t *testing.T) {
	m := newCounter(t, 3, 1)
	m.ask(1, 11, 0, false)
	if second := m.ask(2, 21, 0, false); second.counted != notCounted {
		t.Fatal("the smaller pool does not count")
	}
	m.bank.ledger.pools[1].clients = 0
	m.ask(3, 31, 0, false)
	if len(m.lent) != 3 || m.lent[1].origin != 2 {
		t.Errorf("%d are let in, not all three in their order", len(m.lent))
	}
}

func TestAClientsNewPromiseEndsTheOldOne(t *testing.T) {
	m := newCounter(t, 4)
	for who := origin(1); who <= 2; who++ {
		m.giveBack(m.ask(who, 11, 0, true))
	}
	if n := m.bank.ledger.pools[0].extras; n != 1 {
		t.Errorf("%d places are kept for one client", n)
	}
}

func TestOneWhoGivesUpWakesThoseBehindHim(t *testing.T) {
	m := newCounter(t, 1, 3)
	m.ask(1, 11, 1, false)
	first := m.ask(2, 21, 0, false)
	if behind := m.ask(3, 31, 1, false); behind.counted != notCounted || first.counted != notCounted {
		t.Fatal("two are inside of a pool of one")
	}
	if !m.bank.leaveQueue(first) || m.bank.leaveQueue(first) {
		t.Error("others are not looked at")
	}
}

func TestAPageIsGivenOutAgainOnceNothingIsLeftOnIt(t *testing.T) {
	m := newCounter(t, 2, 2)
	c := m.ask(1, 11, 0, false)
	m.bank.ledger.pools[0].clients = 0
	if m.bank.depart(m.pools[0]) {
		t.Error("there is another pool")
	}
	for range 2 {
		p := &Pool{bank: m.bank}
		p.agreed.Store(&Terms{Size: 2})
		if m.bank.enter(p); p.page == 0 != (c.counted == notCounted) {
			t.Errorf("page %d", p.page)
		}
		m.giveBack(c)
	}
}
