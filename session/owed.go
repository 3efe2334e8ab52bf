package session

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// owed is what a server that is gone has left unanswered; it is answered one
// ReadyForQuery after the other.
type owed struct {
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
func (o *owed) answerAll() {
	s := o.s
	if s.ring.empty() && s.busy { // answered, or skipped, up to a Sync that has not come
		if !s.told {
			o.fail(s.stepped)
		}
		s.now = closedByError(s.now)
		o.skip = true
		return
	}
	answered := false // a ReadyForQuery has just been given
	for o.at < s.ring.len() {
		if q := s.ring.at(o.at); q.t == 'c' || q.is(skipped) {
			if q.is(pending) {
				s.undo(s.changes.of(1), false)
			}
			o.at++
			continue
		}
		end, whole := o.group()
		if s.ring.at(o.at).t == 'S' && answered {
			s.ready(statusOf(s.now))
			o.at = end
			continue
		}
		failed := o.answer(end, whole)
		o.skip = failed && !whole
		o.at, answered = end, whole
	}
}

// group is what one error answers: the requests up to end. whole says whether
// the one that ReadyForQuery belongs to is among them.
func (o *owed) group() (end int, whole bool) {
	if t := o.s.ring.at(o.at).t; t == 'Q' || t == 'F' {
		return o.at + 1, true
	}
	for i := o.at; i < o.s.ring.len(); i++ {
		if o.s.ring.at(i).t == 'S' {
			return i + 1, true
		}
	}
	return o.s.ring.len(), false
}

// answer answers one group and reports whether that was an error.
func (o *owed) answer(end int, whole bool) (failed bool) {
	s := o.s
	unknown := o.at == 0 && s.stepped
	for i := o.at; i < end; i++ {
		unknown = unknown || o.unknown[i]
	}
	if o.unseen {
		o.tell(o.cause)
		if whole {
			s.ready('I')
		}
		return true
	}
	if !unknown && o.onlyEnds(end) {
		for i := o.at; i < end; i++ {
			o.end(s.ring.at(i))
		}
		s.changes.drop(s.changes.of(o.changes(end)))
		s.now, o.told = idle, false
		return false
	}
	s.undo(s.changes.of(o.changes(end)), false)
	for i := o.at; i < end; i++ {
		s.now = s.after(s.ring.at(i), s.now)
	}
	o.fail(unknown)
	s.now = closedByError(s.now)
	o.told = s.now != idle
	if whole {
		s.ready(statusOf(s.now))
	}
	return true
}

// changes is how many requests of a group were to change names.
func (o *owed) changes(end int) (n int) {
	for i := o.at; i < end; i++ {
		if o.s.ring.at(i).is(pending) {
			n++
		}
	}
	return n
}

// closedByError is a state once the error has been told.
func closedByError(st state) state {
	next, _ := failing[st].out().only()
	return next
}

// onlyEnds reports whether a group does nothing but end the transaction without
// a trace: a server that is gone has done that, whether it saw it or not.
func (o *owed) onlyEnds(end int) bool {
	ends := false
	for i := o.at; i < end; i++ {
		q := o.s.ring.at(i)
		switch q.t {
		case 'Q', 'E':
			if q.several() || q.kind != kindRollback && !(endsBlock(q.kind) && o.s.now == failed) {
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
func (o *owed) end(q *request) {
	s := o.s
	if q.is(skipped) {
		return
	}
	switch q.t {
	case 'P':
		s.send(&pgproto3.ParseComplete{})
	case 'B':
		s.send(&pgproto3.BindComplete{})
	case 'C':
		s.send(&pgproto3.CloseComplete{})
	case 'D':
		if q.is(ofStatement) {
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
func (o *owed) fail(unknown bool) {
	switch {
	case unknown:
		o.tell(errUnknown())
	case o.told:
		o.tell(errFailedBlock())
	default:
		o.tell(o.cause)
	}
}

func (o *owed) tell(e *wire.Error) {
	if o.detail != "" {
		e.Detail, o.detail = o.detail, ""
	}
	o.s.Reply = e.Append(o.s.Reply)
	switch e.Code {
	case wire.ResolutionUnknown:
		o.s.Unknown++
	case wire.ConnectionFailure:
		o.s.Failed++
	}
}

func (s *Session) rolledBack() {
	s.send(&pgproto3.CommandComplete{CommandTag: []byte("ROLLBACK")})
}

func (s *Session) ready(status byte) {
	s.send(&pgproto3.ReadyForQuery{TxStatus: status})
}

func (s *Session) send(m wire.Message) { s.Reply = wire.Append(s.Reply, m) }
