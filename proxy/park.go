package proxy

import (
	"portero/loop"
	"portero/metrics"
)

// park waits for either socket, the claim or the clock.
func (r *relay) park() metrics.Reason {
	c := &r.c.sock
	if r.deserted() {
		return metrics.ClientClosed
	}
	r.hush()
	if r.claim.Server != nil {
		r.watchServer()
	}
	if r.stalled.over(r.loop.Now(), c.Pending(), r.c.proxy.config().Pool.ClientStallTimeout) {
		return metrics.ClientStalled
	}
	if why := r.idlePinned(); why != metrics.None {
		return why
	}
	r.task.ParkUntil(earliest(earliest(r.stalled.deadline, r.farewell), r.pinIdle))
	if r.cut {
		return metrics.Shutdown
	}
	return metrics.None
}

// deserted: the client has closed its side without a goodbye, and what it sent
// whole has been taken; the rest is of no use, as PostgreSQL sees it too. Our
// own answers are still due to it.
func (r *relay) deserted() bool {
	return r.clientGone && !r.clientReadable && !r.in.ready && !r.in.held && !r.goodbye &&
		(r.claim.Server != nil || r.c.sock.Pending() == 0)
}

// hush keeps epoll from repeating what is known of the client: that it has
// sent something that must wait, or that it has gone.
func (r *relay) hush() {
	if r.clientGone {
		r.c.sock.Mute()
		return
	}
	r.c.sock.Watch(!r.clientReadable)
}

// watchServer does the same for the server, whose word must wait while the
// client does not take what came before.
func (r *relay) watchServer() {
	s := &r.claim.Server.Sock
	switch {
	case r.claim.Events&loop.Readable == 0:
		s.Watch(true)
	case r.claim.Events&loop.Closed == 0:
		s.Watch(false)
	default:
		s.Mute()
	}
}

// flushServer sends what a server did not take before.
func (r *relay) flushServer() {
	if r.claim.Server != nil && r.claim.Events&loop.Writable != 0 {
		r.claim.Events &^= loop.Writable
		r.claim.Server.Sock.Flush() //nolint:errcheck // the next Read says it again
	}
}
