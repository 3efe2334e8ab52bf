package session

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// whileLost answers a client whose transaction block has gone with its server.
func (s *Session) whileLost(f wire.Frame) Verdict {
	switch f.Type {
	case 'H', 'd', 'c', 'f':
		return Discard
	case 'S':
		return s.syncLost()
	case 'Q', 'F', 'P', 'B', 'D', 'E', 'C':
	default:
		return s.invalid(f.Type)
	}
	switch {
	case s.loss.skip:
		return Discard
	case s.loss.ended: // the block is over, what follows is not in it
		s.loss, s.status, s.now = loss{}, 'I', idle
		return s.FromClient(f, false)
	case f.Type == 'Q':
		return s.queryLost(f)
	}
	return s.extendedLost(f)
}

func (s *Session) extendedLost(f wire.Frame) Verdict {
	switch f.Type {
	case 'P':
		if k := s.parse(f); !endsBlock(k) && k != kindEmpty {
			return s.refuseLost()
		}
		s.parsedLost(f)
		s.send(&pgproto3.ParseComplete{})
	case 'B':
		k := s.bind(f)
		if s.bound = k; !endsBlock(k) {
			return s.refuseLost()
		}
		s.send(&pgproto3.BindComplete{})
	case 'D':
		return s.describeLost(f)
	case 'E':
		return s.executeLost()
	case 'C':
		if name, ok := described(f); ok {
			s.name(string(cutName(name)), Statement{}, false)
		}
		s.send(&pgproto3.CloseComplete{})
	case 'F':
		s.Reply = s.lostError().Append(s.Reply)
		s.ready('E')
	}
	return Answer
}

// parsedLost prepares a statement on no server.
func (s *Session) parsedLost(f wire.Frame) {
	if name, _, ok := wire.CutString(f.Body); ok && s.meant != (Statement{}) {
		s.name(string(cutName(name)), s.meant, true)
	}
}

// lostError is the first error after a silent loss, then what PostgreSQL says
// in any failed transaction.
func (s *Session) lostError() *wire.Error {
	if e := s.loss.pending; e != nil {
		s.loss.pending = nil
		return e
	}
	return errFailedBlock()
}

func (s *Session) queryLost(f wire.Frame) Verdict {
	q, script := s.query(f)
	switch {
	case len(script) > 0 && q.kind == kindRollback:
		s.loss, s.status, s.now = loss{}, 'I', idle
		return s.ask(f) // another server says that there is no transaction, and goes on
	case len(script) == 0 && q.kind != kindRollback && endsBlock(q.kind) && s.loss.pending != nil:
		// It must not look as if it had been committed, as not all clients
		// read a command tag.
		s.Reply = s.loss.pending.Append(s.Reply)
		s.regained()
	case len(script) == 0 && endsBlock(q.kind):
		s.rolledBack()
		s.regained()
	case len(script) == 0 && q.kind == kindEmpty:
		s.send(&pgproto3.EmptyQueryResponse{})
		s.ready('E')
	default:
		s.Reply = s.lostError().Append(s.Reply)
		s.ready('E')
	}
	return Answer
}

// regained ends the loss: the client is at rest again.
func (s *Session) regained() {
	s.loss, s.status, s.now = loss{}, 'I', idle
	s.ready('I')
}

// endsBlock: a COMMIT of a failed transaction block is a ROLLBACK, and so is
// PREPARE TRANSACTION.
func endsBlock(k kind) bool { return k == kindRollback || k == kindCommit || k == kindPrepared }

// refuseLost fails a request of the extended protocol: those behind it are
// ignored up to the next Sync.
func (s *Session) refuseLost() Verdict {
	s.Reply = s.lostError().Append(s.Reply)
	s.loss.skip = true
	return Answer
}

// describeLost: what ends a block has neither parameters nor rows.
func (s *Session) describeLost(f wire.Frame) Verdict {
	k := s.bound
	name, isStatement := described(f)
	if isStatement {
		k = s.kindOf(name)
	}
	if !endsBlock(k) && k != kindEmpty {
		return s.refuseLost()
	}
	if isStatement {
		s.send(&pgproto3.ParameterDescription{})
	}
	s.send(&pgproto3.NoData{})
	return Answer
}

func (s *Session) executeLost() Verdict {
	switch {
	case !endsBlock(s.bound):
		return s.refuseLost()
	case s.bound != kindRollback && s.loss.pending != nil: // see queryLost
		s.refuseLost()
	default:
		s.rolledBack()
	}
	s.loss.block, s.loss.ended = false, true
	return Answer
}

// syncLost is a Sync: a block that has not been ended goes on.
func (s *Session) syncLost() Verdict {
	if s.loss.block {
		s.loss.skip = false
		s.ready('E')
	} else {
		s.regained()
	}
	return Answer
}
