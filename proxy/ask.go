package proxy

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// outcome is how a server answered a question of our own.
type outcome struct {
	status byte           // of ReadyForQuery
	said   *wire.Error    // its error, if it gave one
	why    metrics.Reason // the server cannot be used any more
}

// ask sends messages of our own to the lent server and reads up to
// ReadyForQuery. The client hears nothing of it. track: what the server
// reports is the client's doing and belongs into its settings.
func (w *work) ask(messages []byte, track bool) outcome {
	w.asking = true
	defer func() { w.asking = false }()
	s := w.claim.Server
	if s.Sock.Write(messages) != nil {
		return outcome{why: metrics.ServerLost}
	}
	end := after(w.loop.Now(), w.c.proxy.cfg.Pool.ServerConnectTimeout)
	var o outcome
	var kept []byte
	for (o.status == 0 || len(kept) > 0) && o.why == metrics.None {
		if o.why = w.awaitServer(end); o.why != metrics.None {
			break
		}
		buf := w.loop.Scratch()
		n := copy(buf, kept)
		read, err := s.Sock.Read(buf[n:])
		switch {
		case err == loop.ErrNotNow:
			w.claim.Events &^= loop.Readable
		case err != nil:
			o.why = metrics.ServerLost
		default:
			kept = append(kept[:0], w.hear(&o, buf[:n+read], track)...)
		}
	}
	return o
}

// awaitServer parks until the server's socket is readable.
func (w *work) awaitServer(end int64) metrics.Reason {
	for w.claim.Events&loop.Readable == 0 {
		switch {
		case w.claim.Lost != metrics.None:
			return w.claim.Lost
		case w.cut:
			return metrics.Shutdown
		case end != 0 && w.loop.Now() >= end:
			return metrics.ServerDirty
		}
		w.hush()
		w.claim.Server.Sock.Watch(true)
		w.task.ParkUntil(end)
		w.flushServer()
	}
	return metrics.None
}

// hear takes the server's answers and returns the frame that is not whole yet.
func (w *work) hear(o *outcome, b []byte, track bool) []byte {
	for {
		f, ok, err := wire.Next(b)
		if err != nil || f.Size > keepWhole {
			o.why = metrics.ServerProtocol
			return nil
		}
		if !ok || !f.Whole() {
			return b
		}
		switch f.Type {
		case 'S':
			w.reported(f)
			if track {
				w.sess.parameter(f)
			}
		case 'E':
			o.said = wire.ParseError(f.Body)
			if isFatal(f.Body) {
				o.why = metrics.ServerFatal
				return nil
			}
		case 'Z':
			if o.status != 0 || f.Size != 1 {
				o.why = metrics.ServerProtocol
				return nil
			}
			o.status = f.Body[0]
		}
		b = b[wire.HeaderLen+f.Size:]
	}
}

func query(sql string) []byte {
	b, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		panic(err) // longer than a frame; our own texts are not
	}
	return b
}

var (
	rollback   = query("ROLLBACK")
	discardAll = query("DISCARD ALL")
)
