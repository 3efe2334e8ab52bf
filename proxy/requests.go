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

// walk is how far the relay has come with what a client has sent.
type walk struct {
	buf   []byte
	at    int  // where the next frame begins
	run   int  // where that begins which is not sent yet
	start int  // where that begins which may have to be asked again
	alone bool // nothing was under way before that
	work  int  // that was done, but for the bytes
}

// takeRequests walks over the client's frames and sends those that go to the
// server in runs, one write for each. What is too much for one turn is kept.
func (r *relay) takeRequests(buf []byte) metrics.Reason {
	w := walk{buf: buf, alone: !r.sess.Busy()}
	if w.alone {
		r.asked = r.loop.Now()
	}
	r.sess.Heard(r.at.Heard())
	if w.alone && r.spread != nil {
		if why, goes := r.turnsHome(buf); goes {
			return why
		}
	}
	var f wire.Frame
	for w.at < len(w.buf) && w.work < perTurn {
		if r.in.passing > 0 {
			r.goesBy(&w)
			continue
		}
		ok, err := f.Begin(w.buf[w.at:])
		if err != nil {
			r.sendServer(w.buf[w.run:w.at])
			r.tell(wire.Fatal(wire.ProtocolViolation, "%s", err))
			return metrics.ClientProtocol
		}
		if !ok || !f.Whole() && (f.Size <= keepWhole || len(f.Body) < session.NameHead) {
			break
		}
		if why, stops := r.takeRequest(&w, f); stops {
			return why
		}
	}
	r.requested(&w)
	return metrics.None
}

// takeRequest takes the next frame. stops: no more is taken, and what comes is seen to.
func (r *relay) takeRequest(w *walk, f wire.Frame) (why metrics.Reason, stops bool) {
	if r.isSettling() {
		r.sendServer(w.buf[w.run:w.at])
		r.hold(w)
		return metrics.None, true
	}
	v, said := session.Forward, len(r.sess.Reply)
	if !r.in.counted {
		v = r.sess.FromClient(f, r.claim.Server != nil)
	}
	r.in.counted = false
	w.work += perFrame + perReply*(len(r.sess.Reply)-said)
	if v == session.Forward && r.claim.Server == nil {
		if why, stops := r.leaseFor(w); stops {
			return why, true
		}
		f, _, _ = wire.Next(w.buf) // it may lie elsewhere now
		if r.claim.Server == nil {
			v = session.Answer // refused while it waited
		}
	}
	dropped := v != session.Forward
	if dropped {
		if why, stops := r.keepFromServer(v, w, f); stops {
			return why, true
		}
	} else if edit, replaced := r.sess.Send(f); replaced > 0 || len(edit) > 0 {
		dropped = r.edit(w, f, edit, replaced)
	}
	if !dropped && r.sess.Held() {
		r.sendServer(nil)
		r.hold(w)
		r.in.counted = true
		return metrics.None, true
	}
	w.at += wire.HeaderLen + len(f.Body)
	r.in.passing, r.in.dropped = f.Size-len(f.Body), dropped
	if f.Type == 'd' && !dropped {
		n, more := wire.RunOf('d', w.buf[w.at:])
		w.at += n
		w.work += more * perAlike
	}
	return metrics.None, false
}

// leaseFor gets a server for the next frame and those behind it, with which the walk begins then.
// The frame is counted as asked already; only its bytes wait.
func (r *relay) leaseFor(w *walk) (why metrics.Reason, stops bool) {
	r.flushReply()
	rest, why := r.lease(w.buf[w.at:])
	if why != metrics.None || rest == nil {
		return why, true
	}
	w.buf, w.at, w.run, w.start = rest, 0, 0, 0
	return metrics.None, false
}

// goesBy takes what has come of a frame that streams.
func (r *relay) goesBy(w *walk) {
	b := w.buf[w.at:]
	n := r.in.passes(len(b))
	if r.c.mode != modeSession {
		r.sess.Passing(b[:n], r.in.passing == 0)
	}
	w.at += n
	if r.in.dropped {
		w.run = w.at
	}
	if !r.sess.Busy() {
		w.start, w.alone = w.at, true
	}
}

// edit keeps what is to go out in place of the first replaced bytes of the next frame, with the run
// before it. dropped: what has not come yet of a long frame goes nowhere.
func (r *relay) edit(w *walk, f wire.Frame, edit []byte, replaced int) (dropped bool) {
	here := wire.HeaderLen + len(f.Body)
	r.st.edited = append(append(r.st.edited, w.buf[w.run:w.at]...), edit...)
	w.run = w.at + min(replaced, here)
	return replaced > here
}

// keepFromServer acts on a verdict by which the next frame does not go to the server. stops: no more
// is taken behind it.
func (r *relay) keepFromServer(v session.Verdict, w *walk, f wire.Frame) (why metrics.Reason, stops bool) {
	r.sendServer(w.buf[w.run:w.at])
	switch v {
	case session.Wait:
		r.hold(w)
		return metrics.None, true
	case session.Finish:
		r.flushReply()
		r.leave()
		return metrics.None, true
	case session.Violate:
		r.tell(r.sess.Fault)
		return metrics.ClientProtocol, true
	}
	w.run = w.at + wire.HeaderLen + len(f.Body)
	if !r.sess.Busy() {
		w.start, w.alone = w.run, true
	}
	return metrics.None, false
}

// hold keeps back what the client has sent, from the next frame on, until the server has answered
// more.
func (r *relay) hold(w *walk) {
	r.spend(w.at + w.work)
	r.flushReply()
	r.in.keep(r.loop, w.buf[w.at:])
	r.in.held = true
	r.again, r.opening = r.again[:0], unopened
}

// requested sends what is left to be sent of what the client has asked, and keeps what is not
// taken yet.
func (r *relay) requested(w *walk) {
	r.spend(w.at + w.work)
	r.flushReply()
	r.sendServer(w.buf[w.run:w.at])
	if w.start < w.at {
		r.keepAgain(w.buf[w.start:w.at], w.alone, w.at == len(w.buf))
	}
	r.in.keep(r.loop, w.buf[w.at:])
	r.in.ready = w.at < len(w.buf) && w.work >= perTurn
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
