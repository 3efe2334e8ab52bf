package session

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// A commit is in doubt if its server is lost before it has answered. Who wants to find
// out about it (resolve_commits) needs the transaction's ID beforehand. So where the
// client is about to commit, the server is asked for it ahead, in the same write, and
// flushes its answer before it begins to commit: before a COMMIT, and before the Sync
// that ends what was asked without a transaction block. A Query without a block cannot be
// asked about: nothing can be put between its work and its commit.
//
// An ID alone does not tell. Where the new leader has not got all that the old one had
// written, it gives the same IDs to others. So the position in the WAL is asked for
// too: what the transaction has written lies before it, and its commit behind. If the
// timeline ended behind it, the new leader knows the transaction by its ID, and knows what
// became of it; if before, the commit is not part of its history. (A transaction that has an
// ID and has written nothing to the WAL has written to unlogged tables at most, and these are
// empty after a failover.) On the same timeline it remains unknown: a server that crashes
// may lose what it had not flushed, and tells nobody how much that was.

// Commit is a transaction that is about to be committed; the zero value is none.
type Commit struct {
	ID       uint64 // of the transaction, with its epoch
	Position uint64 // in the WAL, between what it has written and its commit
}

// doubting is what is known of a transaction that the client is about to commit.
type doubting struct {
	resolves bool   // it is to be known
	writes   bool   // what was asked since the last Sync may write
	commit   Commit // the transaction at hand
	undone   bool   // it has been found out that it is rolled back
	standbys bool   // nothing is ever committed
}

const (
	identity = "SELECT pg_catalog.txid_current_if_assigned(), pg_catalog.pg_current_wal_insert_lsn()"

	maxBefore = 64 // unanswered requests before a commit that is asked about
)

// Resolves tells the session whether it is to know which transactions its client is
// about to commit. It does where it shares its servers.
func (s *Session) Resolves(on bool) { s.resolves = on }

// OnStandbys tells the session whether all its servers are standbys: what is lost on one
// cannot have been committed, unless it says before that it has been promoted.
func (s *Session) OnStandbys(on bool) { s.standbys = on }

// mayWrite notes that a frame that is about to be asked may be of a statement that writes.
func (s *Session) mayWrite(f wire.Frame) {
	if s.writes {
		return
	}
	switch f.Type {
	case 'P':
		_, rest, _ := wire.CutString(f.Body)
		sql, _ := statement(rest, f.Whole())
		s.writes = !onlyReads(sql)
	case 'B':
		_, name, _ := bound(f)
		st, _ := s.recall(name)
		s.writes = !onlyReads(st.query())
	}
}

// identifyCommit goes before a COMMIT in a transaction block, whatever runs it.
func (s *Session) identifyCommit(t byte) {
	if !s.resolves || s.memory == nil {
		return
	}
	q, before := s.ring.last(), s.ring.len()-1
	if q.kind != kindCommit || q.several() || t == 'Q' && before > 0 || !s.leadsTo(before, block) {
		return
	}
	s.identify()
	if t == 'Q' {
		s.injectSync()
		return
	}
	s.edit = append(s.edit, flushFrame...)
}

// commitsHere reports whether a Sync that is about to be asked commits what may have
// been written.
func (s *Session) commitsHere() bool {
	return s.resolves && s.writes && s.memory != nil && !s.skipping && !s.probing && s.leadsTo(s.ring.len(), implicit)
}

// leadsTo reports whether the transaction is in a state, and surely so, once the oldest n
// of what is unanswered have ended well.
func (s *Session) leadsTo(n int, want state) bool {
	if n > maxBefore {
		return false
	}
	all := s.now.set()
	for i := range n {
		all = s.ring.at(i).effect.from(all)
	}
	return all == want.set()
}

// identify has the server say which transaction is open.
func (s *Session) identify() {
	s.appendOurs(identity, kindPrepare, func(q request) {
		if q.t == 'E' {
			q.marks |= identifies
		}
		s.ring.pushBeforeLast(q)
	})
}

// thwarted tells the client what has become of its COMMIT where our question has failed,
// by its cancel request, say: a server says no more of it than ROLLBACK.
func (s *Session) thwarted() (told bool) {
	if len(s.instead) == 0 || s.ring.at(0).kind != kindCommit {
		return false
	}
	s.tellError(s.instead)
	s.instead = s.instead[:0]
	return true
}

// identified takes in what it says. A transaction that has written nothing has no ID.
func (s *Session) identified(f wire.Frame) {
	s.commit = Commit{}
	var row pgproto3.DataRow
	if !f.Whole() || row.Decode(f.Body) != nil || len(row.Values) != 2 {
		return
	}
	id, err := strconv.ParseUint(string(row.Values[0]), 10, 64)
	if position, ok := parseLSN(string(row.Values[1])); ok && err == nil {
		s.commit = Commit{ID: id, Position: position}
	}
}

// parseLSN reads a pg_lsn (PostgreSQL documentation, "pg_lsn Type").
func parseLSN(text string) (position uint64, ok bool) {
	var high, low uint32
	n, err := fmt.Sscanf(text, "%X/%X", &high, &low)
	return uint64(high)<<32 | uint64(low), err == nil && n == 2
}

// InDoubt is the transaction of which it has to be found out whether it is committed, if
// the server is gone; ok is false if there is none, or it is not known. said is as for
// Lose, which is to be called next, or Committed.
func (s *Session) InDoubt(said *wire.Error) (c Commit, ok bool) {
	if s.commit == (Commit{}) || s.told || s.complete || s.stepped || s.loss.active() || s.owes {
		return Commit{}, false
	}
	if s.asked.any() || s.heeds.any() || len(s.heeds.sent)+len(s.heeds.done) > 0 || !s.endsInCommit() {
		return Commit{}, false
	}
	spoken := said != nil && said.Severity != "PANIC"
	return s.commit, slices.Contains(s.whatIsUnknown(spoken, false), true)
}

// endsInCommit reports whether all that is unanswered is the end of one transaction.
func (s *Session) endsInCommit() bool {
	var left []byte
	for i := range s.ring.len() {
		q := s.ring.at(i)
		switch {
		case q.is(skipped):
			continue
		case q.t != 'S' && q.kind != kindCommit, len(left) == 2:
			return false
		}
		left = append(left, q.t)
	}
	switch string(left) {
	case "Q", "ES":
		return s.now == block
	case "S":
		return s.now == implicit
	}
	return false
}

// Committed is what the server would have answered: the transaction that was in doubt is
// committed. To be shown to FromServer, and so to the client.
func (s *Session) Committed() (answers []byte) {
	tag := &pgproto3.CommandComplete{CommandTag: []byte("COMMIT")}
	for i := range s.ring.len() {
		var m wire.Message
		q := s.ring.at(i)
		switch q.t {
		case 'P':
			m = &pgproto3.ParseComplete{}
		case 'B':
			m = &pgproto3.BindComplete{}
		case 'C':
			m = &pgproto3.CloseComplete{}
		case 'E':
			m = tag
		case 'Q':
			answers = wire.Append(answers, tag)
			m = &pgproto3.ReadyForQuery{TxStatus: 'I'}
		case 'S':
			m = &pgproto3.ReadyForQuery{TxStatus: s.statusAt(q)}
		}
		answers = wire.Append(answers, m)
	}
	return answers
}

// statusAt is the status that a ReadyForQuery gives to a Sync: one of our own stands before
// the COMMIT.
func (s *Session) statusAt(q *request) byte {
	if q.is(skipped) {
		return 'T'
	}
	return 'I'
}

// Undone says that the transaction that was in doubt is rolled back. Lose is to be called next.
func (s *Session) Undone() { s.undone = true }
