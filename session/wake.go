package session

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// wake answers, one ReadyForQuery after the other, what a server that is gone
// has left unanswered.
type wake struct {
	s       *Session
	cause   *wire.Error // for the first of a transaction that is lost
	detail  string      // for the first of all
	unknown []bool      // by request: it may have become durable
	unseen  bool        // no server has seen any of it
	told    bool        // the client knows that its block has failed
	skip    bool        // the Sync that ends the last has not come yet
	at      int
}

// answerAll lets all that was asked fail as a server would: what a Query asked
// by itself, what was asked in the extended protocol up to the next Sync.
func (w *wake) answerAll() {
	s := w.s
	if s.ring.empty() && s.busy { // answered, or skipped, up to a Sync that has not come
		if !s.told {
			w.fail(s.stepped)
		}
		s.now = closedByError(s.now)
		w.skip = true
		return
	}
	answered := false // a ReadyForQuery has just been given
	for w.at < s.ring.len() {
		if s.ring.at(w.at).t == 'c' {
			w.at++
			continue
		}
		end, whole := w.group()
		if s.ring.at(w.at).t == 'S' && answered {
			s.ready(statusOf(s.now))
			w.at = end
			continue
		}
		failed := w.answer(end, whole)
		w.skip = failed && !whole
		w.at, answered = end, whole
	}
}

// group is what one error answers: the requests up to end. whole says whether
// the one that ReadyForQuery belongs to is among them.
func (w *wake) group() (end int, whole bool) {
	if t := w.s.ring.at(w.at).t; t == 'Q' || t == 'F' {
		return w.at + 1, true
	}
	for i := w.at; i < w.s.ring.len(); i++ {
		if w.s.ring.at(i).t == 'S' {
			return i + 1, true
		}
	}
	return w.s.ring.len(), false
}

// answer answers one group and reports whether that was an error.
func (w *wake) answer(end int, whole bool) (failed bool) {
	s := w.s
	unknown := w.at == 0 && s.stepped
	for i := w.at; i < end; i++ {
		unknown = unknown || w.unknown[i]
	}
	if w.unseen {
		w.tell(w.cause)
		if whole {
			s.ready('I')
		}
		return true
	}
	if !unknown && w.onlyEnds(end) {
		for i := w.at; i < end; i++ {
			w.end(s.ring.at(i))
		}
		s.now, w.told = idle, false
		return false
	}
	for i := w.at; i < end; i++ {
		s.now = s.after(s.ring.at(i), s.now)
	}
	w.fail(unknown)
	s.now = closedByError(s.now)
	w.told = s.now != idle
	if whole {
		s.ready(statusOf(s.now))
	}
	return true
}

// closedByError is a state once the error has been told.
func closedByError(st state) state {
	next, _ := failing[st].out().only()
	return next
}

// onlyEnds reports whether a group does nothing but end the transaction without
// a trace: a server that is gone has done that, whether it saw it or not.
func (w *wake) onlyEnds(end int) bool {
	ends := false
	for i := w.at; i < end; i++ {
		q := w.s.ring.at(i)
		switch q.t {
		case 'Q', 'E':
			if q.several || q.kind != kindRollback && !(endsBlock(q.kind) && w.s.now == failed) {
				return false
			}
			ends = true
		case 'F':
			return false
		}
	}
	return ends
}

// end answers one message of such a group as a server does.
func (w *wake) end(q *request) {
	s := w.s
	switch q.t {
	case 'P':
		s.send(&pgproto3.ParseComplete{})
	case 'B':
		s.send(&pgproto3.BindComplete{})
	case 'C':
		s.send(&pgproto3.CloseComplete{})
	case 'D':
		if q.ofStatement {
			s.send(&pgproto3.ParameterDescription{})
		}
		s.send(&pgproto3.NoData{})
	case 'E':
		s.rolledBack()
	case 'Q':
		s.rolledBack()
		s.ready('I')
	case 'S':
		s.ready('I')
	}
}

// fail gives the error for one group.
func (w *wake) fail(unknown bool) {
	switch {
	case unknown:
		w.tell(errUnknown())
	case w.told:
		w.tell(errFailedBlock())
	default:
		w.tell(w.cause)
	}
}

func (w *wake) tell(e *wire.Error) {
	if w.detail != "" {
		e.Detail, w.detail = w.detail, ""
	}
	w.s.Reply = e.Append(w.s.Reply)
}

func (s *Session) rolledBack() {
	s.send(&pgproto3.CommandComplete{CommandTag: []byte("ROLLBACK")})
}

func (s *Session) ready(status byte) {
	s.send(&pgproto3.ReadyForQuery{TxStatus: status})
}

func (s *Session) send(m wire.Message) { s.Reply = wire.Append(s.Reply, m) }
