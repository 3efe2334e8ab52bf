package proxy

import (
	"portero/config"
	"portero/metrics"
	"portero/pool"
	"portero/session"
)

// clean makes the server of a client that has ended fit for others, or closes it.
func (r *relay) clean(why metrics.Reason) {
	s, p := r.claim.Server, r.at
	if r.sender.on {
		r.leaveSender()
		return
	}
	if r.sess.Working() {
		r.passName()
	}
	if r.sess.Working() && r.claim.Lost == metrics.None {
		p.Abort(&r.claim, dirtyReason(why))
		return
	}
	if r.claim.Lost != metrics.None || r.sess.Busy() || !r.out.empty() || r.in.passing > 0 || s.Sock.Pending() > 0 ||
		why == metrics.TransactionPooling {
		p.Discard(&r.claim, dirtyReason(why))
		return
	}
	if r.c.mode == modeSession && r.sess.Status() != 'I' { // a driver's pool that closes such a connection counts on another server
		p.Discard(&r.claim, metrics.ServerDirty)
		return
	}
	if r.sess.Status() != 'I' && !r.cleanWith(rollback) {
		return
	}
	if r.sess.Listens() {
		if !r.cleanWith(unlistenAll) {
			return
		}
		r.sess.Settled()
	}
	switch {
	case r.c.mode != modeSession && r.sess.Washable():
		if !r.cleanWith(discardAll) {
			return
		}
		s.Applied = session.Settings{}
		s.Memory.Forget()
	case r.c.mode != modeSession && (r.sess.Bound() || r.sess.Asks()), r.sess.Lending() == session.Dirty:
		p.Discard(&r.claim, metrics.ServerDirty)
		return
	case r.c.mode == modeSession && pool.OriginOf(r.sess.Settings()) != p.Key.Citus:
		p.Discard(&r.claim, metrics.ServerDirty)
		return
	case r.c.mode == modeSession:
		if !r.cleanSession() {
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
	_, ok := r.cleanAsking(sql)
	return ok
}

// cleanAsking is cleanWith for a statement with an answer.
func (r *relay) cleanAsking(sql []byte) (row [][]byte, ok bool) {
	o := r.roundTrip(sql, true)
	if o.why != metrics.None || o.said != nil || o.status != 'I' {
		r.at.Discard(&r.claim, metrics.ServerDirty)
		return nil, false
	}
	return o.row, true
}

// cleanSession makes a server of session mode what it was when it was opened, or
// closes it. DISCARD ALL goes back to what the client gave at its start, but does
// not say RESET ROLE (PostgreSQL documentation): whether it brings back the role
// that a session began in depends on the version. And it leaves behind the names
// of parameters that were made up, and an empty schema for temporary tables, which
// the next client would find in current_schemas(true).
func (r *relay) cleanSession() bool {
	if sql := r.c.proxy.config().Pool.ServerResetQuery; sql != config.DiscardAll {
		return r.cleanAsTold(sql)
	}
	if r.sess.Leaves() {
		r.at.Discard(&r.claim, metrics.ServerDirty)
		return false
	}
	if !r.cleanWith(discardAll) {
		return false
	}
	row, ok := r.cleanAsking(resetRole)
	if ok && (len(row) != 1 || string(row[0]) != "t") {
		r.at.Discard(&r.claim, metrics.ServerDirty)
		return false
	}
	return ok
}

// cleanAsTold does what the operator wants in place of that: what is left on the
// server is meant for the next client. Whose rights it has is not.
func (r *relay) cleanAsTold(sql string) bool {
	return (sql == "" || r.cleanWith(query(sql))) && r.cleanWith(resetRights)
}

// dirtyReason: whatever ended the client, its server is closed for being dirty,
// unless the server was to blame.
func dirtyReason(why metrics.Reason) metrics.Reason {
	switch why {
	case metrics.ServerLost, metrics.ServerFatal, metrics.ServerProtocol, metrics.EpochMoved, metrics.LeaderUnconfirmed, metrics.TransactionPooling:
		return why
	}
	return metrics.ServerDirty
}
