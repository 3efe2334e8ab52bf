package proxy

import (
	"portero/metrics"
	"portero/session"
)

// clean makes the server of a client that has ended fit for others, or closes it.
func (r *relay) clean(why metrics.Reason) {
	s, p := r.claim.Server, r.c.pool
	if r.sess.Working() && r.claim.Lost == metrics.None {
		p.Abort(&r.claim, dirtyReason(why))
		return
	}
	if r.claim.Lost != metrics.None || r.sess.Busy() || !r.out.empty() || r.in.passing > 0 || s.Sock.Pending() > 0 ||
		why == metrics.TransactionPooling {
		p.Discard(&r.claim, dirtyReason(why))
		return
	}
	if r.sess.Status() != 'I' && !r.cleanWith(rollback) {
		return
	}
	switch {
	case r.c.mode != modeSession && (r.sess.Bound() || r.sess.Asks()), r.sess.Lending() == session.Dirty:
		p.Discard(&r.claim, metrics.ServerDirty)
		return
	case r.c.mode == modeSession:
		if !r.cleanWith(discardAll) {
			return
		}
		s.Applied = session.Settings{}
		s.Memory.Forget()
	default:
		s.Applied = r.sess.Settings()
	}
	r.release()
}

func (r *relay) cleanWith(sql []byte) bool {
	o := r.roundTrip(sql, true)
	if o.why != metrics.None || o.said != nil || o.status != 'I' {
		r.c.pool.Discard(&r.claim, metrics.ServerDirty)
		return false
	}
	return true
}

// dirtyReason: whatever ended the client, its server is closed for being dirty,
// unless the server was to blame.
func dirtyReason(why metrics.Reason) metrics.Reason {
	switch why {
	case metrics.ServerLost, metrics.ServerFatal, metrics.ServerProtocol, metrics.EpochMoved, metrics.TransactionPooling:
		return why
	}
	return metrics.ServerDirty
}
