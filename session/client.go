package session

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// FromClient takes a client's frame. linked says whether the client holds a
// server. A frame that is forwarded counts as asked, although the client may
// have to wait for a server first.
func (s *Session) FromClient(f wire.Frame, linked bool) Verdict {
	if f.Type == 'X' {
		return Finish
	}
	if s.loss.active() {
		return s.whileLost(f)
	}
	s.drawn, s.away = s.drawn && linked, s.away && linked
	if s.mustSettle(f.Type) {
		return Wait
	}
	if s.away && s.waitsForHome(f) {
		return Wait
	}
	switch f.Type {
	case 'Q':
		if s.waitsForNames(f) {
			return Wait
		}
		return s.ask(f)
	case 'E', 'F':
		return s.ask(f)
	case 'P', 'B', 'D', 'C':
		return s.refers(f, linked)
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

// refers is a frame that may speak of a prepared statement by its name.
func (s *Session) refers(f wire.Frame, linked bool) Verdict {
	if !f.Whole() && unreadable(f) {
		s.Fault = wire.Fatal(wire.ProtocolViolation, "names of more than %d bytes are not supported", NameHead)
		return Violate
	}
	alone := f.Type == 'C' && !linked && !s.busy // nothing can be in its way
	if !alone && s.changes.len() == 0 {
		return s.ask(f) // whatever it names
	}
	switch name, ok := named(f); {
	case !ok:
	case s.changes.len() > 0 && !s.skipping && (s.mustWait(f.Type, name) || s.refersToUnsure(f, name)):
		return Wait
	case alone:
		s.name(string(cutName(name)), Statement{}, false)
		s.send(&pgproto3.CloseComplete{})
		return Answer
	}
	return s.ask(f)
}

// mustWait reports whether a frame's meaning depends on what is unanswered. The
// unnamed statement may be parsed anew however the one before ends.
func (s *Session) mustWait(t byte, name []byte) bool {
	if len(name) == 0 && (t == 'P' || t == 'C') {
		return false
	}
	return s.isUnsure(cutName(name))
}

// ask forwards a frame that a server answers, unless the server is in a state
// in which it throws the frame away.
func (s *Session) ask(f wire.Frame) Verdict {
	if s.copyIn {
		// A server would say so in two messages and hang up.
		s.Fault = wire.Fatal(wire.ProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", f.Type)
		return Violate
	}
	s.repeats = false
	if s.pushed = !s.skipping; s.skipping {
		return Forward
	}
	s.refused, s.barred, s.strange = 0, s.bars(f), false
	if s.resolves {
		s.mayWrite(f)
	}
	q, script := s.request(f)
	if _, is := s.refusal(); is {
		q, script = asRefused(f.Type), nil
	}
	s.draws(&q, script)
	if len(script) > 0 {
		s.ring.pushScript(q, script)
	} else {
		s.ring.push(q)
	}
	s.busy = true
	switch f.Type {
	case 'Q':
		// A COPY that is asked again is under way already, as its client knows; not so what comes behind it.
		s.here, s.copyIn = 0, s.recopies && s.ring.len() == 1
	case 'F':
	default:
		s.open = true
		if f.Type == 'E' && q.kind == kindUnknown {
			s.asked.role = true
			s.hint(unseen)
			s.unreadRuns()
		}
	}
	return Forward
}

// request says what a frame asks for; with the kinds of its statements, if it is
// a Query of several.
func (s *Session) request(f wire.Frame) (q request, script []kind) {
	switch f.Type {
	case 'Q':
		return s.query(f)
	case 'F':
		return execute('F', kindOther), nil
	case 'E':
		return execute('E', s.portal(f)), nil
	case 'P':
		return prepare('P', s.parse(f), s.here&parsedHere != 0), nil
	case 'B':
		k := s.bind(f)
		return prepare('B', k, s.here&boundSurely != 0), nil
	}
	q = alone(f.Type)
	if _, ok := described(f); ok && f.Type == 'D' {
		q.marks = ofStatement
	}
	return q, nil
}

// sync is a Sync: a server ignores it while it takes CopyData. A client that
// has asked nothing else needs no server for the answer.
func (s *Session) sync(linked bool) Verdict {
	if s.copyIn {
		s.early, s.pushed = true, false
		return Forward
	}
	if !linked && !s.busy {
		s.ready('I')
		return Answer
	}
	s.skipping, s.here, s.pushed, s.open = false, 0, linked && s.commitsHere(), false
	s.group++
	s.repeats, s.writes, s.strange = false, false, false
	s.ring.push(syncRequest())
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
			if t == 'f' {
				s.ring.at(0).fails()
			}
		} else {
			s.ring.push(alone('c'))
			s.ring.trim()
		}
	}
	return Forward
}
