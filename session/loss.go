package session

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

func (l loss) active() bool { return l.block || l.skip || l.ended }

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
func (s *Session) Lose(said *wire.Error) {
	block := s.inTransaction()
	s.revert()
	s.foreign, s.stray = false, false
	if s.leaving && !s.others && !s.told {
		s.leave()
		return
	}
	cause := errLost()
	if s.sealed || s.doubt && said == nil && !s.copyIn { // a COPY whose data has not ended has not been committed
		cause = errUnknown()
	}
	if said != nil {
		cause.Detail = "The server said: " + said.Message
	}
	s.settle(cause, block)
}

// refuse answers a request that no server has seen: the client's transaction,
// if it was to open one, has not begun.
func (s *Session) Refuse(e *wire.Error) { s.settle(e, false) }

// revert takes the client's settings back to those from before the transaction
// that is lost, and tells the client, as a server does that rolls back.
func (s *Session) revert() {
	for name, value := range s.settings.All() {
		before, ok := s.kept.Get(name)
		if !ok && s.defaults != nil {
			before, ok = s.defaults.Default(reportedName(name))
		}
		if ok && before != value {
			s.report(name, before)
		}
	}
	for name, value := range s.kept.All() {
		if _, ok := s.settings.Get(name); !ok {
			s.report(name, value)
		}
	}
	s.settings = s.kept
}

func (s *Session) report(name, value string) {
	s.send(&pgproto3.ParameterStatus{Name: reportedName(name), Value: value})
}

// reportedName spells a parameter as PostgreSQL reports it: clients look for
// it in that spelling.
func reportedName(name string) string {
	switch name {
	case "datestyle":
		return "DateStyle"
	case "intervalstyle":
		return "IntervalStyle"
	case "timezone":
		return "TimeZone"
	}
	return name
}

// leave answers a ROLLBACK that the server has taken with it, and the messages
// around it.
func (s *Session) leave() {
	for ; !s.expect.empty(); s.expect.pop() {
		switch s.expect.first() {
		case 'P':
			s.send(&pgproto3.ParseComplete{})
		case 'B':
			s.send(&pgproto3.BindComplete{})
		case 'E':
			s.rolledBack()
		case 'Q':
			s.rolledBack()
			s.readyReply('I')
		case 'S':
			s.readyReply('I')
		}
	}
	s.forget()
	s.loss = loss{}
	s.status = 'I'
}

func (s *Session) rolledBack() {
	s.send(&pgproto3.CommandComplete{CommandTag: []byte("ROLLBACK")})
}

// settle answers everything that was asked with the cause.
func (s *Session) settle(cause *wire.Error, block bool) {
	failed := s.told || s.status == 'E' // the client knows already
	asked := s.busy
	s.loss = loss{block: block, skip: s.answerAll(cause, block)}
	if block && !asked && !failed {
		s.loss.pending = cause
	}
	s.forget()
	s.expect.clear()
	s.bound, s.named = kindOther, kindOther
	s.status = idleOr(block)
}

// idleOr is the status of a client whose server is gone.
func idleOr(block bool) byte {
	if block {
		return 'E'
	}
	return 'I'
}

// answerAll lets all that was asked fail as a server would: what a Query asked
// by itself, what was asked in the extended protocol up to the next Sync. It
// reports whether that Sync has not come yet.
func (s *Session) answerAll(cause *wire.Error, block bool) (skip bool) {
	if s.expect.empty() && s.busy {
		s.fail(&cause, block)
		return true
	}
	answered := false // a ReadyForQuery has just been given
	for !s.expect.empty() {
		t := s.expect.first()
		if t != 'S' || !answered {
			s.fail(&cause, block)
		}
		if t != 'Q' && t != 'F' && !s.expect.skipToSync() {
			return true
		}
		s.expect.pop()
		s.readyReply(idleOr(block))
		answered = true
	}
	return false
}

// fail gives the error for one request, if it has not had one; what follows in
// a transaction block is told that the block has failed.
func (s *Session) fail(cause **wire.Error, block bool) {
	if !s.told {
		s.Reply = (*cause).Append(s.Reply)
	}
	s.told = false
	if block {
		*cause = errFailedBlock()
	}
}

func (s *Session) readyReply(status byte) {
	s.send(&pgproto3.ReadyForQuery{TxStatus: status})
}

func (s *Session) send(m wire.Message) {
	if out, err := m.Encode(s.Reply); err == nil {
		s.Reply = out
	}
}

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
		s.loss, s.status = loss{}, 'I'
		return s.request(f)
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
		s.closes(f)
		s.send(&pgproto3.CloseComplete{})
	case 'F':
		s.Reply = s.lostError().Append(s.Reply)
		s.readyReply('E')
	}
	return Answer
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
	text, whole := statement(f.Body, f.Whole())
	k := classify(text, whole)
	switch {
	case k == kindCommit && s.loss.pending != nil:
		// It must not look as if it had been committed, as not all clients
		// read a command tag.
		s.Reply = s.loss.pending.Append(s.Reply)
		s.regained()
	case endsBlock(k):
		s.rolledBack()
		s.regained()
	case beginsWithRollback(text, whole):
		s.loss, s.status = loss{}, 'I'
		return s.request(f)
	case k == kindEmpty:
		s.send(&pgproto3.EmptyQueryResponse{})
		s.readyReply('E')
	default:
		s.Reply = s.lostError().Append(s.Reply)
		s.readyReply('E')
	}
	return Answer
}

// regained ends the loss: the client is at rest again.
func (s *Session) regained() {
	s.loss = loss{}
	s.status = 'I'
	s.readyReply('I')
}

// endsBlock: a COMMIT of a failed transaction block is a ROLLBACK.
func endsBlock(k kind) bool { return k == kindRollback || k == kindCommit }

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
		k = s.recall(name)
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
	case s.bound == kindCommit && s.loss.pending != nil: // see queryLost
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
		s.readyReply('E')
	} else {
		s.regained()
	}
	return Answer
}
