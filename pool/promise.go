package pool

import (
	"slices"
	"time"

	"portero/loop"
	"portero/session"
)

// Citus gives tasks to the connections that are logged in, and tries for more, one at a time,
// while tasks wait ("slow start"). One that is logged in and has no server keeps its tasks
// waiting, though others could do them. So the login of a further connection of one origin
// to one pool is answered when there is a server for it; and that place is kept for it, from
// one transaction to the next, until it has not used it for a moment. Its first connection
// logs in at once.

// logins is who is logged in to the pools of a bank. Guarded by its mu.
type logins struct {
	clients  map[uint64]holding   // by their numbers
	of       map[holding][]uint64 // the same, in the order of their coming: the first has what its origin is owed
	promises map[uint64]promise   // by the numbers of clients
}

// promise is a place that is kept for a client.
type promise struct {
	holding
	until int64 // on the loops' clock
}

const promiseFor = time.Second

func newLogins() logins {
	return logins{make(map[uint64]holding), make(map[holding][]uint64), make(map[uint64]promise)}
}

// isLate reports whether a client is logged in, and not the first of its origin in its pool.
func (l *logins) isLate(client uint64) bool {
	h, in := l.clients[client]
	return in && l.of[h][0] != client
}

func (l *logins) enter(client uint64, h holding) {
	l.clients[client], l.of[h] = h, append(l.of[h], client)
}

// exit has another connection take the place of one that was the first.
func (l *logins) exit(client uint64) (h holding, in bool) {
	if h, in = l.clients[client]; !in {
		return h, false
	}
	delete(l.clients, client)
	others := slices.DeleteFunc(l.of[h], func(o uint64) bool { return o == client })
	if l.of[h] = others; len(others) == 0 {
		delete(l.of, h)
	}
	return h, true
}

// hasPromise reports whether a place is kept for a claim in its pool.
func (a *bank) hasPromise(c *Claim) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.logins.hasPromise(c.Number, holding{c.origin, c.pool.page})
}

func (l *logins) hasPromise(client uint64, h holding) bool {
	pr, has := l.promises[client]
	return has && pr.holding == h
}

// Enters counts in a client that logs in to a pool between Citus' nodes, by its number and
// settings. True: its origin has another connection to the pool, and somebody is at work
// between nodes, so that the login has to have a server: see Promise. It is counted out by
// Exits. Any goroutine.
func (p *Pool) Enters(client uint64, s session.Settings) (waits bool) {
	a := p.bank
	if a == nil {
		return false
	}
	h := holding{originOf(s, client), p.page}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.logins.enter(client, h)
	a.ledger.pools[h.pool].clients++
	return a.logins.isLate(client) && (len(a.ledger.inside) > 0 || a.newcomers.first() != nil)
}

// Exits is told that a client has left the pool, whether it has entered or not.
func (p *Pool) Exits(client uint64) {
	a := p.bank
	if a == nil {
		return
	}
	a.mu.Lock()
	awaited := a.exitLocked(client)
	a.mu.Unlock()
	if awaited {
		a.nudge()
	}
}

// exitLocked reports whether somebody may have waited for what the client had.
func (a *bank) exitLocked(client uint64) (awaited bool) {
	if h, in := a.logins.exit(client); in {
		page := &a.ledger.pools[h.pool]
		if page.clients--; page.clients == 0 {
			awaited = a.barred
		}
	}
	return a.breakLocked(client) || awaited
}

// Promise gives the claim's server back, which was lent for a login, and keeps its place for
// the client. On c's loop.
func (p *Pool) Promise(c *Claim) {
	if c.counted == countedLogin {
		p.bank.mu.Lock()
		p.bank.ledger.pools[p.page].extras--
		awaited := p.bank.promiseLocked(c.Number, holding{c.origin, p.page})
		p.bank.mu.Unlock()
		if c.counted = notCounted; awaited {
			p.bank.nudgeSoon(c.loop)
		}
	}
	p.Release(c)
}

// promiseLocked keeps a place for a client, in the stead of any that was kept for it as
// another origin's, and reports whether somebody may have waited for that one.
func (a *bank) promiseLocked(client uint64, h holding) (awaited bool) {
	awaited = a.breakLocked(client)
	a.ledger.pools[h.pool].extras++
	a.logins.promises[client] = promise{h, loop.Clock() + int64(promiseFor)}
	return awaited
}

// hasPlaceLocked is ledger.admits. Where there is no place, promises to those who are idle give
// way: they hold nothing, and wait for nothing, so that nobody waits for them.
func (a *bank) hasPlaceLocked(h holding, extra, promised bool) bool {
	for !a.ledger.admits(h, extra, promised) {
		idle, is := a.idlestLocked(h, extra && !promised)
		if !is {
			return false
		}
		a.barred = a.breakLocked(idle) || a.barred
	}
	return true
}

// idlestLocked is the client with the oldest promise of those whose origins are idle, and
// whose place would help.
func (a *bank) idlestLocked(h holding, more bool) (client uint64, is bool) {
	for one, pr := range a.logins.promises {
		if pr.who == h.who || a.ledger.inside[pr.who] > 0 || len(a.newcomers.of[pr.who]) > 0 || !a.ledger.lacks(h, more, pr.pool) {
			continue
		}
		if !is || pr.until < a.logins.promises[client].until {
			client, is = one, true
		}
	}
	return client, is
}

// breakLocked ends the promise to a client, if there is one, and reports whether somebody
// may have waited for that.
func (a *bank) breakLocked(client uint64) (awaited bool) {
	pr, has := a.logins.promises[client]
	if !has {
		return false
	}
	delete(a.logins.promises, client)
	a.ledger.pools[pr.pool].extras--
	awaited, a.barred = a.barred, false
	return awaited
}

// expire ends promises whose time is over, and looks for those who may have a server now.
func (a *bank) expire() {
	now := loop.Clock()
	a.mu.Lock()
	for client, pr := range a.logins.promises {
		if now > pr.until {
			a.barred = a.breakLocked(client) || a.barred
		}
	}
	for i, p := range a.pools {
		if p != nil {
			a.ledger.pools[i].places = p.mayHold() // a reload may have changed them
		}
	}
	awaited := a.barred
	a.barred = false
	a.mu.Unlock()
	if awaited {
		a.nudge()
	}
}
