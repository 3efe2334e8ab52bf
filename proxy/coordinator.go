package proxy

import (
	"bytes"

	"portero/loop"
	"portero/metrics"
	"portero/session"
)

// A client with a Spread may be at a node that does not do what it asks: the node refuses it, or
// it shows to be for the coordinator only behind a BEGIN that has run already. As long as nothing
// else has been done there, and the client has heard of nothing else, its transaction is moved: it
// is rolled back, its server given back, and it is begun again on the coordinator.

// opening is how far a transaction has come that a BEGIN has opened by itself.
type opening uint8

const (
	unopened opening = iota // it has not been opened so, or more has been done since
	opened                  // the BEGIN has been asked
	first                   // and one statement behind it
)

// notes takes in what the client has asked. alone: nothing was under way before it.
func (r *relay) notes(asked []byte, alone bool) {
	switch {
	case r.spread == nil || r.atHome():
		r.opening = unopened
	case alone && r.opening == opened && r.sess.Status() == 'T':
		r.opening = first
	case alone:
		r.opening = unopened
		if sql, ok := r.sess.OpensOnly(asked); ok && r.sess.Status() == 'I' {
			r.beginning, r.opening = append(r.beginning[:0], sql...), opened
		}
	case r.opening == opened: // something has come behind the BEGIN before it was answered
		r.opening = unopened
	}
}

// movesBlock reports whether what the client begins to ask is for the coordinator, where its
// transaction can still be moved to.
func (r *relay) movesBlock(asked []byte) bool {
	return r.opening == opened && r.sess.Status() == 'T' && r.claim.Server != nil && !r.sess.Busy() && !r.in.counted && r.in.passing == 0 &&
		len(asked) > 0 && r.sess.NeedsCoordinator(asked)
}

// goesHome reports whether what the client begins to ask is for the coordinator, and the client
// still has the server of another node that it had before only because that was not given back yet.
func (r *relay) goesHome(asked []byte) bool {
	return r.claim.Server != nil && r.sess.Status() == 'I' && !r.atHome() && !r.in.counted && r.in.passing == 0 &&
		r.c.sock.Pending() == 0 && r.out.empty() && len(asked) > 0 &&
		(r.sess.Asks() || r.sess.Lending() != session.Kept) && r.sess.NeedsCoordinator(asked)
}

// turnsHome acts on what the client begins to ask while it is at a node, and that is for the
// coordinator: its transaction is moved, or the server that it has still is given back first.
func (r *relay) turnsHome(asked []byte) (why metrics.Reason, goes bool) {
	switch {
	case r.movesBlock(asked):
		r.in.keep(r.loop, asked)
		return r.moveBlock(), true
	case r.goesHome(asked):
		r.in.keep(r.loop, asked)
		r.in.ready = true
		return r.giveBack(), true
	}
	return metrics.None, false
}

// refusedHere reports whether a node has refused what was asked, which is then asked again of the
// coordinator. buf is what the server has sent.
func (r *relay) refusedHere(buf []byte) (t session.Turn, status byte) {
	if r.spread == nil || r.atHome() || len(r.again) == 0 || !endsInError(buf) {
		return session.NotTurned, 0
	}
	if r.goodbye || r.in.passing > 0 || r.in.counted || r.in.held || len(r.again)+len(r.in.kept) > loop.ScratchSize/2 {
		return session.NotTurned, 0
	}
	return r.sess.TurnedAway(buf, r.opening == first)
}

// endsInError reports whether an answer ends as every error does, but for a ReadyForQuery.
func endsInError(b []byte) bool {
	if n := len(b); n > 6 && bytes.Equal(b[n-6:n-1], readyForQuery[:5]) {
		b = b[:n-6]
	}
	return len(b) > 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0
}

// runAtHome has the coordinator run what a node has refused. status is that of its ReadyForQuery.
func (r *relay) runAtHome(status byte) metrics.Reason {
	r.out.drop(r.loop)
	inBlock := r.opening == first
	r.moving = inBlock
	defer r.arrives()
	if why := r.leaveNode(status != 'I'); why != metrics.None {
		return why
	}
	r.goOn(1)
	if r.claim.Server == nil { // cancelled meanwhile, or it has waited for too long
		r.flushReply()
		return metrics.None
	}
	if inBlock {
		if why := r.beginAgain(); why != metrics.None || r.claim.Server == nil {
			return why
		}
	}
	r.sess.TakeBack()
	r.serveBy(r.claim.Server)
	r.askAgain()
	r.moved("refused")
	return metrics.None
}

// moveBlock moves a transaction to the coordinator of which nothing but its BEGIN has run.
func (r *relay) moveBlock() metrics.Reason {
	r.in.ready, r.moving = true, true
	defer r.arrives()
	if why := r.leaveNode(true); why != metrics.None || r.claim.Server == nil { // what the client asks next is told
		return why
	}
	if why := r.beginAgain(); why != metrics.None || r.claim.Server == nil {
		return why
	}
	r.serveBy(r.claim.Server)
	r.moved("recognised")
	return metrics.None
}

// leaveNode gives the node's server back, with its transaction rolled back, and gets one of the
// coordinator's. Without an error and without a server the client has been told.
func (r *relay) leaveNode(open bool) metrics.Reason {
	r.opening = unopened
	r.sess.Leave()
	if open && !r.rolledBack() {
		r.at.Discard(&r.claim, metrics.ServerDirty)
	} else {
		r.release()
	}
	r.claim.Roams = nil
	r.goTo(r.c.pool)
	r.acquireHere(nil)
	return r.obtain((*relay).isSet)
}

func (r *relay) rolledBack() bool {
	o := r.roundTrip(rollback, false)
	return o.why == metrics.None && o.said == nil && o.status == 'I'
}

// beginAgain opens the client's transaction on the coordinator, as it was opened elsewhere. Without
// an error and without a server the client has been told.
func (r *relay) beginAgain() metrics.Reason {
	o := r.roundTrip(query(string(r.beginning)), false)
	if o.why == metrics.None && (o.said != nil || o.status != 'T') {
		o.why = metrics.ServerDirty
	}
	if o.why != metrics.None {
		r.cancelled = false // it fails anyway
		return r.serverLost(o.why, o.said, nil)
	}
	if r.cancelled {
		if r.rolledBack() {
			r.release()
		} else {
			r.at.Discard(&r.claim, metrics.ServerDirty)
		}
		r.refuseCancelled()
		r.flushReply()
	}
	return metrics.None
}

// arrives ends the move of a transaction, whatever has come of it.
func (r *relay) arrives() { r.moving = false }

// moved counts a transaction that was moved to the coordinator, and why.
func (r *relay) moved(why string) {
	r.at.Metrics().Shard(r.loop.ID).Moved.Add(1)
	r.c.proxy.log.Debug("transaction moved to the coordinator", "id", r.c.id, "why", why)
}

// hintsElsewhere reports whether the client is told what to do about a refusal in the middle of its
// transaction. v is the verdict on it.
func (r *relay) hintsElsewhere(v session.Verdict) bool {
	return v == session.Forward && r.spread != nil && !r.atHome()
}
