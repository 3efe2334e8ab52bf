package proxy

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// loss is what a client is still to be told after its server has gone.
type loss struct {
	block   bool        // the client is in a transaction block that no longer exists
	skip    bool        // its requests are ignored up to the next Sync
	ended   bool        // ROLLBACK or COMMIT was answered, the Sync behind it not yet
	pending *wire.Error // not told yet: the client had asked nothing
}

func (l loss) active() bool { return l.block || l.skip }

func errLost() *wire.Error {
	e := wire.Errorf(wire.ConnectionFailure, "the server was lost; the transaction has been rolled back")
	e.Hint = "Roll back and run the transaction again."
	return e
}

func errUnknown() *wire.Error {
	e := wire.Errorf(wire.ResolutionUnknown, "the server was lost before it confirmed; whether the work was committed is not known")
	e.Hint = "Find out whether the work was done before you repeat it."
	return e
}

func errFailedBlock() *wire.Error {
	return wire.Errorf(wire.InFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
}

// lose is called when the server is gone. It answers all that was asked and
// leaves the client as after any error: at rest, or in a failed transaction
// block that ROLLBACK ends. said is the server's own last word, nil if it had
// none; a server that ends a statement with a FATAL error has not committed it.
func (s *session) lose(said *wire.Error) {
	block := s.inTransaction()
	cause := errLost()
	if s.doubt && (block || said == nil) {
		cause = errUnknown()
	}
	if said != nil {
		cause.Detail = "The server said: " + said.Message
	}
	s.settle(cause, block)
}

// refuse answers a request that no server has seen: the client's transaction,
// if it was to open one, has not begun.
func (s *session) refuse(e *wire.Error) { s.settle(e, false) }

// settle answers everything that was asked with the cause.
func (s *session) settle(cause *wire.Error, block bool) {
	open := s.unsynced()
	skipping := s.skipping
	s.answerAll(cause, block)
	s.loss = loss{block: block}
	switch {
	case open && !skipping:
		s.reply = cause.Append(s.reply)
		s.loss.skip = true
	case open:
		s.loss.skip = true
	case block && !s.busy:
		s.loss.pending = cause
	}
	s.expect.clear()
	s.busy, s.copyIn, s.skipping, s.opened, s.doubt = false, false, false, false, false
	s.status = 'I'
	if block {
		s.status = 'E'
	}
}

// unsynced reports whether the newest request still waits for a Sync.
func (s *session) unsynced() bool {
	for i := s.expect.len() - 1; i >= 0; i-- {
		switch s.expect.at(i) {
		case 'c':
			continue
		case 'Q', 'F', 'S':
			return false
		}
		return true
	}
	return s.busy
}

// answerAll gives each request that a ReadyForQuery would have closed an error
// and that ReadyForQuery.
func (s *session) answerAll(cause *wire.Error, block bool) {
	status := byte('I')
	if block {
		status = 'E'
	}
	e := cause
	for ; !s.expect.empty(); s.expect.pop() {
		switch s.expect.first() {
		case 'Q', 'F', 'S':
			s.reply = e.Append(s.reply)
			s.readyReply(status)
			if block {
				e = errFailedBlock()
			}
		}
	}
}

func (s *session) readyReply(status byte) {
	s.send(&pgproto3.ReadyForQuery{TxStatus: status})
}

func (s *session) send(m wire.Message) {
	if out, err := m.Encode(s.reply); err == nil {
		s.reply = out
	}
}

// whileLost answers a client whose transaction block has gone with its server.
func (s *session) whileLost(f wire.Frame) verdict {
	if f.Type == 'S' {
		return s.syncLost()
	}
	if s.loss.skip {
		if f.Type == 'Q' || f.Type == 'F' {
			return discard
		}
		return s.knownWhileLost(f.Type, discard)
	}
	switch f.Type {
	case 'Q':
		return s.queryLost(f)
	case 'F':
		s.reply = s.lostError().Append(s.reply)
		s.readyReply('E')
		return answer
	case 'P':
		s.parse(f)
		k := classify(parseText(f))
		return s.extendedLost(k, &pgproto3.ParseComplete{})
	case 'B':
		s.bound = s.bind(f)
		return s.extendedLost(s.bound, &pgproto3.BindComplete{})
	case 'D':
		return s.describeLost(f)
	case 'E':
		return s.executeLost()
	case 'C':
		s.send(&pgproto3.CloseComplete{})
		return answer
	}
	return s.knownWhileLost(f.Type, discard)
}

// knownWhileLost keeps garbage an error in every state.
func (s *session) knownWhileLost(t byte, v verdict) verdict {
	switch t {
	case 'P', 'B', 'D', 'E', 'C', 'H', 'd', 'c', 'f':
		return v
	}
	s.fault = wire.Fatal(wire.ProtocolViolation, "invalid frontend message type %d", t)
	return violate
}

// lostError is the first error after a silent loss, then what PostgreSQL says
// in any failed transaction.
func (s *session) lostError() *wire.Error {
	if e := s.loss.pending; e != nil {
		s.loss.pending = nil
		return e
	}
	return errFailedBlock()
}

func (s *session) queryLost(f wire.Frame) verdict {
	switch k := classify(statement(f.Body, f.Whole())); {
	case endsBlock(k) && f.Whole():
		s.loss = loss{}
		s.status = 'I'
		s.send(&pgproto3.CommandComplete{CommandTag: []byte("ROLLBACK")})
		s.readyReply('I')
	case k == kindEmpty:
		s.send(&pgproto3.EmptyQueryResponse{})
		s.readyReply('E')
	default:
		s.reply = s.lostError().Append(s.reply)
		s.readyReply('E')
	}
	return answer
}

// endsBlock: a COMMIT of a failed transaction block is a ROLLBACK.
func endsBlock(k kind) bool { return k == kindRollback || k == kindCommit }

func (s *session) extendedLost(k kind, ok wire.Message) verdict {
	if !endsBlock(k) || s.loss.ended {
		return s.refuseLost()
	}
	s.send(ok)
	return answer
}

func (s *session) refuseLost() verdict {
	s.reply = s.lostError().Append(s.reply)
	s.loss.skip = true
	return answer
}

func (s *session) describeLost(f wire.Frame) verdict {
	if len(f.Body) > 0 && f.Body[0] == 'S' {
		s.send(&pgproto3.ParameterDescription{})
	}
	s.send(&pgproto3.NoData{})
	return answer
}

func (s *session) executeLost() verdict {
	if !endsBlock(s.bound) || s.loss.ended {
		return s.refuseLost()
	}
	s.loss.ended = true
	s.send(&pgproto3.CommandComplete{CommandTag: []byte("ROLLBACK")})
	return answer
}

func (s *session) syncLost() verdict {
	if s.loss.ended || !s.loss.block {
		s.loss = loss{}
		s.status = 'I'
	}
	s.loss.skip = false
	s.readyReply(s.status)
	return answer
}

func parseText(f wire.Frame) ([]byte, bool) {
	_, rest, ok := wire.CutString(f.Body)
	if !ok {
		return nil, false
	}
	return statement(rest, f.Whole())
}
