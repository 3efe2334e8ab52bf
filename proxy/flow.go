package proxy

import (
	"time"

	"portero/loop"
	"portero/metrics"
)

// A server sends a long answer in pieces of 8 kB. To be woken for each, and to wake the client for
// each, costs more than to carry them. So of an answer that is long already, and of which more
// comes all the time, the next bytes are waited for until they fill a read: the kernel wakes us
// then. What is less is read after a millisecond: so late, at the most, comes the end.

const (
	// wideFrom is how many bytes an answer has had, 20 ms of it at the least, from which on it is waited for.
	wideFrom = 8 << 20
	// wideRead is how many bytes are waited for: room is left for a frame that is not whole.
	wideRead = loop.ScratchSize - 8<<10
	// wideWait is how long: epoll counts in milliseconds, and this is one.
	wideWait = int64(900 * time.Microsecond)
)

// flow is what is known of the answer that a server sends. While it is wide, claim.Events has Readable
// outside of awaitMore, so that no end is missed.
type flow struct {
	seen int  // bytes of rows, or of pieces of a COPY, since it sent anything else
	wide bool // its socket is readable only from wideRead bytes on
}

// flows is told what one read of the server's bytes has had, if one of them was a flow.
func (r *relay) flows(n, frames, alike int) {
	if alike == 0 || frames > 1 || r.out.passing > 0 { // the first is looked at in each read
		r.thins()
		r.flow.seen = 0
		return
	}
	r.flow.seen += n
	if !r.flow.wide && (r.flow.seen < wideFrom || r.claim.Server.Sock.IsTLS()) {
		return
	}
	if !r.flow.wide {
		r.flow.wide = true
		r.claim.Server.Sock.ReadableFrom(wideRead)
	}
	r.claim.Events |= loop.Readable
	r.spend(perTurn) // the next read is not in this turn
}

// thins ends that a flow is waited for.
func (r *relay) thins() {
	if r.flow.wide {
		r.flow.wide = false
		r.claim.Server.Sock.ReadableFrom(1)
	}
}

// awaitMore lets others come first, and returns when the flow fills a read, when it is time to read
// what there is, or when anything else has happened. It looks after what park does, as far as that
// can be while a server answers a client that takes it.
func (r *relay) awaitMore() metrics.Reason {
	if r.c.sock.Pending() > 0 {
		r.task.Yield()
		return metrics.None
	}
	if r.deserted() {
		return metrics.ClientClosed
	}
	if why := r.overdue(); why != metrics.None {
		return why
	}
	r.claim.Events &^= loop.Readable
	r.hush()
	r.claim.Server.Sock.Watch(true)
	r.task.ParkUntil(r.loop.Now() + wideWait)
	r.claim.Events |= loop.Readable
	if r.st.wide == r.loop.Turn() { // one in each turn, as of those who yield
		r.task.Yield()
	}
	r.st.wide = r.loop.Turn()
	return metrics.None
}
