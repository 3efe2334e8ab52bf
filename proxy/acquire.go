package proxy

import (
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
	"portero/wire"
)

// link gets a server for the frames in rest, which lie in the scratch buffer.
// It returns them again, from where they lie after it has waited. Without an
// error and without a server the first of them has been refused.
func (w *work) link(rest []byte) ([]byte, metrics.Reason) {
	if w.c.pool.Acquire(&w.claim) && w.claim.Server.Applied == w.sess.settings {
		w.sess.defaults = w.claim.Server
		return rest, metrics.None
	}
	w.in.keep(w.loop, rest)
	if why := w.obtain(); why != metrics.None {
		return nil, why
	}
	buf := w.loop.Scratch()
	return buf[:w.in.load(w.loop, buf)], metrics.None
}

// obtain waits for a server and gives it the client's settings.
func (w *work) obtain() metrics.Reason {
	since := w.loop.Now()
	for {
		if w.claim.Server == nil {
			if why := w.await(since); why != metrics.None || w.claim.Server == nil {
				return why
			}
		}
		said, why := w.apply()
		switch {
		case why != metrics.None:
			w.c.pool.Discard(&w.claim, why) // of our own asking, so nothing of the client's is lost
			if w.cut {
				return metrics.Shutdown
			}
			w.c.pool.Acquire(&w.claim)
			continue
		case said != nil:
			w.release() // as it was: the error has undone the change
			w.tell(wire.Fatal(said.Code, "%s", said.Message))
			return metrics.ServerLogin
		case w.cancelled:
			w.release()
			w.refuseCancelled()
			return metrics.None
		}
		w.sess.defaults = w.claim.Server
		return metrics.None
	}
}

// apply makes the server's settings the client's.
func (w *work) apply() (*wire.Error, metrics.Reason) {
	s := w.claim.Server
	if s.Applied == w.sess.settings {
		return nil, metrics.None
	}
	o := w.ask(w.sess.settings.AppendChange(nil, s.Applied), false)
	if o.why == metrics.None && o.said == nil {
		s.Applied = w.sess.settings
	}
	return o.said, o.why
}

// await waits in the pool's queue until a server is lent. Returning None
// without a server means that the request has been answered with an error.
// since is when the client began to want it.
func (w *work) await(since int64) metrics.Reason {
	limits := &w.c.proxy.cfg.Pool
	notify := after(since, limits.QueryWaitNotify)
	end := after(since, limits.QueryWaitTimeout)
	for {
		now := w.loop.Now()
		switch {
		case w.claim.Server != nil:
			return metrics.None
		case w.claim.Err != nil:
			w.tell(w.claim.Err)
			return metrics.ServerLogin
		case w.giveUp(now, end):
			if w.c.pool.Withdraw(&w.claim) {
				return w.gaveUp()
			}
			w.hush()
			w.task.Park() // a server is on its way, and will wake the Task
			continue
		case notify != 0 && now >= notify:
			w.noticeWait(limits.QueryWaitNotify)
			notify = 0
		}
		w.hush()
		w.task.ParkUntil(earliest(notify, end))
	}
}

// giveUp reports whether the wait is to end without a server.
func (w *work) giveUp(now, end int64) bool {
	return w.clientGone && !w.saidGoodbye() || w.cut || w.cancelled || w.c.proxy.draining.Load() || end != 0 && now >= end
}

// saidGoodbye reports whether a client that has gone sent a Terminate behind
// what waits: then it has not broken off, and what it has asked for is done.
func (w *work) saidGoodbye() bool {
	b := w.in.kept
	for {
		f, ok, err := wire.Next(b)
		switch {
		case err != nil || !ok:
			return false
		case f.Type == 'X':
			return true
		case !f.Whole():
			return false
		}
		b = b[wire.HeaderLen+f.Size:]
	}
}

// gaveUp says what becomes of a client that has left the queue.
func (w *work) gaveUp() metrics.Reason {
	switch {
	case w.cut, w.c.proxy.draining.Load():
		w.tell(errShutdown())
		return metrics.Shutdown
	case w.cancelled:
		w.refuseCancelled()
		return metrics.None
	case w.clientGone && !w.saidGoodbye():
		return metrics.ClientClosed
	}
	e := wire.Fatal(wire.ConnectionFailure, "no server became free within query_wait_timeout (%s)", w.c.proxy.cfg.Pool.QueryWaitTimeout)
	e.Hint = "All servers of the pool are busy, or the cluster has no leader at present."
	w.tell(e)
	w.c.pool.Metrics.Error(metrics.WaitTimeout)
	return metrics.WaitTimeout
}

// refuseCancelled answers a request that no server has seen.
func (w *work) refuseCancelled() {
	w.cancelled = false
	w.sess.refuse(wire.Errorf(wire.QueryCanceled, "canceling statement due to user request"))
	w.c.pool.Metrics.Error(metrics.Cancelled)
}

// noticeWait tells a waiting client that it waits, as PgBouncer does.
func (w *work) noticeWait(d time.Duration) {
	n := pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: wire.SuccessfulCompletion,
		Message: "no server is free, still waiting after " + d.String()}
	if b, err := n.Encode(nil); err == nil {
		w.c.sock.Write(b) //nolint:errcheck // a client that is gone is noticed by its next event
	}
}

// after is a deadline on the loop's clock; 0 stays "never".
func after(since int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return since + int64(d)
}

func earliest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
