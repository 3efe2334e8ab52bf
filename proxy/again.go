package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// What a client has asked is kept until the answer begins, as the client sent it:
// where it has to be asked again, these frames come before all else that the client
// has sent meanwhile, and are edited for the next server as they were for the last.
//
// That is so for a statement whose plan has failed (session.Repeatable), and for what
// a server has aborted because it shuts down (session.Aborted). An operator who ends
// a backend (pg_terminate_backend) has the server say the very same, and does not
// want the statement to be run again. The two are told apart by what comes next: a
// postmaster that shuts down lets nobody in any more, and its successor, after a
// failover or a restart, is another one. So the client waits for a server that is
// opened from then on. If that belongs to the same postmaster, the operator has meant
// it, and the client is told as of any server that is lost.

const (
	maxAgain  = 8 << 10 // bytes of what is asked; of more, nothing is kept
	maxReplan = 2 << 10 // ... for a plan that may fail
	maxRuns   = 3       // times that it is run again because servers shut down
)

// keepAgain keeps what was asked, behind what of it was kept before. first: nothing
// was under way before it. all: no part of a frame came behind it.
func (r *relay) keepAgain(asked []byte, first, all bool) {
	r.notes(asked, first)
	switch {
	case first:
		r.again = r.again[:0]
	case len(r.again) == 0 || r.sess.Begun():
		r.again = r.again[:0]
		return
	}
	if r.in.passing > 0 || len(r.again)+len(asked) > maxAgain {
		r.again = r.again[:0]
		return
	}
	r.again = append(r.again, asked...)
	if first && all && len(asked) <= maxReplan && r.sess.Repeatable() {
		r.sess.Keep()
	}
}

// askAgain has what was kept of the client's come before all else that it has sent.
func (r *relay) askAgain() {
	r.in.keep(r.loop, append(r.again, r.in.kept...))
	r.in.ready = true
}

// aborted is the server's last word, if that is all there is of an answer and what
// was asked is to be run again; else nil. buf is what the server has sent.
func (r *relay) aborted(buf []byte) *wire.Error {
	n := len(buf)
	if n < 2 || buf[n-1] != 0 || buf[n-2] != 0 { // as every error ends
		return nil
	}
	if len(r.again) == 0 || len(r.again)+len(r.in.kept) > loop.ScratchSize/2 || r.runs >= maxRuns {
		return nil
	}
	// Of a pool of several members, another one says nothing of the one that was lost.
	if r.at.Key.Role != "leader" || r.c.mode == modeSession || r.goodbye || r.in.passing > 0 || r.in.counted {
		return nil
	}
	return r.sess.Aborted(buf)
}

// runAgain waits for a server in place of the one that has said that it ends, and has it
// run what the other has aborted.
func (r *relay) runAgain(said *wire.Error) metrics.Reason {
	r.logServer(said)
	r.stopWatch()
	lost := r.claim.Server
	r.claim.Roams = nil // only a server of the same group can tell
	r.at.Renew(&r.claim, metrics.ServerFatal)
	r.out.drop(r.loop)
	if why := r.obtain(); why != metrics.None {
		return why
	}
	r.goOn(1)
	switch s := r.claim.Server; {
	case s == nil: // cancelled meanwhile
		r.flushReply()
	case s.SamePostmaster(lost):
		r.release()
		r.lose(said)
	default:
		r.sess.TakeBack()
		r.serveBy(s)
		r.askAgain()
		r.runs++
		r.at.Metrics().Shard(r.loop.ID).Repeated.Add(1)
		r.at.Count(metrics.Outcomes{Repeated: 1})
		r.c.proxy.log.Info("statement run again", "id", r.c.id, "member", s.Member(), "pid", s.PID(), "times", r.runs)
	}
	return metrics.None
}

// isBrief reports whether what the client has asked, which begins with a frame that the
// session has just seen, only reads, and could be run again.
func (r *relay) isBrief(rest []byte) bool {
	if r.c.mode == modeSession || len(rest) > maxAgain {
		return false
	}
	parses, binds := 0, 0
	for at := rest; len(at) > 0; {
		f, ok, err := wire.Next(at)
		if err != nil || !ok || !f.Whole() {
			return false
		}
		at = at[wire.HeaderLen+f.Size:]
		switch f.Type {
		case 'Q', 'F', 'S':
			return len(at) == 0 && r.sess.IsBrief(rest)
		case 'P':
			parses++
		case 'B':
			binds++
		case 'D', 'E', 'C', 'H':
		default:
			return false
		}
		if parses > 1 || binds > 1 {
			return false
		}
	}
	return rest == nil // at its login it asks nothing
}
