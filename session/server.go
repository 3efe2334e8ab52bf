package session

import (
	"strings"

	"portero/wire"
)

// fromServer takes a server's frame.
func (s *Session) FromServer(f wire.Frame) Verdict {
	switch f.Type {
	case 'D', 'd': // the bulk of all traffic
		return s.within(s.busy && !s.expect.empty())
	case 'C', 'I':
		return s.complete()
	case 's':
		return s.suspended()
	case 'Z':
		return s.ready(f)
	case 'T', 'n':
		s.popIf('D')
		return s.within(s.busy)
	case '1':
		return s.within(s.popIf('P'))
	case '2':
		return s.within(s.popIf('B'))
	case '3':
		return s.within(s.popIf('C'))
	case 't', 'V', 'H', 'c':
		return s.within(!s.expect.empty())
	case 'G':
		return s.copyBegins()
	case 'E':
		return s.failed(f)
	case 'S':
		s.Reported(f)
		return Forward
	case 'N', 'A':
		return Forward
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

func (s *Session) popIf(t byte) bool {
	if s.expect.first() != t {
		return false
	}
	s.expect.pop()
	return true
}

// complete ends an Execute, or one statement of a simple Query.
func (s *Session) complete() Verdict {
	switch s.expect.first() {
	case 'E':
		s.expect.pop()
	case 'Q':
	default:
		return s.within(false)
	}
	s.Queries++
	s.copyIn, s.early = false, false
	return Forward
}

// suspended ends an Execute that has had as many rows as it asked for.
func (s *Session) suspended() Verdict {
	if !s.popIf('E') {
		return s.within(false)
	}
	s.Queries++
	return Forward
}

func (s *Session) copyBegins() Verdict {
	t := s.expect.first()
	if t != 'E' && t != 'Q' {
		return s.within(false)
	}
	var ended bool
	ended, s.early = s.expect.copyBegins()
	s.copyIn = !ended
	return Forward
}

// failed is an ErrorResponse: in the extended protocol it takes the answers up
// to the next Sync with it.
func (s *Session) failed(f wire.Frame) Verdict {
	if wire.IsFatal(f.Body) {
		s.Fault = wire.ParseError(f.Body)
		return Dying
	}
	first := s.expect.first()
	if first == 0 && !s.busy {
		return s.within(false)
	}
	if s.early {
		// Whether the server saw the Sync before or after its COPY failed,
		// and so whether it answers it, cannot be known.
		s.stray, s.foreign = true, true
	}
	if s.opened && s.status == 'I' {
		// It may be BEGIN that has failed.
		s.doubt, s.loose = true, true
	}
	s.told, s.copyIn, s.early = true, false, false
	if first != 'Q' && first != 'F' {
		s.skipping = !s.expect.skipToSync()
	}
	return Forward
}

// ready is ReadyForQuery.
func (s *Session) ready(f wire.Frame) Verdict {
	if len(f.Body) != 1 || !strings.ContainsRune("ITE", rune(f.Body[0])) {
		return s.within(false)
	}
	switch s.expect.first() {
	case 'Q', 'F', 'S':
		s.expect.pop()
	case 0:
		// A Sync that raced with the failure of a COPY.
		if !s.stray {
			return s.within(false)
		}
		s.skipping = false
	default:
		return s.within(false)
	}
	s.told = false
	s.settled(f.Body[0])
	return Forward
}

// settled takes in the status that a ReadyForQuery gives.
func (s *Session) settled(status byte) {
	s.status = status
	if status == 'I' {
		s.Transactions++
		s.kept = s.settings
	}
	if !s.expect.empty() {
		return
	}
	s.forget()
	if status == 'I' {
		s.named = kindOther // portals end with their transaction
	}
}

// forget is called when nothing is unanswered any more.
func (s *Session) forget() {
	s.busy, s.copyIn, s.early, s.skipping, s.told = false, false, false, false, false
	s.opened, s.leaving, s.others, s.loose, s.doubt, s.sealed = false, false, false, false, false, false
}

// Reported takes in a ParameterStatus: it keeps the client's settings as the server reports them, so that
// the next server can be made alike. A report is the truth even where a
// rolled back transaction took a SET with it.
func (s *Session) Reported(f wire.Frame) {
	name, v, ok := wire.ParameterStatus(f.Body)
	if !ok || !f.Whole() {
		return
	}
	n := strings.ToLower(name)
	switch n {
	case "session_authorization", "is_superuser":
		s.foreign = s.foreign || !s.isDefault(name, v)
	case "in_hot_standby", "server_version", "server_encoding", "integer_datetimes":
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
