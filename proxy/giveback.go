package proxy

import (
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// giveBack releases a server that is free again.
func (r *relay) giveBack() metrics.Reason {
	s := r.claim.Server
	if s == nil || r.sess.Busy() || r.c.sock.Pending() > 0 || s.Sock.Pending() > 0 || !r.out.empty() || r.in.passing > 0 {
		return metrics.None
	}
	if r.sess.Status() == 'I' {
		r.due.transaction = 0
	}
	if r.sess.Misnamed() {
		return r.nameAgain()
	}
	if why := r.repin(); why != metrics.None {
		return why
	}
	switch {
	case r.sess.Status() != 'I' && r.c.mode == modeStatement:
		r.tell(wire.Fatal(wire.FeatureNotSupported, "transaction blocks are not allowed in statement pooling mode"))
		return metrics.TransactionPooling
	case r.sess.Status() != 'I', r.c.mode == modeSession:
		return metrics.None
	case r.sess.Asks() && !r.goodbye:
		if why := r.ask(); why != metrics.None {
			return why
		}
		return r.giveBack()
	}
	switch r.sess.Lending() {
	case session.Dirty:
		r.at.Discard(&r.claim, metrics.ServerDirty)
	case session.Free:
		s.Applied = r.sess.Settings()
		r.release()
	}
	return metrics.None
}

// ask has the server say what a transaction may have set that it does not report.
func (r *relay) ask() metrics.Reason {
	o := r.roundTrip(r.sess.Question(), false)
	for tries := 1; o.why == metrics.None && o.said != nil && o.status == 'I' && tries < maxQuestions; tries++ {
		if o.said.Code != wire.QueryCanceled { // else it was the client's own statement_timeout
			r.sess.Untold()
		}
		o = r.roundTrip(r.sess.Question(), false)
	}
	why := o.why
	switch {
	case why == metrics.Shutdown:
		r.at.Discard(&r.claim, why)
		return why
	case why == metrics.None && o.said == nil && o.status == 'I' && r.sess.Told(o.row):
		return metrics.None
	case why == metrics.None:
		why = metrics.ServerDirty
	}
	return r.serverLost(why, o.said, nil)
}

// maxQuestions is how often a server is asked that refuses to answer.
const maxQuestions = 5

// release gives the server back, watched as an idle one must be.
func (r *relay) release() {
	r.claim.Server.Sock.Watch(true)
	r.at.Release(&r.claim)
}
