package proxy

import (
	"portero/metrics"
	"portero/wire"
)

// serverLost gives up the server and brings the client to a state it can go on
// from. Where that cannot be done, the client ends. said is the server's last
// word, and frame that word as it came; nil if it had none.
func (r *relay) serverLost(why metrics.Reason, said *wire.Error, frame []byte) metrics.Reason {
	r.logServer(said)
	r.stopWatch()
	half, bound, lost := r.out.passing > 0, r.sess.Bound(), r.claim.Server
	if why == metrics.ServerProtocol && r.sess.Working() { // it lives, and would go on to the end, with its locks
		r.at.Abort(&r.claim, why)
	} else {
		r.at.Discard(&r.claim, why)
	}
	r.out.drop(r.loop)
	r.flow = flow{}
	r.goOn(1)
	r.in.counted = false // what it was counted with has been answered
	r.in.dropped = true  // the rest of a frame that streams, if one does
	switch {
	case half: // in the middle of a message there is no room for an error
		return r.cutBy(why)
	case r.c.mode == modeSession:
		r.endSession(why, frame)
		return r.cutBy(why)
	case said != nil && said.Code == wire.ProtocolViolation: // the client's own fault: anything but data in a COPY
		r.sendClient(frame)
		return why
	case bound:
		r.tell(wire.Fatal(wire.ConnectionFailure, "the server was lost, and with it what the session had set up"))
		return r.cutBy(why)
	}
	if doubt, ok := r.sess.InDoubt(said); ok {
		return r.resolve(doubt, lost, said)
	}
	r.lose(said)
	if r.withheld {
		return r.ready()
	}
	return metrics.None
}

// lose tells the client what is true of what it has asked.
func (r *relay) lose(said *wire.Error) {
	r.sess.Lose(said)
	r.flushReply()
	if failed, unknown := r.sess.Failed, r.sess.Unknown; failed+unknown > 0 {
		r.at.Count(metrics.Outcomes{Failed: uint64(failed), Unknown: uint64(unknown)})
		r.sess.Failed, r.sess.Unknown = 0, 0
	}
}

// cutBy counts a client that has to end with its server.
func (r *relay) cutBy(why metrics.Reason) metrics.Reason {
	r.at.Count(metrics.Outcomes{Cut: 1})
	return why
}

// endSession tells a client in session mode what PostgreSQL itself would: the
// server's own last word, and to an idle client nothing where it had none.
func (r *relay) endSession(why metrics.Reason, frame []byte) {
	switch {
	case frame != nil:
		r.sendClient(frame)
	case r.sess.Busy() || why == metrics.EpochMoved || why == metrics.LeaderUnconfirmed:
		r.tell(wire.Fatal(wire.ConnectionFailure, "the server was lost, and with it what the session had set up"))
	}
}

func (r *relay) logServer(said *wire.Error) {
	if said != nil && r.claim.Server != nil {
		r.c.proxy.log.Warn("server's last word", "member", r.claim.Server.Member(), "pid", r.claim.Server.PID(), "error", said.Error())
	}
}
