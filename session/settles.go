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
// RecoverWorkerTransactions in transaction_recovery.c). Nor does, between nodes, the end of a
// transaction that has not begun, which is what follows a BEGIN that was refused. Elsewhere
// that is the habit of many frameworks, at which nobody waits: it takes its turn.

// Settles reports whether what a client in no transaction is about to ask, which begins with
// the frame that was seen last, only ends transactions or lists the prepared ones. asked is
// all of it that is there: of what has not come yet nobody knows what it does, and nothing may
// stand behind. ends: the end of a transaction that has not begun is one of these. Of most
// statements it looks at the first word or two.
func (s *Session) Settles(asked []byte, ends bool) bool {
	f, ok, err := wire.Next(asked)
	if err != nil || !ok || !f.Whole() || s.status != 'I' {
		return false
	}
	rest := asked[wire.HeaderLen+f.Size:]
	switch f.Type {
	case 'Q':
		if !settles(f.Body, ends) || len(rest) > 0 {
			return false
		}
		sql, _ := statement(f.Body, true)
		return !s.several(skipEmpty(sql))
	case 'P':
		name, text, ok := wire.CutString(f.Body)
		return ok && settles(text, ends) && isOneStep(rest, name, nil)
	case 'B':
		if s.bound != kindSteps && !ends { // a prepared one is worth a look at its text
			return false
		}
		portal, name, ok := bound(f)
		st, _ := s.recall(name)
		return ok && settles(st.query(), ends) && isOneStep(rest, nil, &portal)
	}
	return false
}

// isOneStep reports whether frames are no more than the rest of one step of the extended
// protocol: the Bind of the statement that was parsed by a name, unless there is a portal
// already, Describes, one Execute of the portal at most, and the Sync, which is the last.
func isOneStep(frames, parsed []byte, portal *[]byte) bool {
	for executed := false; ; {
		f, ok, err := wire.Next(frames)
		if err != nil || !ok || !f.Whole() {
			return false
		}
		frames = frames[wire.HeaderLen+f.Size:]
		switch {
		case f.Type == 'S':
			return len(frames) == 0
		case f.Type == 'D':
		case f.Type == 'B' && portal == nil:
			opened, name, ok := bound(f)
			if !ok || !bytes.Equal(name, parsed) {
				return false
			}
			portal = &opened
		case f.Type == 'E' && portal != nil && !executed:
			name, _, ok := wire.CutString(f.Body)
			if executed = true; !ok || !bytes.Equal(name, *portal) {
				return false
			}
		default:
			return false
		}
	}
}

// settles reports it of the first statement of a text, which a zero byte may end.
func settles(text []byte, ends bool) bool {
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
		return settlesEnd(rest, true, ends)
	case is(word, "ROLLBACK"), is(word, "ABORT"):
		return settlesEnd(rest, false, ends)
	}
	return false
}

func settlesEnd(rest []byte, commit, ends bool) bool {
	rest, _ = statement(rest, true)
	if _, ok := cutWords(rest, "PREPARED"); ok {
		return true
	}
	k := ofEnd(rest, commit)
	return ends && (k == kindCommit || k == kindRollback)
}

// listsPrepared reports whether rest, behind SELECT, is gid FROM pg_prepared_xacts, joined
// with nothing, and without a call but for current_database().
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
	return (len(word) == 0 || is(word, "WHERE")) && !hasWord(rest, "SELECT") && callsNothing(rest)
}

// callsNothing reports whether a condition calls nothing that may take its time. One with
// parentheses of another kind, or names of a schema that is not PostgreSQL's, is taken for one
// that does.
func callsNothing(sql []byte) bool {
	var before, word []byte
	for ; len(sql) > 0; before = word {
		word, sql = firstWord(sql)
		after, empty := cutWords(sql, ")")
		switch {
		case len(word) == 0:
			return len(skipEmpty(sql)) == 0
		case word[0] == '.' && !is(before, "PG_CATALOG"):
			return false
		case word[0] == '(' && !(empty && is(before, "CURRENT_DATABASE")):
			return false
		case word[0] == '(':
			sql = after
		}
	}
	return true
}
