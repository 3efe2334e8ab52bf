package proxy

import (
	"bytes"

	"portero/pool"
	"portero/wire"
)

// verdict says what becomes of a frame.
type verdict uint8

const (
	forward verdict = iota // to the other side, as it came
	discard                // to nobody
	answer                 // to nobody; session.reply has grown for the client
	finish                 // the client says goodbye
	violate                // the sender broke the protocol; session.fault says how
	dying                  // a server's FATAL: it is about to close
)

// session is what the frames of one client mean: what has been asked and not
// been answered, whether a transaction is open, whether the server may be lent
// to somebody else. It is pure: no I/O, no clock; the relay acts on its
// verdicts. It lives from a client's first frame to the client's next rest.
type session struct {
	expect   expectations
	status   byte // of the last ReadyForQuery: I idle, T in a transaction, E in a failed one
	busy     bool // something was forwarded that no ReadyForQuery has closed yet
	copyIn   bool // the server takes CopyData
	skipping bool // the server ignores all up to the next Sync
	opened   bool // BEGIN is among what is unanswered
	doubt    bool // what is unanswered may commit

	loss  loss            // what is still owed to the client for a server that is gone
	ends  map[string]kind // named statements that begin or end a transaction; nil until there is one
	last  kind            // of the unnamed statement
	bound kind            // of the portal bound last

	settings pool.Settings // as the client has set them
	defaults defaulter     // of the server in use
	foreign  bool          // the server's user was changed: it cannot be lent to others

	queries      int // statements finished since the relay last looked
	transactions int // ReadyForQuery with status I, likewise

	reply []byte // for the client; the relay sends and empties it
	fault *wire.Error
}

// defaulter knows what a parameter is when nobody has set it.
type defaulter interface {
	Default(name string) (value string, ok bool)
}

// reset makes the session fit for the next client.
func (s *session) reset(settings pool.Settings, ends map[string]kind) {
	s.expect.clear()
	if cap(s.reply) > 4096 {
		s.reply = nil
	}
	*s = session{expect: s.expect, reply: s.reply[:0], status: 'I', settings: settings, ends: ends}
}

// inTransaction reports whether the client has a transaction block open.
func (s *session) inTransaction() bool { return s.status != 'I' || s.opened }

// fromClient takes a client's frame. linked says whether the client holds a
// server.
func (s *session) fromClient(f wire.Frame, linked bool) verdict {
	if f.Type == 'X' {
		return finish
	}
	if s.loss.active() {
		return s.whileLost(f)
	}
	switch f.Type {
	case 'Q', 'P', 'B', 'E', 'D', 'C', 'F':
		return s.request(f)
	case 'S':
		return s.sync()
	case 'H':
		return forwardIf(linked)
	case 'd', 'c', 'f':
		return s.copyFrame(f.Type, linked)
	}
	s.fault = wire.Fatal(wire.ProtocolViolation, "invalid frontend message type %d", f.Type)
	return violate
}

// request forwards a frame that a server answers, unless the server is in a
// state in which it throws the frame away.
func (s *session) request(f wire.Frame) verdict {
	if s.skipping || s.copyIn {
		return forward
	}
	switch f.Type {
	case 'Q':
		s.account(classify(statement(f.Body, f.Whole())))
	case 'P':
		s.parse(f)
	case 'B':
		s.account(s.bind(f))
	case 'F':
		s.account(kindOther)
	}
	s.expect.push(f.Type)
	s.busy = true
	return forward
}

// sync is a Sync: a server ignores it while it takes CopyData.
func (s *session) sync() verdict {
	if s.copyIn {
		return forward
	}
	s.skipping = false
	s.expect.push('S')
	s.busy = true
	return forward
}

// copyFrame is CopyData, CopyDone or CopyFail. Behind a COPY that has failed
// a client may still be sending; a server ignores that, and so do we.
func (s *session) copyFrame(t byte, linked bool) verdict {
	if !linked || !s.busy {
		return discard
	}
	if t != 'd' {
		if s.copyIn {
			s.copyIn = false
		} else {
			s.expect.push('c')
			s.expect.trim()
		}
	}
	return forward
}

func forwardIf(linked bool) verdict {
	if linked {
		return forward
	}
	return discard
}

// parse remembers which statements begin or end a transaction.
func (s *session) parse(f wire.Frame) {
	name, rest, ok := wire.CutString(f.Body)
	if !ok {
		s.last = kindMayCommit
		return
	}
	k := classify(statement(rest, f.Whole()))
	if len(name) == 0 {
		s.last = k
		return
	}
	if k == kindOther {
		delete(s.ends, string(name))
		return
	}
	if s.ends == nil {
		s.ends = make(map[string]kind)
	}
	s.ends[string(name)] = k
}

// bind returns the kind of the statement that a Bind names.
func (s *session) bind(f wire.Frame) kind {
	_, rest, ok := wire.CutString(f.Body)
	if !ok {
		return kindMayCommit
	}
	name, _, ok := wire.CutString(rest)
	if !ok {
		return kindMayCommit
	}
	if len(name) == 0 {
		return s.last
	}
	return s.ends[string(name)]
}

// account notes what an unanswered statement may do to the database.
func (s *session) account(k kind) {
	switch k {
	case kindBegin:
		if s.status == 'I' {
			s.opened = true
		}
	case kindCommit, kindMayCommit:
		s.doubt = true
	case kindOther:
		if !s.inTransaction() {
			s.doubt = true
		}
	}
}

// statement cuts the text of a Query or Parse at its terminator.
func statement(b []byte, whole bool) ([]byte, bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i], true
	}
	return b, whole
}
