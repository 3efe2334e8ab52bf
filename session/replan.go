package session

import (
	"bytes"
	"strconv"

	"portero/wire"
)

// When what a prepared statement returns has changed (ALTER TABLE under a SELECT
// *), PostgreSQL refuses to run it: "cached plan must not change result type". The
// statements of the client are made anew then, but for those that it has had
// described (shape.go): it has to prepare them again. And where nobody can tell the
// difference, the request is made again: it is all that the client has asked, it
// was in no transaction, nothing of its answer has been seen, and the client asks
// for the description of the result with it. Where it has given a format for each
// column that it knew, and there is another number of them now, it hears the error
// that it would have heard, by which it knows what to do.

// Repeatable reports whether what was asked may be asked again: one Bind, the
// Describe of its portal, one Execute, and the Sync. Whoever keeps the bytes says
// so by Keep.
func (s *Session) Repeatable() bool {
	n := s.ring.len() - 4
	if n < 0 || s.status != 'I' || s.now != idle || s.memory == nil {
		return false
	}
	for i := range n {
		if !s.ring.at(i).is(skipped) {
			return false
		}
	}
	b, d, e, end := s.ring.at(n), s.ring.at(n+1), s.ring.at(n+2), s.ring.at(n+3)
	return b.t == 'B' && d.t == 'D' && !d.is(ofStatement) && e.t == 'E' && end.t == 'S' && !b.is(skipped) && !e.is(skipped)
}

// Keep says that what was asked can be asked again. It holds until something else
// is asked or answered.
func (s *Session) Keep() { s.repeats = true }

// asksAgain reports whether what has failed is asked again, of which the client hears
// nothing.
func (s *Session) asksAgain() bool {
	if !s.repeats || s.ring.at(0).is(skipped) {
		return false
	}
	s.repeats, s.repeating = false, true
	return true
}

// unshape forgets what the statement that was bound last has been described as: it
// will be described anew.
func (s *Session) unshape() {
	d := s.boundMade
	if d == nil || d.st.shape() == 0 {
		return
	}
	st := d.st
	s.memory.retire(d)
	s.reshape(st, st.shaped(0))
}

// isReplan reports whether an error says that a plan's result has changed.
func isReplan(body []byte) bool {
	return bytes.Contains(body, []byte("C"+wire.FeatureNotSupported+"\x00")) && bytes.Contains(body, []byte("cached plan must not change result type"))
}

// forgotten takes in that the server does not have a statement any more that it is
// remembered to have: a function has deallocated it. It is made anew when it is
// needed, for which this error may come too late.
func (s *Session) forgotten(body []byte) bool {
	if s.memory == nil || !bytes.Contains(body, []byte("C"+wire.UndefinedStatementName+"\x00")) {
		return false
	}
	at, end := errorField(body, 'M')
	_, after, ok := bytes.Cut(body[at:end], []byte(`"`+madePrefix))
	if !ok {
		return false
	}
	digits, _, _ := bytes.Cut(after, []byte(`"`))
	number, _ := strconv.ParseUint(string(digits), 10, 32)
	d := s.memory.numbered(uint32(number))
	if d == nil || d.st.isOnly() {
		return false
	}
	s.memory.drop(d)
	return true
}

// replan has the client's statements made anew on this server.
func (s *Session) replan() {
	if s.memory == nil {
		return
	}
	for _, st := range s.names.all() {
		if d := s.memory.made[st]; d != nil && st.shape() == 0 {
			s.memory.retire(d)
		}
	}
}

// isMisfit reports whether an error says that a Bind does not go with its statement.
func isMisfit(body []byte) bool {
	return bytes.Contains(body, []byte("C"+wire.ProtocolViolation+"\x00"))
}
