package session

import (
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

// Lose is called when the server is gone. It answers all that was asked and
// leaves the client as after any error: at rest, or in a failed transaction
// block that ROLLBACK ends. said is the server's own last word, nil if it had
// none: a server that ends a statement with a FATAL error has not committed it,
// and has not begun what was asked behind it. A PANIC is no such word, as it comes
// out of the middle of a commit too.
func (s *Session) Lose(said *wire.Error) { s.lose(said, errLost(), false) }

// FailBlock answers what was asked in a transaction block that is on no server any more, and that
// no server has seen: with e, and the block has failed. Where nothing was asked, what comes next
// is told so.
func (s *Session) FailBlock(e *wire.Error) {
	failed := s.Failed
	s.lose(nil, e, true)
	s.Failed = failed
}

// lose is Lose; cause is for the first of a transaction. unseen: no server has seen what was asked.
func (s *Session) lose(said, cause *wire.Error, unseen bool) {
	s.restoredByLoss()
	ended := s.endOldest()
	spoken := said != nil && said.Severity != "PANIC"
	s.revert()
	s.foreign, s.overfull, s.stray, s.asked, s.pins = false, false, false, asked{}, 0
	s.repeats, s.repeating, s.again, s.probing, s.misshapen = false, false, false, false, Statement{}
	s.heeds = heeding{}
	o := owed{s: s, cause: cause, unknown: make([]bool, s.ring.len()), told: s.now == failed}
	if !unseen {
		o.unknown = s.whatIsUnknown(spoken, ended)
	}
	if said != nil {
		o.detail = "The server said: " + said.Message
	}
	asked := s.busy && !s.ring.isOurs()
	o.answerAll()
	s.loss = loss{block: s.now == block || s.now == failed, skip: o.skip}
	if s.loss.block && !asked && !o.told {
		if o.detail != "" {
			o.cause.Detail = o.detail
		}
		s.loss.pending = o.cause
		s.Failed++
	}
	s.forget()
	s.ring.clear()
	s.changes.clear()
	s.commit, s.undone = Commit{}, false
	s.bound, s.named = kindOther, kindOther
	s.status = 'I'
	if s.loss.block {
		s.status, s.now = 'E', failed
	}
}

// endOldest gives the ReadyForQuery that was on its way: the oldest request had
// been answered, and what it came to is known.
func (s *Session) endOldest() bool {
	if !s.told && !s.complete || s.ring.empty() {
		return false
	}
	q := s.ring.at(0)
	switch {
	case !s.told:
		s.now = s.after(q, s.now)
	case q.t == 'S':
		s.now = closed(s.now)
	default:
		s.now = failedIn(s.running(q), s.now)
	}
	status := statusOf(s.now)
	if q.is(pending) {
		s.changes.drop(s.changes.of(1))
	}
	s.ring.pop()
	if q.is(skipped) {
		s.told, s.complete = false, false
		return false
	}
	s.ready(status)
	s.reached(status)
	return true
}

// failedIn is a state behind a statement that has failed there.
func failedIn(k kind, st state) state {
	if next, sure := failure(k)[st].out().only(); sure {
		return next
	}
	return closedByError(st) // it cannot fail, and has
}

func statusOf(now state) byte {
	switch now {
	case block:
		return 'T'
	case failed:
		return 'E'
	}
	return 'I'
}

// whatIsUnknown says of each unanswered request whether it may have become
// durable. hasSpoken: the server's last word was an error. ended: that came
// behind a request that had been answered.
func (s *Session) whatIsUnknown(hasSpoken, ended bool) []bool {
	switch {
	case hasSpoken && ended, s.undone, s.standbys:
		return make([]bool, s.ring.len())
	case hasSpoken, s.copyIn: // a COPY whose data has not ended has not been committed
		return s.fatesAtLastWord()
	}
	return s.fates()
}

// Refuse answers a request that no server has seen, or that none has an answer
// to (Aborted): the client's transaction, if it was to open one, has not begun.
func (s *Session) Refuse(e *wire.Error) {
	s.undo(s.changes.len(), false)
	o := owed{s: s, cause: e, unknown: make([]bool, s.ring.len()), unseen: true}
	o.answerAll()
	s.loss = loss{skip: o.skip}
	for i := range s.ring.len() {
		if s.ring.at(i).t == 'Q' {
			s.unnamed = Statement{} // exec_simple_query drops it first of all
		}
	}
	s.forget()
	s.ring.clear()
	s.status, s.now, s.asked, s.pins, s.heeds = 'I', idle, asked{}, 0, heeding{}
}
