package proxy

import "portero/metrics"

// perTurn is what one client may have done for it in one turn of its loop; then
// others come first. It is counted in bytes relayed, some 25 µs of work or, with
// TLS, 50; what costs more than its bytes is counted as so many of them. The
// looks at epoll in between cost 2 % at most.
const (
	perTurn  = 64 << 10
	perFrame = 32 // a frame, to look at it
	perAlike = 4  // a frame of which no more than the header is looked at
	perReply = 8  // a byte of the session's own answers, to make it
)

// spend counts work for the client in this turn.
func (r *relay) spend(work int) {
	if now := r.loop.Turn(); now != r.turn {
		r.turn, r.spent = now, 0
	}
	r.spent += work
}

// share lets others come first if the client has had its part of this turn.
func (r *relay) share() metrics.Reason {
	if r.spent < perTurn || r.turn != r.loop.Turn() {
		return metrics.None
	}
	if r.flow.wide {
		if why := r.awaitMore(); why != metrics.None {
			return why
		}
	} else {
		r.task.Yield()
	}
	if r.cut {
		return metrics.Shutdown
	}
	return metrics.None
}
