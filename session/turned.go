package session

import (
	"bytes"

	"portero/wire"
)

// A node of a Citus cluster that is not the coordinator refuses what only that may do
// (EnsureCoordinator in Citus' sources). Where that is the first word about a transaction, what was
// asked is asked again of the coordinator, and nobody sees the difference: an error takes back all
// that a transaction has done. It may have come out of a function, behind rows that nobody has had.

var notOnThisNode = []byte("operation is not allowed on this node")

// Turn is what an answer is, as far as it is there.
type Turn uint8

// An answer is Turned if it is a node's refusal, whole, and what was asked can be asked again.
const (
	NotTurned Turn = iota
	Turning        // it is, but for its ReadyForQuery
	Turned
)

// TurnedAway reports whether a node has refused all that the client has asked, which can be asked
// again as if it had never been. answer is all that there is of the answer, before FromServer has
// seen any. inBlock: nothing but a BEGIN has been asked before it in its transaction. status is
// that of the ReadyForQuery.
func (s *Session) TurnedAway(answer []byte, inBlock bool) (t Turn, status byte) {
	answer, ok := s.behindAhead(answer)
	if !ok {
		return NotTurned, 0
	}
	t, done, status := turnIn(answer)
	if t == NotTurned || s.asked.pins != 0 || s.pins != 0 || !s.mayBeTurned(inBlock) || !closes(s.ring.last().t) {
		return NotTurned, 0
	}
	if s.ring.last().t == 'Q' { // of its statements none commits by itself, or it is no unit, and the last has failed
		done = 0
	}
	if !s.isOneUnit(done) {
		return NotTurned, 0
	}
	return t, status
}

func (s *Session) mayBeTurned(inBlock bool) bool {
	if !inBlock {
		return s.isUntouched() && !s.ring.empty()
	}
	if s.status != 'T' || s.now != block {
		return false
	}
	s.status, s.now = 'I', idle // but for that, as without a block
	ok := s.isUntouched() && !s.ring.empty()
	s.status, s.now = 'T', block
	return ok
}

// turnIn looks for a refusal that ends an answer, and counts the statements that are done before it.
func turnIn(answer []byte) (t Turn, done int, status byte) {
	for {
		f, ok, err := wire.Next(answer)
		switch {
		case err != nil:
			return NotTurned, 0, 0
		case !ok || !f.Whole():
			return t, done, 0
		case t == Turning:
			if f.Type != 'Z' || f.Size != 1 || len(answer) > wire.HeaderLen+f.Size {
				return NotTurned, 0, 0
			}
			return Turned, done, f.Body[0]
		}
		answer = answer[wire.HeaderLen+f.Size:]
		switch f.Type {
		case '1', '2', '3', 't', 'T', 'n', 'D', 'N':
		case 'C':
			done++
		case 'E':
			if !isRefusal(f.Body) {
				return NotTurned, 0, 0
			}
			t = Turning
		default:
			return NotTurned, 0, 0
		}
	}
}

// isRefusal goes by the words, as there may be no code but that of internal errors.
func isRefusal(body []byte) bool {
	if wire.IsFatal(body) {
		return false
	}
	at, end := errorField(body, 'M')
	return bytes.Equal(body[at:end], notOnThisNode)
}

// Leave forgets the server that has refused what was asked, and lives on: what is unanswered has been
// answered, and whatever statements were made for it are there, under names that are never
// given again. Behind it come TakeBack and Serve, or Refuse.
func (s *Session) Leave() {
	if s.memory == nil {
		return
	}
	for i := range s.changes.len() {
		c := s.changes.at(i)
		if c.made != nil {
			s.memory.drop(c.made)
			s.memory.leftover = append(s.memory.leftover, c.made.number)
		}
		if c.closed != 0 {
			s.memory.leftover = append(s.memory.leftover, c.closed)
		}
	}
	s.memory.Overwritten()
	s.memory = nil // it is somebody else's from here on
}

// OpensOnly is the text of the one statement that frames ask for, if it opens a transaction block
// and nothing else comes with it.
func (s *Session) OpensOnly(asked []byte) (sql []byte, ok bool) {
	var begin []byte
	runs := 0
	for len(asked) > 0 {
		f, ok, err := wire.Next(asked)
		if err != nil || !ok || !f.Whole() {
			return nil, false
		}
		asked = asked[wire.HeaderLen+f.Size:]
		switch f.Type {
		case 'Q', 'P', 'B':
			text, _ := s.textOf(f)
			switch {
			case len(text) > 0 && !s.isBegin(text), len(text) == 0 && begin == nil:
				return nil, false
			case len(text) > 0:
				begin = text
			}
			if f.Type == 'Q' {
				return begin, len(asked) == 0
			}
		case 'D':
		case 'E':
			runs++
		case 'S':
			return begin, begin != nil && runs == 1 && len(asked) == 0
		default:
			return nil, false
		}
	}
	return nil, false
}

// HintElsewhere gives the client a node's refusal of what cannot be run again on the coordinator,
// with what it can do. False: it is none.
func (s *Session) HintElsewhere(f wire.Frame) bool {
	if !f.Whole() || !isRefusal(f.Body) {
		return false
	}
	hint := elsewhereHint
	if s.status == 'I' {
		hint = aloneHint
	}
	at, end := errorField(f.Body, 'H')
	s.Reply = appendFrame(s.Reply, 'E', func(b []byte) []byte {
		if at == 0 {
			b = append(append(b, f.Body[:len(f.Body)-1]...), 'H')
			return append(append(b, hint...), 0, 0)
		}
		return append(append(append(b, f.Body[:at]...), hint...), f.Body[end:]...)
	})
	return true
}

const elsewhereHint = "The transaction has begun on another node than the coordinator, and goes on there. Make this its first statement, or use a route with group = 0."

const aloneHint = "It has run on another node than the coordinator, and cannot be run again there unseen. Run it through a route with group = 0."
