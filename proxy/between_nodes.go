package proxy

import (
	"time"

	"portero/metrics"
)

// lateLogin is how long the login of a connection between Citus' nodes waits for a server.
// Then it is answered all the same: who has to have this very connection, as a COPY does,
// would take a refusal for an error, and waits on for its server, in which a standstill is
// found. Citus itself waits for 30 s (citus.node_connection_timeout).
const lateLogin = 10 * time.Second

// awaitPlace has the login of a connection wait for a server if its origin is logged in to
// the pool by another one.
func (r *relay) awaitPlace() metrics.Reason {
	if !r.c.pool.Enters(r.claim.Number, r.sess.Settings()) {
		return metrics.None
	}
	r.claim.Login = true
	defer func() { r.claim.Login = false }()
	if !r.acquire(nil) {
		if why := r.await(r.loop.Now()); why != metrics.None {
			return why
		}
	}
	if r.claim.Server != nil {
		r.claim.Server.Sock.Watch(true)
		r.c.pool.Promise(&r.claim)
	}
	return metrics.None
}

// asksWelcome reports whether the client wants a server only to be told at its login what the
// server is like. Between nodes that comes before transactions: a node that cannot log in can
// settle nothing.
func (r *relay) asksWelcome() bool {
	return !r.c.welcomed && r.c.mode != modeSession && r.c.pool.BetweenNodes() && !r.claim.Login
}

// stoodStill answers a client that was given up in its wait for a server, so that others can
// go on. What it has begun is a failed transaction for it, as for any other error; a login
// is refused.
func (r *relay) stoodStill() metrics.Reason {
	e := r.claim.Err
	r.claim.Err, r.claim.Standing = nil, false
	if r.claim.Login {
		r.tell(e.AsFatal())
		return metrics.PoolDeadlock
	}
	r.sess.Refuse(e)
	return metrics.None
}

// resting is for pool.Claim.Resting. A server of a client that is pinned rests outside of a
// transaction too: it does not come back by itself.
func (r *relay) resting() (since int64, rests bool) {
	return r.asked, !r.sess.Busy() && (r.sess.Status() != 'I' || r.pins != 0)
}
