package pool

import (
	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// Claim is a client's claim on a server: first a place in the queue, then the
// server it is lent. It belongs to one loop; its fields are read and written
// there only. A Claim is reused for the client's next transaction.
type Claim struct {
	Server   *Server          // lent; nil while waiting
	Err      *wire.Error      // the wait ended without a server; the client is to be told and closed
	Events   loop.Events      // what the server's socket has become ready for since the Task last looked
	Lost     metrics.Reason   // the server must be given up now: EpochMoved, LeaderUnconfirmed
	Since    int64            // loop time at which the wait began
	Startup  Startup          // what the server must have been opened with
	Settings session.Settings // what the client has set: of idle servers one that has the same is preferred
	Refused  []byte           // with Err: it is the server's refusal of Startup, and so that came
	Brief    bool             // what it asks only reads, and is run again if the leader stops at it: an announced switchover does not hold it
	Roams    *Spread          // its client may be served elsewhere too: it does not stay in the queue of a group that cannot serve; nil: it stays
	Strayed  bool             // so it has left the queue: its client is to look for another pool, where it comes as early as here, and to forget this
	Settles  bool             // what it asks only ends transactions: it goes before all others, see session.Settles
	Login    bool             // it is for a login that is answered once there is a server; see Promise
	Standing bool             // with Err: it was given up so that others can go on; the client stays
	Number   uint64           // the client's, for those who look at servers
	Client   *loop.Socket     // the client's; broken off if its peer falls silent while a server is lent to it; nil = never

	pool *Pool
	loop *loop.Loop
	task *loop.Task // woken when a field above changes
	left bool       // its client has gone: what still arrives goes back

	clientSilence loop.Silence

	// Resting tells whether nothing runs on the server that is lent, in a transaction, and
	// when the client last began something. For pools between nodes; on c's loop.
	Resting func() (since int64, rests bool)
	counted counted // of what admitsLocked has counted for it

	// Guarded by the pool's mu while the Claim is queued.
	next, prev *Claim
	ticket     uint64 // its turn; the queue is sorted by it
	queued     bool
	origin     origin  // for whom it asks; in pools with a bank
	extra      bool    // what it was lent is more than its origin is owed
	barred     bool    // it was kept from a server that was there
	aside      bool    // it is among those who wait aside
	listing    listing // in which list of the bank it is; guarded by that one's mu
	turn       uint64  // in that of those who come in; likewise
	asNew      bool    // only a server that is as new will do
	after      int64   // ... and was opened after that, on the loops' clock
	handed     *Server // granted, not yet delivered to the loop
	failed     *wire.Error
	astray     bool   // it has left the queue, which is not delivered yet
	standing   bool   // as Standing
	arrived    int64  // when it came; it keeps that where it strays to
	failedBy   []byte // as Refused
	deliver    func() // posted to the loop; made once

	lined         *roamers // in which it is, guarded by the same as its place in a queue
	ahead, behind *Claim
}

// Pool is where the claim waits, or has its server from: who roams may have come from the queue of
// one pool to a server of another. On c's loop.
func (c *Claim) Pool() *Pool { return c.pool }

// Bind prepares the claim for a Task. Call it on the Task's loop, which must be
// the same each time. What the claim is for stays, as it goes from pool to pool.
func (c *Claim) Bind(p *Pool, t *loop.Task) {
	if c.loop != t.Loop() {
		c.loop = t.Loop() // for good: others read it without a lock
	}
	c.task, c.pool, c.Standing = t, p, false
	c.Err, c.Refused, c.Events, c.Lost = nil, nil, 0, metrics.None
	if c.deliver == nil {
		c.deliver = c.delivered
	}
}

// Abandon gives up the claim in whatever state it is; it must not be used
// again. A server that it holds is closed. On c's loop.
func (p *Pool) Abandon(c *Claim, why metrics.Reason) {
	c.left = true
	if c.Server != nil {
		p.Discard(c, why)
		return
	}
	p.Withdraw(c)
}

// queue is the FIFO of waiting claims. Guarded by the pool's mu.
type queue struct {
	first, last *Claim
	n           int
	tickets     uint64 // given out so far
	drained     uint64 // how often the last has left
}

// enroll gives a claim the last turn of those of its kind.
func (q *queue) enroll(c *Claim) {
	q.tickets++
	if c.ticket = q.tickets; !c.Settles {
		c.ticket += behindAll
	}
}

func (q *queue) push(c *Claim) {
	if q.enroll(c); c.Settles {
		q.putBack(c)
		return
	}
	q.insertBefore(c, nil)
}

// behindAll is above the tickets of those who only settle.
const behindAll = 1 << 62

// putBack gives a claim whose server never reached it its old place again.
func (q *queue) putBack(c *Claim) {
	if q.last != nil && q.last.ticket < c.ticket {
		q.insertBefore(c, nil)
		return
	}
	at := q.first
	for at != nil && at.ticket < c.ticket {
		at = at.next
	}
	q.insertBefore(c, at)
}

// insertBefore puts c before at; nil means the end.
func (q *queue) insertBefore(c, at *Claim) {
	c.next, c.prev, c.queued = at, q.last, true
	if at != nil {
		c.prev, at.prev = at.prev, c
	} else {
		q.last = c
	}
	if c.prev != nil {
		c.prev.next = c
	} else {
		q.first = c
	}
	q.n++
	if c.Roams != nil && !c.asNew {
		c.Roams.line.enter(c)
	}
}

func (q *queue) remove(c *Claim) {
	if c.lined != nil {
		c.lined.leave(c)
	}
	if c.prev == nil {
		q.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.next, c.prev, c.queued, c.aside = nil, nil, false, false
	if q.n--; q.n == 0 {
		q.drained++
	}
}
