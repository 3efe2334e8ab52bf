package pool

import (
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
	clients  map[uint64]login   // by their numbers
	first    map[holding]uint64 // the client that has what its origin is owed
	promises map[uint64]promise // by the numbers of clients
}

type login struct {
	holding
	late bool // it is not the first
}

// promise is a place that is kept for a client.
type promise struct {
	holding
	until int64 // on the loops' clock
}

const promiseFor = time.Second

func newLogins() logins {
	return logins{make(map[uint64]login), make(map[holding]uint64), make(map[uint64]promise)}
}

func (l *logins) isLate(client uint64) bool { return l.clients[client].late }

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
	first, late := a.logins.first[h]
	if late = late && first != client; !late {
		a.logins.first[h] = client
	}
	a.logins.clients[client] = login{h, late}
	return late && len(a.ledger.inside)+len(a.newcomers) > 0
}

// Exits is told that a client has left the pool, whether it has entered or not.
func (p *Pool) Exits(client uint64) {
	a := p.bank
	if a == nil {
		return
	}
	a.mu.Lock()
	a.logins.exit(client)
	awaited := a.breakLocked(client)
	a.mu.Unlock()
	if awaited {
		a.nudge()
	}
}

// exit has another connection take the place of one that was the first.
func (l *logins) exit(client uint64) {
	of, in := l.clients[client]
	delete(l.clients, client)
	if !in || of.late {
		return
	}
	delete(l.first, of.holding)
	for other, its := range l.clients {
		if its.holding == of.holding {
			l.first[of.holding], l.clients[other] = other, login{its.holding, false}
			return
		}
	}
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
