package session

import (
	"strings"

	"portero/wire"
)

// FromServer takes a server's frame.
func (s *Session) FromServer(f wire.Frame) Verdict {
	s.invited = f.Type == 'G' && !s.begun
	s.begun = s.busy
	if t := s.ring.first(); (t == 'Q' || t == 'E') && s.ring.at(0).is(skipped) {
		return s.swallow(f)
	}
	switch f.Type {
	case 'D', 'd': // the bulk of all traffic
		return s.within(s.busy && !s.ring.empty())
	case 'C', 'I':
		return s.completed(f)
	case 's':
		return s.suspended(f)
	case 'Z':
		return s.readyForQuery(f)
	case 'T', 'n':
		return s.described(f)
	case 't':
		if !s.ring.empty() && s.ring.at(0).is(skipped) {
			return Discard
		}
		return s.within(!s.ring.empty())
	case '1':
		return s.done('P')
	case '2':
		return s.done('B')
	case '3':
		return s.done('C')
	case 'V', 'H', 'c':
		return s.within(!s.ring.empty())
	case 'G':
		return s.copyBegins()
	case 'E':
		return s.failed(f)
	case 'S':
		return s.parameterStatus(f)
	case 'N':
		return Forward
	case 'A':
		return s.notification(f)
	}
	return s.within(false)
}

// within forwards what was asked for; anything else is a server that lies.
func (s *Session) within(asked bool) Verdict {
	if asked {
		return Forward
	}
	s.Fault = wire.Errorf(wire.ProtocolViolation, "the server sent a message that nobody asked for")
	return Violate
}

// done ends a Parse, Bind or Close. Who has not asked for it is not told.
func (s *Session) done(t byte) Verdict {
	if s.ring.first() != t {
		return s.within(false)
	}
	m := s.ring.at(0).marks
	s.repeats = s.repeats && m&skipped != 0
	s.ring.pop()
	if m&pending != 0 {
		s.changes.drop(1)
	}
	if m&skipped != 0 {
		return Discard
	}
	return Forward
}

// completed ends an Execute, or one statement of a simple Query.
func (s *Session) completed(f wire.Frame) Verdict {
	if s.byEar {
		s.heardTag(f.Body)
	}
	switch s.ring.first() {
	case 'E':
		ours := s.ring.at(0).is(skipped)
		s.executed(f)
		if ours {
			return Discard
		}
	case 'Q':
		s.statementDone(f)
		if s.thwarted() {
			return Answer
		}
	default:
		return s.within(false)
	}
	s.Queries++
	s.copyIn, s.early = false, false
	s.asked.ended(f.Body)
	s.deallocated(f)
	return Forward
}

// deallocated takes in that the server has no prepared statements any more.
func (s *Session) deallocated(f wire.Frame) {
	if len(f.Body) == 0 || f.Body[0] != 'D' {
		return
	}
	if string(f.Body) == "DISCARD ALL\x00" {
		s.overfull = false
	}
	switch string(f.Body) {
	case "DEALLOCATE ALL\x00", "DISCARD ALL\x00":
		s.unprepared()
	}
}

// executed takes an Execute that has ended well out of the ring.
func (s *Session) executed(f wire.Frame) {
	q := s.ring.at(0)
	s.now = s.after(q, s.now)
	if q.kind == kindUnknown {
		s.now = byTag(f, s.now)
	}
	s.stepped = s.stepped || q.kind == kindSteps || q.kind == kindUnknown
	if q.is(pending) {
		s.changes.drop(s.changes.of(1))
	}
	s.ring.pop()
}

// statementDone is one statement of a Query.
func (s *Session) statementDone(f wire.Frame) {
	q := s.ring.at(0)
	switch {
	case q.kind == kindUnknown && !q.several():
		s.partial = true // it may be one of several
		s.now = byTag(f, s.now)
	case !q.several():
		s.complete = true
	default:
		script := s.ring.scripts[0]
		if len(script) == 0 {
			return // a rule has made more of it; there is nothing left to count
		}
		m := ofKind[script[0]][s.now]
		s.stepped = s.stepped || script[0].explicit() && m&(keeps|durable) != 0
		if next, sure := m.out().only(); sure {
			s.now = next
		}
		if script[0] == kindUnknown {
			s.now = byTag(f, s.now)
		}
		s.ring.scripts[0] = script[1:] // what that leaves to be done is counted when it matters
		s.complete = len(script) == 1
	}
}

// byTag is a state behind a statement of unknown kind, as its command tag tells.
func byTag(f wire.Frame, st state) state {
	tag, _, _ := wire.CutString(f.Body)
	switch string(tag) {
	case "COMMIT", "PREPARE TRANSACTION":
		return idle
	case "BEGIN", "START TRANSACTION":
		return block
	}
	if st == idle {
		return implicit
	}
	return st
}

// suspended ends an Execute that has had as many rows as it asked for.
func (s *Session) suspended(f wire.Frame) Verdict {
	if s.ring.first() != 'E' {
		return s.within(false)
	}
	s.executed(f)
	s.Queries++
	s.asked.ended(nil) // what its first rows have set is set
	return Forward
}

func (s *Session) copyBegins() Verdict {
	t := s.ring.first()
	if t != 'E' && t != 'Q' {
		return s.within(false)
	}
	if s.recopies {
		s.recopies = false
		return Discard
	}
	var ended bool
	ended, s.early = s.ring.copyBegins()
	s.copyIn = !ended
	return Forward
}

// Reported takes in a ParameterStatus: it keeps the client's settings as the
// server reports them, so that the next server can be made alike. A report is the
// truth even where a rolled back transaction took a SET with it.
func (s *Session) Reported(f wire.Frame) {
	name, v, ok := wire.ParameterStatus(f.Body)
	if !ok || !f.Whole() {
		return
	}
	n := strings.ToLower(name)
	switch n {
	case authorization:
		s.foreign, s.asked.role, s.asked.done = !s.isDefault(name, v), true, true
	case "is_superuser": // and so the role may be another, whatever has changed it
		s.asked.role, s.asked.done = true, true
	case "in_hot_standby":
		s.standbys = s.standbys && v == "on" // one that was promoted commits what comes now
	case "server_version", "server_encoding", "integer_datetimes":
	default:
		if s.isDefault(name, v) {
			s.settings = s.settings.Without(n)
			return
		}
		s.settings = s.settings.With(n, v)
	}
}

func (s *Session) isDefault(name, value string) bool {
	if s.defaults == nil {
		return false
	}
	v, ok := s.defaults.Default(name)
	return ok && v == value
}
