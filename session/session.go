package session

import (
	"bytes"

	"portero/wire"
)

// Verdict says what becomes of a frame.
type Verdict uint8

const (
	Forward Verdict = iota // to the other side, as it came
	Discard                // to nobody
	Answer                 // to nobody; session.Reply has grown for the client
	Finish                 // the client says goodbye
	Violate                // the sender broke the protocol; session.Fault says how
	Dying                  // a server's FATAL: it is about to close
)

// session is what the frames of one client mean: what has been asked and not
// been answered, whether a transaction is open, whether the server may be lent
// to somebody else. It is pure: no I/O, no clock; the relay acts on its
// verdicts. It lives from a client's first frame to the client's next rest.
type Session struct {
	expect   expectations
	status   byte // of the last ReadyForQuery: I idle, T in a transaction, E in a failed one
	busy     bool // something was forwarded that no ReadyForQuery has closed yet
	copyIn   bool // the server takes CopyData
	early    bool // ... and has been sent a Sync meanwhile, which it ignores if the COPY goes well
	stray    bool // it did not go well: a ReadyForQuery may come that nobody waits for
	skipping bool // the server ignores all up to the next Sync
	told     bool // the oldest request has been answered by an error, its ReadyForQuery is to come

	opened  bool // BEGIN is among what is unanswered
	leaving bool // ROLLBACK is among it
	others  bool // and so is something that is no ROLLBACK
	loose   bool // the block may be over: what comes next may commit at once
	doubt   bool // what is unanswered may commit
	sealed  bool // ... even if the server's last word is an error

	loss  loss            // what is still owed to the client for a server that is gone
	ends  map[string]kind // named statements that begin or end a transaction; nil until there is one
	last  kind            // of the unnamed statement
	bound kind            // of the unnamed portal
	named kind            // of the named portals, taken together

	settings Settings  // as the client has set them
	kept     Settings  // as they are if the transaction is rolled back
	defaults Defaulter // of the server in use
	foreign  bool      // the server cannot be lent to others: it acts as another user, or may owe an answer

	Queries      int // statements finished since the relay last looked
	Transactions int // ReadyForQuery with status I, likewise

	Reply []byte // for the client; the relay sends and empties it
	Fault *wire.Error
}

// Defaulter knows what a parameter is when nobody has set it.
type Defaulter interface {
	Default(name string) (value string, ok bool)
}

// Rest is what a client carries from one piece of work to the next.
type Rest struct {
	Settings Settings        // what it has set
	ends     map[string]kind // its named statements that begin or end transactions; nil mostly
}

// Reset makes the session fit for the next client, with what that client has
// carried here.
func (s *Session) Reset(from Rest) {
	s.expect.clear()
	if cap(s.Reply) > 4096 {
		s.Reply = nil
	}
	*s = Session{expect: s.expect, Reply: s.Reply[:0], status: 'I', settings: from.Settings, kept: from.Settings, ends: from.ends}
}

// Rest is what the client carries on.
func (s *Session) Rest() Rest { return Rest{Settings: s.settings, ends: s.ends} }

// Settings are the client's, as far as a server has reported them.
func (s *Session) Settings() Settings { return s.settings }

// Serve tells the session which server answers from now on, as far as it must
// know it: what its parameters are where nobody has set them. nil: none.
func (s *Session) Serve(d Defaulter) { s.defaults, s.foreign, s.stray = d, false, false }

// Busy reports whether something was asked that no ReadyForQuery has closed yet.
func (s *Session) Busy() bool { return s.busy }

// Status is that of the last ReadyForQuery: I idle, T in a transaction, E in a
// failed one.
func (s *Session) Status() byte { return s.status }

// Unanswered is how many requests the server still owes an answer.
func (s *Session) Unanswered() int { return s.expect.len() }

// Lost reports whether the client is still owed something for a server that is gone.
func (s *Session) Lost() bool { return s.loss.active() }

// Lending is the verdict on the server that the client holds.
type Lending uint8

const (
	Kept  Lending = iota // something is unanswered, or a transaction is open
	Free                 // anybody may have it
	Dirty                // nothing is owed, but nobody else may have it
)

// Lending is asked wherever a server might be given back: the one place that
// decides it.
func (s *Session) Lending() Lending {
	switch {
	case s.busy || s.status != 'I':
		return Kept
	case s.foreign, s.stray:
		return Dirty
	}
	return Free
}

// inTransaction reports whether the client has a transaction block open.
func (s *Session) inTransaction() bool { return s.status != 'I' || s.opened }

// fromClient takes a client's frame. linked says whether the client holds a
// server.
func (s *Session) FromClient(f wire.Frame, linked bool) Verdict {
	if f.Type == 'X' {
		return Finish
	}
	if s.loss.active() {
		return s.whileLost(f)
	}
	switch f.Type {
	case 'Q', 'P', 'B', 'E', 'D', 'C', 'F':
		return s.request(f)
	case 'S':
		return s.sync(linked)
	case 'H':
		return s.flush(f, linked)
	case 'd', 'c', 'f':
		return s.copyFrame(f.Type, linked)
	}
	return s.invalid(f.Type)
}

func (s *Session) invalid(t byte) Verdict {
	s.Fault = wire.Fatal(wire.ProtocolViolation, "invalid frontend message type %d", t)
	return Violate
}

// request forwards a frame that a server answers, unless the server is in a
// state in which it throws the frame away.
func (s *Session) request(f wire.Frame) Verdict {
	if s.copyIn {
		// A server would say so in two messages and hang up.
		s.Fault = wire.Fatal(wire.ProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", f.Type)
		return Violate
	}
	if s.skipping {
		return Forward
	}
	s.note(f.Type, s.meaning(f))
	s.expect.push(f.Type)
	s.busy = true
	return Forward
}

// meaning is the kind of the statement that a request is about.
func (s *Session) meaning(f wire.Frame) kind {
	switch f.Type {
	case 'Q':
		return classify(statement(f.Body, f.Whole()))
	case 'P':
		return s.parse(f)
	case 'B':
		return s.bind(f)
	case 'E':
		return s.portal(f)
	case 'C':
		s.closes(f)
	}
	return kindOther
}

// note keeps what an unanswered request means for the client's transaction.
func (s *Session) note(t byte, k kind) {
	runs := t == 'Q' || t == 'E' || t == 'F'
	switch {
	case k != kindRollback && (k != kindCommit || s.status != 'E'):
		s.others = true
	case runs:
		s.leaving = true
	}
	if runs {
		s.account(k)
	}
}

// sync is a Sync: a server ignores it while it takes CopyData. A client that
// has asked nothing else needs no server for the answer.
func (s *Session) sync(linked bool) Verdict {
	if s.copyIn {
		s.early = true
		return Forward
	}
	if !linked && !s.busy {
		s.readyReply('I')
		return Answer
	}
	s.skipping = false
	s.expect.push('S')
	s.busy = true
	return Forward
}

// flush is a Flush: it has no answer of its own, unless it is malformed.
func (s *Session) flush(f wire.Frame, linked bool) Verdict {
	switch {
	case f.Size > 0:
		s.Fault = wire.Fatal(wire.ProtocolViolation, "invalid message format")
		return Violate
	case linked:
		return Forward
	}
	return Discard
}

// copyFrame is CopyData, CopyDone or CopyFail. Behind a COPY that has failed
// a client may still be sending; a server ignores that, and so do we.
func (s *Session) copyFrame(t byte, linked bool) Verdict {
	if !linked || !s.busy {
		return Discard
	}
	if t != 'd' {
		if s.copyIn {
			s.copyIn = false
		} else {
			s.expect.push('c')
			s.expect.trim()
		}
	}
	return Forward
}

// parse remembers which statements begin or end a transaction.
func (s *Session) parse(f wire.Frame) kind {
	name, rest, ok := wire.CutString(f.Body)
	if !ok {
		s.remember(f.Body, kindMayCommit)
		return kindMayCommit
	}
	k := classify(statement(rest, f.Whole()))
	if len(name) == 0 {
		s.last = k
	} else {
		s.remember(name, k)
	}
	return k
}

// maxName is how much of a statement's name PostgreSQL looks at (NAMEDATALEN,
// less the terminator), and maxEnds how many names we keep.
const (
	maxName = 63
	maxEnds = 1024
)

// remember keeps the kind of a named statement. A name that is in use already
// keeps its old statement, so there either may be meant.
func (s *Session) remember(name []byte, k kind) {
	name = name[:min(len(name), maxName)]
	switch old, known := s.ends[string(name)]; {
	case known && old == k:
		return
	case known:
		k = kindMayCommit
	case k == kindOther:
		return
	case len(s.ends) >= maxEnds:
		name, k = nil, kindMayCommit // stands for every name that is not there
	}
	if s.ends == nil {
		s.ends = make(map[string]kind)
	}
	s.ends[string(name)] = k
}

// recall returns the kind of a statement.
func (s *Session) recall(name []byte) kind {
	if len(name) == 0 {
		return s.last
	}
	k, ok := s.ends[string(name[:min(len(name), maxName)])]
	if !ok {
		return s.ends[""]
	}
	return k
}

// bind returns the kind of the statement that a Bind names.
func (s *Session) bind(f wire.Frame) kind {
	portal, rest, ok := wire.CutString(f.Body)
	name, _, whole := wire.CutString(rest)
	k := kindMayCommit
	if ok && whole {
		k = s.recall(name)
	}
	switch {
	case ok && len(portal) == 0:
		s.bound = k
	case k != kindOther:
		s.named = kindMayCommit
	}
	return k
}

// portal returns the kind of the statement that an Execute runs.
func (s *Session) portal(f wire.Frame) kind {
	if len(f.Body) > 0 && f.Body[0] == 0 {
		return s.bound
	}
	return s.named
}

// closes forgets a statement, if it is sure that the server will.
func (s *Session) closes(f wire.Frame) {
	name, ok := described(f)
	if ok && !s.busy && len(name) > 0 {
		delete(s.ends, string(name[:min(len(name), maxName)]))
	}
}

// described returns the name of the statement that a Describe or Close means;
// ok is false if it means a portal.
func described(f wire.Frame) (name []byte, ok bool) {
	if len(f.Body) == 0 || f.Body[0] != 'S' {
		return nil, false
	}
	name, _, ok = wire.CutString(f.Body[1:])
	return name, ok
}

// account notes what an unanswered statement may do to the database.
func (s *Session) account(k kind) {
	alone := s.loose || !s.inTransaction()
	switch k {
	case kindBegin:
		s.opened = true
	case kindCommit:
		if s.status != 'E' || s.loose { // else it rolls back
			s.doubt, s.sealed = true, true
		}
		s.loose = true
	case kindMayCommit:
		s.doubt, s.sealed, s.loose = true, true, true
	case kindCall:
		s.doubt, s.sealed = s.doubt || alone, s.sealed || alone
	case kindRollback:
		s.loose = true
	case kindOther:
		s.doubt = s.doubt || alone
	}
}

// statement cuts the text of a Query or Parse at its terminator.
func statement(b []byte, whole bool) ([]byte, bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i], true
	}
	return b, whole
}
