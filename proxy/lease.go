package proxy

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// lease gets a server for the frames in rest, which lie in the scratch buffer.
// It returns them again, from where they lie after it has waited. Without an
// error and without a server the first of them has been refused.
func (r *relay) lease(rest []byte) ([]byte, metrics.Reason) {
	if r.c.isStale() {
		if why := r.follow(); why != metrics.None {
			return nil, why
		}
	}
	if r.acquire(rest) && r.suits() {
		r.times().Wait.Add(0, 1)
		r.serveBy(r.claim.Server)
		r.goAhead()
		return rest, metrics.None
	}
	r.in.keep(r.loop, rest)
	if why := r.obtain((*relay).suits); why != metrics.None {
		return nil, why
	}
	if r.claim.Server != nil {
		r.serveBy(r.claim.Server)
		r.goAhead()
	}
	buf := r.loop.Scratch()
	return buf[:r.in.load(r.loop, buf)], metrics.None
}

// acquire asks the pool for a server, of the idle ones one that needs no change. In
// session mode all that the client may have are as it wants them. rest is what it has
// asked, nil if that is nothing.
func (r *relay) acquire(rest []byte) bool {
	if r.spread != nil {
		r.chooseFor(rest)
	}
	return r.acquireHere(rest)
}

// acquireHere is acquire at the pool where the client is.
func (r *relay) acquireHere(rest []byte) bool {
	r.claim.Settles = r.settles(rest) || r.asksWelcome()
	r.claim.Brief = r.at.SwitchoverAnnounced() && r.isBrief(rest)
	if r.claim.Settings = (session.Settings{}); r.c.mode != modeSession {
		r.claim.Settings = r.sess.Settings()
	}
	return r.at.Acquire(&r.claim)
}

// serveBy begins the time in which the client's own bytes reach the server.
func (r *relay) serveBy(s *pool.Server) {
	s.Used = true
	r.sess.Away(r.spread != nil && !r.atHome())
	if r.c.mode == modeSession {
		r.sess.Serve(s, nil)
		return
	}
	r.sess.Serve(s, &s.Memory)
}

// obtain waits for a server and gives it the client's settings, unless it suits as it is.
// Nothing of the client's own has been sent when it returns, whatever it returns.
func (r *relay) obtain(suits func(r *relay) bool) metrics.Reason {
	waited := int64(0)
	why := r.obtainFit(&waited, suits)
	r.times().Wait.Add(waited, 1)
	return why
}

// obtainFit adds to waited what it waits in the queue; to give a server settings is no wait.
func (r *relay) obtainFit(waited *int64, suits func(r *relay) bool) metrics.Reason {
	since, failed := r.loop.Now(), 0
	for {
		if r.claim.Server == nil {
			queued := r.loop.Now()
			why := r.await(since)
			*waited += r.loop.Now() - queued
			if why != metrics.None || r.claim.Server == nil {
				return why
			}
		}
		if r.cut {
			return r.cutShort()
		}
		if r.claim.Server.AsNew() {
			failed++
		}
		var a applied
		if !suits(r) {
			a = r.apply()
		}
		if a.fit == unfit || a.fit == doubtful {
			if !r.cut && failed < maxUnfit {
				r.at.Exchange(&r.claim, a.why, a.fit == doubtful)
				continue
			}
			r.at.Discard(&r.claim, a.why)
		}
		switch {
		case r.cut:
			return r.cutShort()
		case r.claim.Server == nil:
			return r.noneFits(a.why)
		case a.fit == refused:
			r.release()
			return r.refuseSettings(a.said)
		case r.cancelled:
			r.release()
			r.refuseCancelled()
		}
		return metrics.None
	}
}

// cutShort ends a client that Portero waits for no longer at the moment in
// which a server is there for it. A server that is at rest goes back.
func (r *relay) cutShort() metrics.Reason {
	if r.claim.Server != nil {
		r.release()
	}
	return metrics.Shutdown
}

// await waits in the pool's queue until a server is lent. Returning None
// without a server means that the request has been answered with an error.
// since is when the client began to want it.
func (r *relay) await(since int64) metrics.Reason {
	u, patience := r.c.user(), r.c.proxy.config().Pool.QueryWaitNotify
	notify := after(since, patience)
	end := earliest(after(since, u.QueryWaitTimeout), after(since, r.queryTimeout()))
	if r.claim.Login {
		end = after(since, lateLogin)
	}
	reserve := r.reserveAt()
	for {
		r.catchUp()
		now := r.loop.Now()
		switch {
		case r.claim.Server != nil:
			return metrics.None
		case r.claim.Refused != nil:
			return r.refuseStartup()
		case r.claim.Strayed, r.claim.Err != nil && r.isServedElsewhere():
			r.acquireAgain()
			continue
		case r.claim.Err != nil && r.claim.Standing:
			return r.stoodStill()
		case r.claim.Err != nil:
			r.tell(r.claim.Err)
			return metrics.ServerLogin
		case r.giveUp(now, end):
			if r.at.Withdraw(&r.claim) {
				return r.gaveUp(since)
			}
			r.hush()
			r.task.Park() // a server is on its way, and will wake the Task
			continue
		case r.c.isStale():
			if why := r.followQueued(); why != metrics.None {
				return why
			}
			continue
		case notify != 0 && now >= notify:
			r.noticeWait(patience)
			notify = 0
		case reserve != 0 && now >= reserve:
			r.at.Reserve()
			reserve = 0
		}
		r.hush()
		r.task.ParkUntil(earliest(earliest(notify, end), reserve))
	}
}

// queryTimeout is how long the client's request may take, its wait for a server included; 0 =
// for good. Who waits for its walsender has asked nothing.
func (r *relay) queryTimeout() time.Duration {
	if r.c.pool.Key.Replicates() {
		return 0
	}
	return r.c.user().QueryTimeout
}

// reserveAt is when the reserve is to be opened for a client that waits; 0 = never.
func (r *relay) reserveAt() int64 {
	d, has := r.at.ReserveAfter()
	if !has {
		return 0
	}
	return r.claim.Since + int64(d)
}

// giveUp reports whether the wait is to end without a server.
func (r *relay) giveUp(now, end int64) bool {
	return r.clientGone && !r.saidGoodbye() || r.cut || r.cancelled || r.turnedAway() || end != 0 && now >= end
}

// turnedAway reports whether a client that waits for a server waits in vain, as Portero
// stops. Where it can be passed on it waits: it will be behind its transaction.
func (r *relay) turnedAway() bool { return r.c.proxy.draining.Load() && r.c.proxy.heir.Load() == nil }

// saidGoodbye reports whether a client that has gone sent a Terminate behind
// what waits: then it has not broken off, and what it has asked for is done.
func (r *relay) saidGoodbye() bool {
	b := r.in.kept
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

// gaveUp says what becomes of a client that has left the queue, in which it
// was since then.
func (r *relay) gaveUp(since int64) metrics.Reason {
	switch {
	case r.cut:
		return metrics.Shutdown // abandon tells it
	case r.turnedAway():
		r.tell(errShutdown())
		return metrics.Shutdown
	case r.cancelled:
		r.refuseCancelled()
		return metrics.None
	case r.clientGone && !r.saidGoodbye():
		return metrics.ClientClosed
	case r.claim.Login:
		return metrics.None // the login is answered without
	}
	u, why := r.c.user(), metrics.WaitTimeout
	e := wire.Fatal(wire.ConnectionFailure, "no server became free within query_wait_timeout (%s)", u.QueryWaitTimeout)
	if t := after(since, r.queryTimeout()); t != 0 && r.loop.Now() >= t {
		e, why = wire.Fatal(wire.QueryCanceled, "query_timeout"), metrics.QueryTimeout
	}
	e.Hint = "All servers of the pool are busy, or the cluster has no leader at present."
	if n := r.at.Pinned(); n > 0 {
		e.Detail = fmt.Sprintf("Clients of the pool that are pinned to their servers: %d.", n)
	}
	if held := r.at.Held(); held != "" {
		e.Detail, e.Hint = "Clients are held: "+held+".", "Portero's log says more."
	} else if trouble := r.at.Trouble(since); trouble != "" {
		e.Detail, e.Hint = "The last try to open a server failed: "+trouble+".", "Portero's log says more."
	}
	r.at.Metrics().Error(why)
	if r.moving { // its transaction has not been lost by it, and is known to have failed
		e.Severity = "ERROR"
		r.sess.FailBlock(e)
		return metrics.None
	}
	r.tell(e)
	return why
}

// refuseCancelled answers a request that no server has seen.
func (r *relay) refuseCancelled() {
	r.cancelled = false
	e := wire.Errorf(wire.QueryCanceled, "canceling statement due to user request")
	if r.moving {
		r.sess.FailBlock(e)
	} else {
		r.sess.Refuse(e)
	}
	r.at.Metrics().Error(metrics.Cancelled)
}

// noticeWait tells a waiting client that it waits, as PgBouncer does.
func (r *relay) noticeWait(d time.Duration) {
	n := pgproto3.NoticeResponse{Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: wire.SuccessfulCompletion,
		Message: "no server is free, still waiting after " + d.String()}
	if b, err := n.Encode(nil); err == nil {
		r.c.sock.Write(b) //nolint:errcheck // a client that is gone is noticed by its next event
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
