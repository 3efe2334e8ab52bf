package pool

import (
	"time"

	"portero/loop"
	"portero/session"
)

// Citus gives tasks to the connections that are logged in, and tries for more, one at a time,
// while tasks wait ("slow start"). One that is logged in and has no server keeps its tasks
// waiting, though others could do them. So the login of a second connection of one origin
// to one pool is answered when there is a server for it; and that place is kept for what it
// is logged in for, for a moment. Its first connection logs in at once.

// promise is a place that is kept for a client which has just logged in.
type promise struct {
	holding
	until int64 // on the loops' clock
}

const promiseFor = time.Second

// Enters counts in a client that logs in to a pool between Citus' nodes, by its number and
// settings. True: its origin has another connection to the pool, so that the login has to
// have a server: see Promise. It is counted out by Exits. Any goroutine.
func (p *Pool) Enters(client uint64, s session.Settings) (another bool) {
	a := p.bank
	if a == nil {
		return false
	}
	h := holding{originOf(s, client), p.page}
	a.mu.Lock()
	defer a.mu.Unlock()
	another = a.logins[h] > 0
	a.clients[client] = h
	a.logins[h]++
	return another
}

// Exits is told that a client has left the pool, whether it has entered or not.
func (p *Pool) Exits(client uint64) {
	a := p.bank
	if a == nil {
		return
	}
	a.mu.Lock()
	if h, in := a.clients[client]; in {
		delete(a.clients, client)
		if a.logins[h]--; a.logins[h] == 0 {
			delete(a.logins, h)
		}
	}
	awaited := a.breakLocked(client)
	a.mu.Unlock()
	if awaited {
		a.nudge()
	}
}

// Promise gives the claim's server back, which was lent for a login, and keeps its place for
// the client's first transaction. On c's loop.
func (p *Pool) Promise(c *Claim) {
	if a := p.bank; a != nil && c.counted == countedIn {
		a.mu.Lock()
		a.promises[c.Number] = promise{holding{c.origin, p.page}, loop.Clock() + int64(promiseFor)}
		a.mu.Unlock()
		c.counted = notCounted // the place stays taken
	}
	p.Release(c)
}

// redeemLocked reports whether a claim has been promised what it wants: it is counted
// in then.
func (a *bank) redeemLocked(c *Claim) bool {
	pr, has := a.promises[c.Number]
	if !has || pr.who != c.origin || pr.pool != c.pool.page {
		return false
	}
	delete(a.promises, c.Number)
	return true
}

// breakLocked ends the promise to a client, if there is one, and reports whether somebody
// may have waited for that.
func (a *bank) breakLocked(client uint64) (awaited bool) {
	pr, has := a.promises[client]
	if !has {
		return false
	}
	delete(a.promises, client)
	a.ledger.giveBack(pr.who, pr.pool)
	awaited, a.barred = a.barred, false
	return awaited
}

// expire ends promises whose time is over, and looks for those who may have a server now.
func (a *bank) expire() {
	now := loop.Clock()
	a.mu.Lock()
	for client, pr := range a.promises {
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
