package pool

import (
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// Claim is a client's claim on a server: first a place in the queue, then the
// server it is lent. It belongs to one loop; its fields are read and written
// there only. A Claim is reused for the client's next transaction.
type Claim struct {
	Server *Server        // lent; nil while waiting
	Err    *wire.Error    // the wait ended without a server; the client is to be told and closed
	Events loop.Events    // what the server's socket has become ready for since the Task last looked
	Lost   metrics.Reason // the server must be given up now: EpochMoved
	Since  int64          // loop time at which the wait began

	pool *Pool
	loop *loop.Loop
	task *loop.Task // woken when a field above changes
	left bool       // its client has gone: what still arrives goes back

	// Guarded by the pool's mu while the Claim is queued.
	next, prev *Claim
	queued     bool
	handed     *Server // granted, not yet delivered to the loop
	failed     *wire.Error
	deliver    func() // posted to the loop; made once
}

// Bind prepares the claim for a Task. Call it on the Task's loop.
func (c *Claim) Bind(p *Pool, t *loop.Task) {
	c.loop, c.task = t.Loop(), t
	c.Err, c.Events, c.Lost = nil, 0, metrics.None
	c.pool = p
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
}

func (q *queue) push(c *Claim) {
	c.prev, c.next, c.queued = q.last, nil, true
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
	q.n++
}

// pushFront is for a claim whose server was taken back before it arrived.
func (q *queue) pushFront(c *Claim) {
	c.prev, c.next, c.queued = nil, q.first, true
	if q.first == nil {
		q.last = c
	} else {
		q.first.prev = c
	}
	q.first = c
	q.n++
}

func (q *queue) remove(c *Claim) {
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
	c.next, c.prev, c.queued = nil, nil, false
	q.n--
}

func (q *queue) pop() *Claim {
	c := q.first
	q.remove(c)
	return c
}
