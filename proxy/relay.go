package proxy

import (
	"errors"
	"io"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// fromClient reads once and acts on every frame that is whole.
func (w *work) fromClient() metrics.Reason {
	buf := w.loop.Scratch()
	more := !w.in.ready
	n := w.in.load(w.loop, buf)
	if more {
		read, err := w.c.sock.Read(buf[n:])
		if err != nil {
			w.clientReadable = false
			w.in.keep(w.loop, buf[:n])
			return w.clientError(err)
		}
		if w.c.sock.Drained(read, len(buf)-n) {
			w.clientReadable = false
		}
		n += read
		w.c.pool.Metrics.Shard(w.loop.ID).BytesReceived.Add(uint64(read))
	}
	return w.takeRequests(buf[:n])
}

// clientError sorts a failed read: nothing there, closed, broken.
func (w *work) clientError(err error) metrics.Reason {
	switch {
	case errors.Is(err, loop.ErrNotNow):
		return metrics.None
	case errors.Is(err, io.EOF):
		return metrics.ClientClosed
	}
	return metrics.ClientGone
}

// takeRequests walks over the client's frames and sends those that go to the
// server in runs, one write for each.
func (w *work) takeRequests(buf []byte) metrics.Reason {
	run, i := 0, 0
	for i < len(buf) {
		if w.in.passing > 0 {
			n := min(w.in.passing, len(buf)-i)
			w.in.passing -= n
			i += n
			if w.in.dropped {
				run = i
			}
			continue
		}
		f, ok, err := wire.Next(buf[i:])
		if err != nil {
			w.sendServer(buf[run:i])
			w.tell(wire.Fatal(wire.ProtocolViolation, "%s", err))
			return metrics.ClientProtocol
		}
		if !ok || !f.Whole() && f.Size <= keepWhole {
			break
		}
		v := w.sess.fromClient(f, w.claim.Server != nil)
		end := i + wire.HeaderLen + len(f.Body)
		if v == forward && w.claim.Server == nil {
			// The frame is counted as asked already; only its bytes wait.
			rest, why := w.link(buf[i:])
			if why != metrics.None || rest == nil {
				return why
			}
			end -= i
			buf, i, run = rest, 0, 0
			if w.claim.Server == nil {
				v = answer // refused while it waited
			}
		}
		if v != forward {
			w.sendServer(buf[run:i])
			run = end
		}
		switch v {
		case answer:
			w.flushReply()
		case finish:
			w.leaving = true
			return metrics.None
		case violate:
			w.tell(w.sess.fault)
			return metrics.ClientProtocol
		}
		i = end
		w.in.passing, w.in.dropped = f.Size-len(f.Body), v != forward
	}
	w.sendServer(buf[run:i])
	w.in.keep(w.loop, buf[i:])
	return metrics.None
}

// sendServer forwards a run. A broken server is noticed by its next read.
func (w *work) sendServer(run []byte) {
	if len(run) > 0 && w.claim.Server != nil {
		if w.claim.Server.Sock.Write(run) != nil {
			w.claim.Events |= loop.Readable
		}
	}
}

// flushReply sends what the session itself has to say.
func (w *work) flushReply() {
	if len(w.sess.reply) > 0 {
		w.c.sock.Write(w.sess.reply) //nolint:errcheck // a client that is gone is noticed by its next event
		w.sess.reply = w.sess.reply[:0]
	}
}

// fromServer reads once and forwards every frame that is whole, in one write.
func (w *work) fromServer() metrics.Reason {
	s := w.claim.Server
	buf := w.loop.Scratch()
	n := w.out.load(w.loop, buf)
	read, err := s.Sock.Read(buf[n:])
	switch {
	case err == loop.ErrNotNow:
		w.claim.Events &^= loop.Readable
		w.out.keep(w.loop, buf[:n])
		return metrics.None
	case err != nil:
		return w.serverLost(metrics.ServerLost, nil)
	}
	if s.Sock.Drained(read, len(buf)-n) {
		w.claim.Events &^= loop.Readable
	}
	return w.takeAnswers(buf[:n+read])
}

func (w *work) takeAnswers(buf []byte) metrics.Reason {
	i := 0
	for i < len(buf) {
		if w.out.passing > 0 {
			n := min(w.out.passing, len(buf)-i)
			w.out.passing -= n
			i += n
			continue
		}
		f, ok, err := wire.Next(buf[i:])
		if err != nil {
			w.sendClient(buf[:i])
			return w.serverLost(metrics.ServerProtocol, nil)
		}
		if !ok || !f.Whole() && f.Size <= keepWhole {
			break
		}
		switch w.sess.fromServer(f) {
		case violate:
			w.sendClient(buf[:i])
			w.logServer(w.sess.fault)
			return w.serverLost(metrics.ServerProtocol, nil)
		case dying:
			w.sendClient(buf[:i])
			return w.serverLost(metrics.ServerFatal, w.sess.fault)
		}
		if f.Type == 'S' {
			w.reported(f)
		}
		i += wire.HeaderLen + len(f.Body)
		w.out.passing = f.Size - len(f.Body)
	}
	w.out.keep(w.loop, buf[i:])
	w.count(i)
	return w.sendClient(buf[:i])
}

// reported keeps a lent server's own picture of its parameters.
func (w *work) reported(f wire.Frame) {
	if name, value, ok := wire.ParameterStatus(f.Body); ok && f.Whole() {
		w.claim.Server.Reported(name, value)
	}
}

// count brings what the session has seen into the pool's counters.
func (w *work) count(sent int) {
	m := w.c.pool.Metrics.Shard(w.loop.ID)
	m.BytesSent.Add(uint64(sent))
	if n := w.sess.queries; n > 0 {
		m.Queries.Add(uint64(n))
		w.sess.queries = 0
	}
	if n := w.sess.transactions; n > 0 {
		m.Transactions.Add(uint64(n))
		w.sess.transactions = 0
	}
}

// sendClient forwards a run to the client. One that has said goodbye hears no
// more of it.
func (w *work) sendClient(run []byte) metrics.Reason {
	if len(run) == 0 {
		return metrics.None
	}
	if err := w.c.sock.Write(run); err != nil && !w.leaving {
		return metrics.ClientGone
	}
	return metrics.None
}

// serverLost gives up the server and brings the client to a state it can go on
// from. Where that cannot be done, the client ends.
func (w *work) serverLost(why metrics.Reason, said *wire.Error) metrics.Reason {
	w.logServer(said)
	half := w.out.passing > 0
	w.c.pool.Discard(&w.claim, why)
	w.out.drop(w.loop)
	w.in.dropped = true // the rest of a frame that streams, if one does
	if half {
		return why // in the middle of a message there is no room for an error
	}
	if w.c.mode == modeSession {
		w.tell(wire.Fatal(wire.ConnectionFailure, "the server was lost, and with it what the session had set up"))
		return why
	}
	w.sess.foreign = false
	w.sess.lose(said)
	w.flushReply()
	return metrics.None
}

func (w *work) logServer(said *wire.Error) {
	if said != nil && w.claim.Server != nil {
		w.c.proxy.log.Warn("server's last word", "member", w.claim.Server.Member(), "pid", w.claim.Server.PID(), "error", said.Error())
	}
}
