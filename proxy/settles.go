package proxy

// settles reports whether what the client is about to ask goes before all others, as it only
// ends transactions. In session mode a server is for all that comes behind, too.
func (r *relay) settles(asked []byte) bool {
	return r.c.mode != modeSession && r.sess.Settles(asked, r.c.pool.BetweenNodes())
}

// isSettling reports whether a client that goes on has to wait until what it settles is answered
// and its server is given back, which went to it out of turn for that alone. A frame that is
// counted as asked belongs to it.
func (r *relay) isSettling() bool {
	return r.claim.Settling() && r.awaitsSettled()
}

func (r *relay) awaitsSettled() bool {
	return !r.in.counted && (r.sess.Completes() || r.c.sock.Pending() > 0)
}
