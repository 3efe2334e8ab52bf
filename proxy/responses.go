package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// fromServer reads once and forwards every frame that is whole, in one write.
func (r *relay) fromServer() metrics.Reason {
	s := r.claim.Server
	buf, err := r.readServer(s, r.loop.Scratch())
	if err == nil {
		return r.takeAnswers(buf)
	}
	if err == loop.ErrNotNow {
		r.thins()
		return metrics.None
	}
	return r.serverLost(metrics.ServerLost, nil, nil)
}

// readServer reads once into buf, behind what was kept, and returns what there is now. With
// loop.ErrNotNow it is kept as before.
func (r *relay) readServer(s *pool.Server, buf []byte) ([]byte, error) {
	n := r.out.load(r.loop, buf)
	read, err := s.Sock.Read(buf[n:])
	if err != nil { // to compare it with ErrNotNow costs more than this
		if err == loop.ErrNotNow {
			r.claim.Events &^= loop.Readable
			r.out.keep(r.loop, buf[:n])
		}
		return nil, err
	}
	if s.Sock.Drained(read, len(buf)-n) {
		r.claim.Events &^= loop.Readable
	}
	return buf[:n+read], nil
}

// takeAnswers walks over the server's frames and sends those that go to the client in runs, one
// write for each.
func (r *relay) takeAnswers(buf []byte) metrics.Reason {
	if why, goes := r.asksElsewhere(buf); goes {
		return why
	}
	run, i, frames, alike := 0, 0, 0, 0
	var f wire.Frame
	for i < len(buf) {
		if r.out.passing > 0 {
			i += r.out.passes(len(buf) - i)
			continue
		}
		ok, err := f.Begin(buf[i:])
		if err != nil {
			r.sendClient(buf[run:i])
			return r.serverLost(metrics.ServerProtocol, nil, nil)
		}
		if !ok || !f.Whole() && f.Size <= keepWhole {
			break
		}
		v := r.sess.FromServer(f)
		end := i + wire.HeaderLen + len(f.Body)
		if f.Type == 'E' && r.hintsElsewhere(v) && r.sess.HintElsewhere(f) {
			v = session.Answer
		}
		if v != session.Forward {
			r.sendClient(buf[run:i])
			if why, ends := r.keepFromClient(v, f, buf[i:end]); ends {
				return why
			}
			run = end
		}
		if f.Type == 'S' {
			r.reported(f)
		}
		i = end
		r.out.passing = f.Size - len(f.Body)
		frames++
		if i < len(buf) && buf[i] == f.Type && isBulk(f.Type) && v == session.Forward {
			n, more := wire.RunOf(f.Type, buf[i:])
			i += n
			alike += more
		}
	}
	r.spend(i + frames*perFrame + alike*perAlike)
	if alike|r.flow.seen != 0 {
		r.flows(i, frames, alike)
	}
	r.answered(i, frames)
	r.out.keep(r.loop, buf[i:])
	return r.sendClient(buf[run:i])
}

// isBulk reports whether one message of type t behind another means the same to the session: a
// row, or a piece of a COPY.
func isBulk(t byte) bool { return t == 'D' || t == 'd' }

// asksElsewhere looks whether what a server has sent says that another is to be asked, and does
// that.
func (r *relay) asksElsewhere(buf []byte) (why metrics.Reason, goes bool) {
	if said := r.aborted(buf); said != nil {
		return r.runAgain(said), true
	}
	switch turn, status := r.refusedHere(buf); turn {
	case session.Turning: // its ReadyForQuery is on its way
		r.out.keep(r.loop, buf)
		return metrics.None, true
	case session.Turned:
		r.reportedIn(buf)
		return r.runAtHome(status), true
	}
	return metrics.None, false
}

// keepFromClient acts on a verdict by which the client does not get a frame, or not as it is. All
// before it has been sent. ends: the server cannot be used any more.
func (r *relay) keepFromClient(v session.Verdict, f wire.Frame, frame []byte) (why metrics.Reason, ends bool) {
	switch v {
	case session.Violate:
		r.logServer(r.sess.Fault)
		return r.serverLost(metrics.ServerProtocol, nil, nil), true
	case session.Dying:
		return r.serverLost(metrics.ServerFatal, r.sess.Fault, frame), true
	case session.Discard, session.Answer:
		r.flushReply()
	case session.Repeat:
		r.flushReply()
		r.askAgain()
	case session.Misname:
		r.misnamed()
	case session.Settle:
		r.flushReply()
		r.withheld = true
	case session.Hear:
		r.heardHere(f)
	}
	return metrics.None, false
}

// answered takes in that so many bytes and frames of the server have been gone through.
func (r *relay) answered(sent, frames int) {
	r.goOn(frames)
	if sent > 0 {
		r.runs = 0
	}
	if r.sess.Transactions > 0 {
		r.sign()
	}
	r.count(sent)
}

// goOn lets the client go on that was to wait for answers.
func (r *relay) goOn(answers int) {
	if r.in.held && answers > 0 {
		r.in.held, r.in.ready = false, true
	}
}

// reported keeps a lent server's own picture of its parameters.
func (r *relay) reported(f wire.Frame) {
	if name, value, ok := wire.ParameterStatus(f.Body); ok && f.Whole() {
		r.claim.Server.Reported(name, value)
	}
}

// reportedIn is reported for an answer that nobody else looks at.
func (r *relay) reportedIn(answer []byte) {
	for {
		f, ok, err := wire.Next(answer)
		if err != nil || !ok || !f.Whole() {
			return
		}
		if f.Type == 'S' {
			r.reported(f)
		}
		answer = answer[wire.HeaderLen+f.Size:]
	}
}

// count brings what the session has seen into the pool's counters.
func (r *relay) count(sent int) {
	m := r.at.Metrics().Shard(r.loop.ID)
	m.BytesSent.Add(uint64(sent))
	if n := r.sess.Queries; n > 0 {
		m.Queries.Add(uint64(n))
		r.sess.Queries = 0
	}
	r.watch.lap(m, r.times(), r.loop.Now(), r.sess.Transactions, r.sess.Busy())
	if n := r.sess.Transactions; n > 0 {
		m.Transactions.Add(uint64(n))
		r.due.transaction = 0 // what goes on is another one
		r.sess.Transactions = 0
	}
	r.countParses(m)
}

// sendClient forwards a run to the client. One that has said goodbye hears no
// more of it.
func (r *relay) sendClient(run []byte) metrics.Reason {
	if len(run) == 0 {
		return metrics.None
	}
	if err := r.c.sock.Write(run); err != nil && !r.goodbye {
		return metrics.ClientGone
	}
	return metrics.None
}
