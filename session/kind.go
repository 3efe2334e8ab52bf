package session

// kind is as much of a statement as matters when its server dies: what can it
// have done to the transaction?
type kind uint8

const (
	kindOther         kind = iota // does its work in the transaction it finds
	kindEmpty                     // no statement at all
	kindBegin                     // opens a transaction block
	kindCommit                    // COMMIT or END
	kindCommitChain               // COMMIT AND CHAIN: another block is open behind it
	kindPrepared                  // PREPARE TRANSACTION
	kindRollback                  // ends the transaction without a trace: ROLLBACK, ABORT
	kindRollbackChain             // ROLLBACK AND CHAIN
	kindRollbackTo                // ROLLBACK TO SAVEPOINT: a failed block may go on
	kindSteps                     // outside of a block it may commit on its way: CALL, VACUUM, CREATE DATABASE, ...
	kindSet                       // may change a setting of the session
	kindPrepare                   // PREPARE name AS
	kindHeeds                     // LISTEN, UNLISTEN, NOTIFY
	kindUnknown                   // a text not seen whole, a name not kept: anything
	numKinds
)

// explicit reports whether what a statement has done may stay although the
// server's last word was an error: it commits by itself, not by ending well.
func (k kind) explicit() bool {
	switch k {
	case kindCommit, kindCommitChain, kindPrepared, kindSteps, kindUnknown:
		return true
	}
	return false
}

// classify tells the kind of the first statement of sql that is not empty, which
// is alone or stands before a semicolon, and what else it shows.
func classify(sql []byte) (kind, hints) {
	sql = skipEmpty(sql)
	k, h := byFirstWord(sql), mentions(sql)
	switch {
	case k == kindOther && h&sets != 0:
		k = kindSet
	case k == kindSteps:
		h |= setByDo(sql)
	}
	return k, h
}

func byFirstWord(sql []byte) kind {
	word, rest := firstWord(skipEmpty(sql))
	switch len(word) {
	case 0:
		return kindEmpty
	case 2:
		return when(is(word, "DO"), kindSteps)
	case 3:
		return ofThree(word, rest)
	case 4:
		return ofFour(word, rest)
	case 5:
		return ofFive(word, rest)
	case 6:
		return ofSix(word, rest)
	case 7:
		if is(word, "PREPARE") {
			if _, ok := cutWords(rest, "TRANSACTION"); ok {
				return kindPrepared
			}
			return kindPrepare
		}
		if is(word, "DISCARD") {
			_, ok := cutWords(rest, "ALL")
			return when(ok, kindSet)
		}
		return when(is(word, "ANALYZE") || is(word, "ANALYSE") || is(word, "CLUSTER") || is(word, "REINDEX"), kindSteps)
	case 8:
		if is(word, "ROLLBACK") {
			return ofEnd(rest, false)
		}
		return when(is(word, "UNLISTEN"), kindHeeds)
	}
	return kindOther
}

// classifyBeginning is for a text that is longer than sql, and holds one
// statement: the first word tells, if it is one of those that long texts have.
func classifyBeginning(sql []byte) kind {
	word, rest := firstWord(skipEmpty(sql))
	if len(rest) == 0 {
		return kindUnknown // half a word
	}
	for _, w := range [...]string{"INSERT", "SELECT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "COPY"} {
		if is(word, w) {
			return kindOther
		}
	}
	return kindUnknown
}

func ofThree(word, rest []byte) kind {
	if is(word, "SET") {
		return kindSet
	}
	return when(is(word, "END"), ofEnd(rest, true))
}

func ofFour(word, rest []byte) kind {
	if is(word, "DROP") {
		return ofDrop(rest)
	}
	return when(is(word, "CALL"), kindSteps)
}

func ofFive(word, rest []byte) kind {
	switch {
	case is(word, "BEGIN"):
		return ofBegin(rest)
	case is(word, "START"):
		after, ok := cutWords(rest, "TRANSACTION")
		return when(ok, ofModes(after))
	case is(word, "ABORT"):
		return ofEnd(rest, false)
	case is(word, "ALTER"):
		return ofAlter(rest)
	}
	return when(is(word, "RESET"), kindSet)
}

func ofSix(word, rest []byte) kind {
	switch word[0] | 0x20 { // most often it is SELECT, INSERT, UPDATE or DELETE
	case 'c':
		if is(word, "COMMIT") {
			return ofEnd(rest, true)
		}
		if is(word, "CREATE") {
			return ofCreate(rest)
		}
	case 'l', 'n':
		return when(is(word, "LISTEN") || is(word, "NOTIFY"), kindHeeds)
	case 'v':
		return when(is(word, "VACUUM"), kindSteps)
	}
	return kindOther
}

func when(is bool, k kind) kind {
	if is {
		return k
	}
	return kindOther
}

// ofBegin is what stands behind BEGIN. What follows a BEGIN that fails is in no
// block; so its grammar is followed to the end.
func ofBegin(rest []byte) kind {
	if word, after := firstWord(rest); is(word, "WORK") || is(word, "TRANSACTION") {
		rest = after
	}
	return ofModes(rest)
}

// transactionModes are the words of a transaction_mode (PostgreSQL
// documentation, BEGIN).
var transactionModes = [...][]string{
	{"READ", "ONLY"}, {"READ", "WRITE"}, {"DEFERRABLE"}, {"NOT", "DEFERRABLE"},
	{"ISOLATION", "LEVEL", "SERIALIZABLE"}, {"ISOLATION", "LEVEL", "REPEATABLE", "READ"},
	{"ISOLATION", "LEVEL", "READ", "COMMITTED"}, {"ISOLATION", "LEVEL", "READ", "UNCOMMITTED"},
}

// ofModes reads transaction modes, with commas between them or without.
func ofModes(rest []byte) kind {
	for first := true; ; first = false {
		word, after := firstWord(rest)
		if len(word) == 0 {
			return kindBegin
		}
		if is(word, ",") && !first {
			rest = after
		}
		var ok bool
		if rest, ok = cutMode(rest); !ok {
			return kindUnknown
		}
	}
}

func cutMode(rest []byte) (after []byte, ok bool) {
	for _, mode := range transactionModes {
		if after, ok := cutWords(rest, mode...); ok {
			return after, true
		}
	}
	return rest, false
}

// cutWords takes these words from the beginning of rest. Each is of letters, or one other byte.
func cutWords(rest []byte, words ...string) (after []byte, ok bool) {
	for _, w := range words {
		rest = skipBlank(rest)
		n := len(w)
		if len(rest) < n || !is(rest[:n], w) || len(rest) > n && wordBytes[rest[n]] && wordBytes[w[0]] {
			return nil, false
		}
		rest = rest[n:]
	}
	return rest, true
}

// ofEnd tells COMMIT and ROLLBACK from their longer relatives.
func ofEnd(rest []byte, commit bool) kind {
	if _, ok := cutWords(rest, "PREPARED"); ok {
		return kindSteps // the transaction that it ends is another one, for good
	}
	if word, after := firstWord(rest); is(word, "WORK") || is(word, "TRANSACTION") {
		rest = after
	}
	chain := false
	if after, ok := cutWords(rest, "AND", "CHAIN"); ok {
		rest, chain = after, true
	} else if after, ok := cutWords(rest, "AND", "NO", "CHAIN"); ok {
		rest = after
	} else if _, ok := cutWords(rest, "TO"); ok && !commit {
		return kindRollbackTo
	}
	if word, _ := firstWord(rest); len(word) > 0 {
		return kindUnknown
	}
	switch {
	case commit && chain:
		return kindCommitChain
	case commit:
		return kindCommit
	case chain:
		return kindRollbackChain
	}
	return kindRollback
}

// ofCreate finds what cannot run in a transaction block, as it commits by itself
// (PreventInTransactionBlock in PostgreSQL's utility.c).
func ofCreate(rest []byte) kind {
	word, after := firstWord(rest)
	if is(word, "UNIQUE") {
		word, after = firstWord(after)
	}
	if is(word, "INDEX") {
		next, _ := firstWord(after)
		return when(is(next, "CONCURRENTLY"), kindSteps)
	}
	return when(is(word, "DATABASE") || is(word, "TABLESPACE") || is(word, "SUBSCRIPTION"), kindSteps)
}

func ofDrop(rest []byte) kind {
	word, after := firstWord(rest)
	if is(word, "INDEX") {
		next, _ := firstWord(after)
		return when(is(next, "CONCURRENTLY"), kindSteps)
	}
	return when(is(word, "DATABASE") || is(word, "TABLESPACE") || is(word, "SUBSCRIPTION"), kindSteps)
}

func ofAlter(rest []byte) kind {
	word, after := firstWord(rest)
	switch {
	case is(word, "SYSTEM"), is(word, "SUBSCRIPTION"):
		return kindSteps
	case is(word, "DATABASE"): // SET TABLESPACE
		return when(hasWord(after, "TABLESPACE"), kindSteps)
	case is(word, "TABLE"): // DETACH PARTITION ... CONCURRENTLY
		return when(hasWord(after, "CONCURRENTLY"), kindSteps)
	}
	return kindOther
}

// hasWord reports whether a word stands anywhere in a statement; one inside a
// string counts too.
func hasWord(sql []byte, want string) bool {
	for len(sql) > 0 {
		var word []byte
		if word, sql = firstWord(sql); is(word, want) {
			return true
		}
		if len(sql) > 0 && sql[0] == ';' {
			return false
		}
	}
	return false
}
