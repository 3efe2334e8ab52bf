package session

import (
	"slices"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// currval and lastval tell what the session has drawn from sequences. A server
// that is lent may still know what others have; so before the first statement
// that asks for it, it is made to forget that. Only a client that has drawn
// numbers itself since it got the server must not lose them: then those of others
// stay too, for whoever asks for a sequence that the client has not used.

// draws notes that something is sent that may draw a number.
func (s *Session) draws(q *request, script []kind) {
	switch q.t {
	case 'Q', 'E', 'F':
	default:
		return
	}
	switch q.kind {
	case kindEmpty, kindBegin, kindSet, kindCommit, kindRollback:
		s.drawn = s.drawn || len(script) > 0
	default:
		s.drawn = true
	}
}

// forgetNumbers has the server forget, before the frame at hand, which is of type t.
// It goes with the requests of the client that are on their way: what these answer
// decides nothing.
func (s *Session) forgetNumbers(t byte) {
	s.strange, s.drawn = false, true
	s.edit = append(s.edit, discardSequences...)
	for _, t := range []byte("PBEC") {
		q := alone(t)
		q.marks = skipped
		s.ring.pushBeforeLast(q)
	}
	if s.memory != nil {
		s.memory.Overwritten()
	}
	if t == 'Q' && !s.open {
		s.injectSync()
	}
}

// discardSequences has a portal of its own: the client's may be waiting to be executed.
var discardSequences = func() (b []byte) {
	for _, m := range []wire.Message{
		&pgproto3.Parse{Query: "DISCARD SEQUENCES"}, &pgproto3.Bind{DestinationPortal: "portero"},
		&pgproto3.Execute{Portal: "portero"}, &pgproto3.Close{ObjectType: 'P', Name: "portero"},
	} {
		b = wire.Append(b, m)
	}
	return slices.Clip(b)
}()
