package proxy

import (
	"time"

	"portero/metrics"
	"portero/wire"
)

// deadlines is until when a client at work may go on as it does, in loop time; 0
// = for good. They are set when it parks, so that they cost nothing per message,
// and looked at when it wakes.
type deadlines struct {
	query       int64 // the server has to have answered
	transaction int64 // it has to be over
	idle        int64 // the client has to ask something
}

// asked: the client has said something, so that what it waits for, and what is
// waited for from it, begins anew.
func (d *deadlines) asked() { d.query, d.idle = 0, 0 }

func (d *deadlines) next() int64 { return earliest(earliest(d.query, d.transaction), d.idle) }

// overdue ends a client that has taken too long. Else it sets the times for the
// next look.
func (r *relay) overdue() metrics.Reason {
	u, d, now := r.c.user(), &r.due, r.loop.Now()
	busy := r.claim.Server != nil && r.sess.Busy()
	inBlock := r.claim.Server != nil && r.sess.Status() != 'I' || r.sess.Lost()
	idle, idleLimit, idleWhy := !busy && inBlock, u.IdleTransactionTimeout, metrics.IdleTransactionTimeout
	if r.between() { // and it has its server: the others rest
		idle, idleLimit, idleWhy = true, u.ClientIdleTimeout, metrics.ClientIdle
	}
	switch {
	case isOver(&d.query, now, u.QueryTimeout, busy):
		return r.expire(metrics.QueryTimeout, u.QueryTimeout)
	case isOver(&d.idle, now, idleLimit, idle):
		return r.expire(idleWhy, idleLimit)
	case isOver(&d.transaction, now, u.TransactionTimeout, busy || inBlock):
		return r.expire(metrics.TransactionTimeout, u.TransactionTimeout)
	}
	return metrics.None
}

// isOver reports whether a deadline has passed that holds while something goes
// on, and sets it when that begins.
func isOver(deadline *int64, now int64, limit time.Duration, goesOn bool) bool {
	switch {
	case !goesOn || limit <= 0:
		*deadline = 0
	case *deadline == 0:
		*deadline = after(now, limit)
	default:
		return now >= *deadline
	}
	return false
}

// expire tells the client why it is closed. Its statement is cancelled, and its
// transaction rolled back, when its server is cleaned.
func (r *relay) expire(why metrics.Reason, limit time.Duration) metrics.Reason {
	if r.out.passing == 0 { // else in the middle of a message
		r.tell(errExpired(why, limit))
	}
	r.at.Metrics().Error(why)
	return why
}

// errExpired has PgBouncer's words, and the SQLSTATE of PostgreSQL's own timeout
// of that kind.
func errExpired(why metrics.Reason, limit time.Duration) *wire.Error {
	var e *wire.Error
	var setting string
	switch why {
	case metrics.QueryTimeout:
		setting, e = "query_timeout", wire.Fatal(wire.QueryCanceled, "query timeout")
	case metrics.TransactionTimeout:
		setting, e = "transaction_timeout", wire.Fatal(wire.TransactionTimeout, "transaction timeout")
	case metrics.IdleTransactionTimeout:
		setting, e = "idle_transaction_timeout", wire.Fatal(wire.IdleInTransactionTimeout, "idle transaction timeout")
	default:
		setting, e = "client_idle_timeout", wire.Fatal(wire.IdleSessionTimeout, "client_idle_timeout")
	}
	e.Detail = setting + " is " + limit.String() + "."
	e.Hint = "Be done sooner, or have " + setting + " raised for this user."
	return e
}
