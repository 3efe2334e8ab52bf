package session

import (
	"strings"

	"portero/wire"
)

// readyForQuery closes what a Query, a FunctionCall or a Sync has asked.
func (s *Session) readyForQuery(f wire.Frame) Verdict {
	if len(f.Body) != 1 || strings.IndexByte("ITE", f.Body[0]) < 0 {
		return s.within(false)
	}
	v := Forward
	switch s.ring.first() {
	case 'Q', 'F', 'S':
		q := s.ring.at(0)
		if q.is(pending) {
			s.changes.drop(s.changes.of(1))
		}
		if q.is(skipped) {
			v = Discard
		} else if q.t == 'Q' {
			s.instead = s.instead[:0] // it has not failed by that
			s.recopies = false
		}
		s.ring.pop()
	case 0:
		// A Sync that raced with the failure of a COPY.
		if !s.stray {
			return s.within(false)
		}
		s.skipping = false
	default:
		return s.within(false)
	}
	failed := s.told
	s.reached(f.Body[0])
	return s.answered(v, failed)
}

// answered is the verdict on a ReadyForQuery, which would be v: one that answers
// something of our own is not the client's.
func (s *Session) answered(v Verdict, failed bool) Verdict {
	if s.status == 'I' && (v == Discard || s.repeating) {
		s.Transactions--
	}
	if s.repeating {
		s.repeating, s.again = false, true
		return Repeat
	}
	if s.again && v != Discard {
		s.again, s.instead = false, s.instead[:0]
	}
	switch settles := s.settles(failed); {
	case v != Discard && s.isOurs(0): // that has a ReadyForQuery of its own, and what has to be settled is behind it
		s.owes = true
		return Discard
	case v != Discard:
		return settles
	case s.owes: // the client may have asked for more meanwhile
		s.owes = false
		if s.hear() && settles == Forward {
			s.ready(s.status)
			return Answer
		}
		return settles
	}
	return Discard
}

// reached takes in the status that a ReadyForQuery gives.
func (s *Session) reached(status byte) {
	s.status, s.now = status, stateOf(status)
	s.told, s.complete, s.partial, s.stepped = false, false, false, false
	if status != 'T' {
		s.commit = Commit{}
	}
	if status == 'I' {
		s.Transactions++
		s.kept = s.settings
		if s.ring.empty() {
			s.asked.over()
			s.rereads = false
		}
		s.asked.adrift = s.asked.any()
	}
	if !s.ring.empty() {
		return
	}
	s.forget()
	if status == 'I' {
		s.named, s.portals = kindOther, nil // portals end with their transaction
	}
}

func stateOf(status byte) state {
	switch status {
	case 'T':
		return block
	case 'E':
		return failed
	}
	return idle
}

// forget is called when nothing is unanswered any more.
func (s *Session) forget() {
	s.busy, s.copyIn, s.early, s.skipping, s.open, s.begun = false, false, false, false, false, false
	s.told, s.complete, s.partial, s.stepped, s.invited, s.recopies = false, false, false, false, false, false
}
