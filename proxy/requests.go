package proxy

import (
	"errors"
	"io"

	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// fromClient reads once and acts on every frame that is whole.
func (r *relay) fromClient() metrics.Reason {
	buf, why := r.readClient()
	if buf == nil {
		return why
	}
	return r.takeRequests(buf)
}

// readClient reads once, behind what was kept; nil: there is nothing, or the client has gone.
func (r *relay) readClient() ([]byte, metrics.Reason) {
	buf := r.loop.Scratch()
	more := !r.in.ready
	n := r.in.load(r.loop, buf)
	if more {
		read, err := r.c.sock.Read(buf[n:])
		if err != nil {
			r.clientReadable = false
			r.in.keep(r.loop, buf[:n])
			return nil, r.clientError(err)
		}
		if r.c.sock.Drained(read, len(buf)-n) {
			r.clientReadable = false
		}
		n += read
		r.at.Metrics().Shard(r.loop.ID).BytesReceived.Add(uint64(read))
	}
	return buf[:n], metrics.None
}

// clientError sorts a failed read: nothing there, closed, broken.
func (r *relay) clientError(err error) metrics.Reason {
	switch {
	case errors.Is(err, loop.ErrNotNow):
		return metrics.None
	case errors.Is(err, io.EOF):
		return metrics.ClientClosed
	}
	return metrics.ClientGone
}

// takeRequests walks over the client's frames and sends those that go to the
// server in runs, one write for each. What is too much for one turn is kept.
func (r *relay) takeRequests(buf []byte) metrics.Reason {
	run, i, work := 0, 0, 0
	start, alone := 0, !r.sess.Busy() // where begins what is sent; nothing is under way before it
	if alone {
		r.asked = r.loop.Now()
	}
	r.sess.Heard(r.at.Heard())
	if alone && r.spread != nil {
		if why, goes := r.turnsHome(buf); goes {
			return why
		}
	}
	for i < len(buf) && work < perTurn {
		if r.in.passing > 0 {
			i += r.passes(buf[i:])
			if r.in.dropped {
				run = i
			}
			if !r.sess.Busy() {
				start, alone = i, true
			}
			continue
		}
		f, ok, err := wire.Next(buf[i:])
		if err != nil {
			r.sendServer(buf[run:i])
			r.tell(wire.Fatal(wire.ProtocolViolation, "%s", err))
			return metrics.ClientProtocol
		}
		if !ok || !f.Whole() && (f.Size <= keepWhole || len(f.Body) < session.NameHead) {
			break
		}
		if r.isSettling() {
			r.sendServer(buf[run:i])
			r.hold(buf[i:], i+work)
			return metrics.None
		}
		said := len(r.sess.Reply)
		v := session.Forward
		if !r.in.counted {
			v = r.sess.FromClient(f, r.claim.Server != nil)
		}
		r.in.counted = false
		work += perFrame + perReply*(len(r.sess.Reply)-said)
		end := i + wire.HeaderLen + len(f.Body)
		if v == session.Forward && r.claim.Server == nil {
			r.flushReply()
			// The frame is counted as asked already; only its bytes wait.
			rest, why := r.lease(buf[i:])
			if why != metrics.None || rest == nil {
				return why
			}
			end -= i
			buf, i, run, start = rest, 0, 0, 0
			f, _, _ = wire.Next(buf) // it may lie elsewhere now
			if r.claim.Server == nil {
				v = session.Answer // refused while it waited
			}
		}
		dropped := v != session.Forward
		switch {
		case dropped:
			r.sendServer(buf[run:i])
			run = end
			if !r.sess.Busy() {
				start, alone = end, true
			}
		case r.claim.Server != nil:
			run, dropped = r.edit(f, buf, run, i)
			if r.sess.Held() {
				r.sendServer(nil)
				r.hold(buf[i:], i+work)
				r.in.counted = true
				return metrics.None
			}
		}
		if why, stops := r.stopsAt(v, buf[i:], i+work); stops {
			return why
		}
		i = end
		r.in.passing, r.in.dropped = f.Size-len(f.Body), dropped
		if !dropped && isAnother('d', f, buf[i:]) { // a 'D' is a Describe here
			n, more := wire.RunOf(f.Type, buf[i:])
			i += n
			work += more * perAlike
		}
	}
	r.spend(i + work)
	r.flushReply()
	r.sendServer(buf[run:i])
	if start < i {
		r.keepAgain(buf[start:i], alone, i == len(buf))
	}
	r.in.keep(r.loop, buf[i:])
	r.in.ready = i < len(buf) && work >= perTurn
	return metrics.None
}

// passes is how much at the beginning of b belongs to a frame that streams.
func (r *relay) passes(b []byte) int {
	n := min(r.in.passing, len(b))
	r.in.passing -= n
	if r.c.mode != modeSession {
		r.sess.Passing(b[:n], r.in.passing == 0)
	}
	return n
}

// edit shows the session a frame at buf[at:] with the server at hand. What is to
// go out differently is kept, with the run before it. It returns where the run begins
// then, and whether what has not come yet of a long frame goes nowhere.
func (r *relay) edit(f wire.Frame, buf []byte, run, at int) (begins int, dropped bool) {
	edit, replaced := r.sess.Send(f)
	if replaced == 0 && len(edit) == 0 {
		return run, false
	}
	here := wire.HeaderLen + len(f.Body)
	r.st.edited = append(append(r.st.edited, buf[run:at]...), edit...)
	return at + min(replaced, here), replaced > here
}

// stopsAt acts on a verdict behind which no more is taken; rest begins with its
// frame, and work was done in this turn.
func (r *relay) stopsAt(v session.Verdict, rest []byte, work int) (why metrics.Reason, stops bool) {
	switch v {
	case session.Wait:
		r.hold(rest, work)
		return metrics.None, true
	case session.Finish:
		r.flushReply()
		r.leave()
		return metrics.None, true
	case session.Violate:
		r.tell(r.sess.Fault)
		return metrics.ClientProtocol, true
	}
	return metrics.None, false
}

// hold keeps back what the client has sent until the server has answered more.
// work is what was done in this turn before.
func (r *relay) hold(rest []byte, work int) {
	r.spend(work)
	r.flushReply()
	r.in.keep(r.loop, rest)
	r.in.held = true
	r.again, r.opening = r.again[:0], unopened
}

// sendServer forwards a run, behind what of it had to be edited. A broken server
// is noticed by its next read.
func (r *relay) sendServer(run []byte) {
	if edited := r.st.edited; len(edited) > 0 {
		run = append(edited, run...)
		r.st.edited = run[:0]
	}
	if len(run) > 0 && r.claim.Server != nil {
		if r.sess.Notifies() {
			r.sign()
		}
		if r.sess.Busy() {
			r.watch.start(r.loop.Now())
		}
		if r.claim.Server.Sock.Write(run) != nil {
			r.claim.Events |= loop.Readable
		}
	}
}

// flushReply sends what the session itself has to say.
func (r *relay) flushReply() {
	if len(r.sess.Reply) > 0 {
		r.c.sock.Write(r.sess.Reply) //nolint:errcheck // a client that is gone is noticed by its next event
		r.at.Metrics().Shard(r.loop.ID).BytesSent.Add(uint64(len(r.sess.Reply)))
		r.sess.Reply = r.sess.Reply[:0]
	}
}
