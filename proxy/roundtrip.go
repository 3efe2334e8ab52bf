package proxy

import (
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// outcome is how a server answered a question of our own.
type outcome struct {
	status byte           // of ReadyForQuery
	said   *wire.Error    // its error, if it gave one
	done   int            // statements completed before it
	row    [][]byte       // the values of the last row; nil: there was none
	rows   [][][]byte     // of all rows
	why    metrics.Reason // the server cannot be used any more
}

// roundTrip sends messages of our own to the lent server and reads up to
// ReadyForQuery. The client hears nothing of it. track: what the server
// reports is the client's doing and belongs into its settings.
func (r *relay) roundTrip(messages []byte, track bool) outcome {
	r.asking = true
	defer func() { r.asking = false }()
	s := r.claim.Server
	s.Memory.Overwritten()
	if s.Sock.Write(messages) != nil {
		return outcome{why: metrics.ServerLost}
	}
	end := after(r.loop.Now(), r.c.proxy.config().Pool.ServerConnectTimeout)
	var o outcome
	var kept []byte
	for (o.status == 0 || len(kept) > 0) && o.why == metrics.None {
		if o.why = r.awaitServer(end); o.why != metrics.None {
			break
		}
		buf := r.loop.Scratch()
		n := copy(buf, kept)
		read, err := s.Sock.Read(buf[n:])
		switch {
		case err == loop.ErrNotNow:
			r.claim.Events &^= loop.Readable
		case err != nil:
			o.why = metrics.ServerLost
		default:
			r.spend(read)
			kept = append(kept[:0], r.hear(&o, buf[:n+read], track)...)
		}
	}
	return o
}

// awaitServer parks until the server's socket is readable.
func (r *relay) awaitServer(end int64) metrics.Reason {
	if why := r.share(); why != metrics.None {
		return why
	}
	for r.claim.Events&loop.Readable == 0 {
		switch {
		case r.claim.Lost != metrics.None:
			return r.claim.Lost
		case r.cut:
			return metrics.Shutdown
		case end != 0 && r.loop.Now() >= end:
			return metrics.ServerDirty
		}
		r.hush()
		r.claim.Server.Sock.Watch(true)
		r.task.ParkUntil(end)
		r.flushServer()
	}
	return metrics.None
}

// hear takes the server's answers and returns the frame that is not whole yet.
func (r *relay) hear(o *outcome, b []byte, track bool) []byte {
	for {
		f, ok, err := wire.Next(b)
		if err != nil || f.Size > keepWhole {
			o.why = metrics.ServerProtocol
			return nil
		}
		if !ok || !f.Whole() {
			return b
		}
		if s := r.claim.Server; s.Owed > 0 && f.Type != 'S' {
			if o.why = forgo(s, f); o.why != metrics.None {
				return nil
			}
			b = b[wire.HeaderLen+f.Size:]
			continue
		}
		switch f.Type {
		case 'S':
			r.reported(f)
			if track {
				r.sess.Reported(f)
			}
		case 'D':
			o.row = valuesOf(f.Body)
			o.rows = append(o.rows, o.row)
		case 'C':
			o.done++
		case 'E':
			o.said = wire.ParseError(f.Body)
			if wire.IsFatal(f.Body) {
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

// forgo takes what a server still owes to what it was told before.
func forgo(s *pool.Server, f wire.Frame) metrics.Reason {
	switch f.Type {
	case 'C', 'N':
	case 'Z':
		s.Owed--
	case 'E':
		return metrics.ServerDirty
	default:
		return metrics.ServerProtocol
	}
	return metrics.None
}

// valuesOf is a copy of a row's values; one that is null is nil.
func valuesOf(body []byte) [][]byte {
	var row pgproto3.DataRow
	if row.Decode(slices.Clone(body)) != nil {
		return nil
	}
	return row.Values
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
	resetRole  = query("RESET ROLE; SELECT pg_catalog.pg_my_temp_schema() = 0")

	resetRights = query("RESET SESSION AUTHORIZATION; RESET ROLE")
)
