package proxy

import (
	"portero/metrics"
	"portero/wire"
)

// serverLost gives up the server and brings the client to a state it can go on
// from. Where that cannot be done, the client ends.
func (r *relay) serverLost(why metrics.Reason, said *wire.Error) metrics.Reason {
	r.logServer(said)
	half := r.out.passing > 0
	r.c.pool.Discard(&r.claim, why)
	r.out.drop(r.loop)
	r.in.dropped = true // the rest of a frame that streams, if one does
	if half {
		return why // in the middle of a message there is no room for an error
	}
	if r.c.mode == modeSession {
		r.tell(wire.Fatal(wire.ConnectionFailure, "the server was lost, and with it what the session had set up"))
		return why
	}
	r.sess.Lose(said)
	r.flushReply()
	return metrics.None
}

func (r *relay) logServer(said *wire.Error) {
	if said != nil && r.claim.Server != nil {
		r.c.proxy.log.Warn("server's last word", "member", r.claim.Server.Member(), "pid", r.claim.Server.PID(), "error", said.Error())
	}
}
