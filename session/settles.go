package session

import (
	"bytes"

	"portero/wire"
)

// A prepared transaction keeps its locks until somebody says COMMIT PREPARED or ROLLBACK
// PREPARED, on whatever connection. PREPARE TRANSACTION has freed its server by then; so
// with a full pool those words would queue behind transactions that wait for these very
// locks, for ever. They wait for no lock themselves, nor does the list of what is prepared,
// which a transaction manager reads before it says them (Citus' recovery:
// RecoverWorkerTransactions in transaction_recovery.c). Nor does the end of a transaction
// that has not begun, which is what follows a BEGIN that was refused.

// Settles reports whether what a client in no transaction is about to ask, which begins with
// the frame that was seen last, only ends transactions or lists the prepared ones. asked is
// all of it that is there. Of most statements it looks at the first word or two.
func (s *Session) Settles(asked []byte) bool {
	f, ok, err := wire.Next(asked)
	if err != nil || !ok || !f.Whole() || s.status != 'I' {
		return false
	}
	switch f.Type {
	case 'Q':
		if !settles(f.Body) || len(asked) > wire.HeaderLen+f.Size { // what is behind it may be anything
			return false
		}
		sql, _ := statement(f.Body, true)
		return !s.several(skipEmpty(sql))
	case 'P':
		_, text, ok := wire.CutString(f.Body)
		return ok && settles(text)
	case 'B':
		if s.bound != kindSteps { // a prepared one is worth a look at its text
			return false
		}
		_, name, _ := bound(f)
		st, _ := s.recall(name)
		return settles(st.query())
	}
	return false
}

// settles reports it of the first statement of a text, which a zero byte may end.
func settles(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	switch c := text[0]; {
	case isBlank(c), c == '-', c == '/', c == ';':
		text = skipEmpty(text)
	case !isLetter(c):
		return false
	}
	word, rest := firstWord(text)
	switch {
	case is(word, "SELECT"):
		return listsPrepared(rest)
	case is(word, "COMMIT"), is(word, "END"):
		return settlesEnd(rest, true)
	case is(word, "ROLLBACK"), is(word, "ABORT"):
		return settlesEnd(rest, false)
	}
	return false
}

func settlesEnd(rest []byte, commit bool) bool {
	rest, _ = statement(rest, true)
	if _, ok := cutWords(rest, "PREPARED"); ok {
		return true
	}
	k := ofEnd(rest, commit)
	return k == kindCommit || k == kindRollback
}

// listsPrepared reports whether rest, behind SELECT, is gid FROM pg_prepared_xacts, joined
// with nothing and with one call at most, as of current_database().
func listsPrepared(rest []byte) bool {
	rest, ok := cutWords(rest, "GID", "FROM")
	if !ok {
		return false
	}
	if after, ok := cutWords(rest, "PG_CATALOG", "."); ok {
		rest = after
	}
	rest, ok = cutWords(rest, "PG_PREPARED_XACTS")
	if !ok {
		return false
	}
	rest, _ = statement(rest, true)
	word, _ := firstWord(rest)
	return (len(word) == 0 || is(word, "WHERE")) && !hasWord(rest, "SELECT") && bytes.Count(rest, []byte("(")) <= 1
}
