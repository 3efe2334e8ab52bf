package session

import "portero/wire"

// failed is an ErrorResponse: in the extended protocol it takes the answers up
// to the next Sync with it.
func (s *Session) failed(f wire.Frame) Verdict {
	if wire.IsFatal(f.Body) {
		s.Fault = wire.ParseError(f.Body)
		return Dying
	}
	first := s.ring.first()
	if first == 0 && !s.busy {
		return s.within(false)
	}
	if s.early {
		// Whether the server saw the Sync before or after its COPY failed,
		// and so whether it answers it, cannot be known.
		s.stray = true
	}
	s.told, s.copyIn, s.early = true, false, false
	s.asked.doubt = s.asked.any()
	v := s.retold(f)
	asked := first == 'B' || first == 'D'
	switch {
	case asked && isReplan(f.Body):
		s.replan()
		if s.asksAgain() {
			v = Discard
			s.instead = append(s.instead[:0], f.Body...)
			s.unshape()
		}
	case s.forgotten(f.Body) && asked && s.asksAgain():
		s.Reply, v = s.Reply[:0], Discard
	}
	switch {
	case first != 'Q' && first != 'F':
		s.now, _ = failing[s.now].out().only()
		mine := first != 0 && s.ring.at(0).is(pending)
		changes, ends := s.ring.skipToSync()
		s.undo(s.changes.of(changes), mine)
		if s.skipping = !ends; ends && s.ring.at(0).is(skipped) { // it is about the Query behind
			s.instead = append(s.instead[:0], f.Body...)
			s.Reply = s.Reply[:0]
			return Discard
		}
	case s.ring.at(0).is(pending):
		if s.dropDone(); s.ring.at(0).is(pending) {
			s.undo(s.changes.of(1), true)
			s.ring.at(0).marks &^= pending
		}
	}
	return v
}

// retold gives the client an error with its own names in it, and about its own text.
func (s *Session) retold(f wire.Frame) Verdict {
	if s.ring.empty() || s.memory == nil || !f.Whole() {
		return Forward
	}
	if len(s.instead) > 0 && s.ring.first() == 'Q' {
		body, _ := s.unmoved(s.instead)
		s.tellError(body)
		s.instead = s.instead[:0]
		return Answer
	}
	if s.again && len(s.instead) > 0 && s.ring.first() == 'B' && isMisfit(f.Body) {
		s.tellError(s.instead)
		return Answer
	}
	name := ""
	if s.ring.at(0).is(pending) {
		name = s.changes.at(0).name
	}
	body, changed := s.unmoved(f.Body)
	switch {
	case s.retell(body, name):
		return Answer
	case changed:
		s.tellError(body)
		return Answer
	}
	return Forward
}

func (s *Session) tellError(body []byte) {
	s.Reply = appendFrame(s.Reply, 'E', func(b []byte) []byte { return append(b, body...) })
}
