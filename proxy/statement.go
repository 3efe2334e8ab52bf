package proxy

import "bytes"

// kind is as much of a statement as matters when its server dies: could it
// have committed something?
type kind uint8

const (
	kindOther     kind = iota
	kindBegin          // opens a transaction, does nothing else
	kindCommit         // COMMIT or END, and nothing else
	kindMayCommit      // PREPARE TRANSACTION, COMMIT AND CHAIN, several statements, a text not seen whole
	kindRollback       // ends the transaction without a trace: ROLLBACK, ABORT
	kindEmpty          // no statement at all
)

// classify looks at the first word of a statement, and for a second statement
// behind it. sql may be the beginning of a longer text (whole = false); then
// nothing is sure.
func classify(sql []byte, whole bool) kind {
	word, rest := firstWord(sql)
	if !whole {
		return kindMayCommit
	}
	if tail, several := afterSemicolon(rest); several {
		return classifySeveral(word, tail)
	}
	return classifyWord(word, rest)
}

func classifyWord(word, rest []byte) kind {
	switch {
	case len(word) == 0:
		return kindEmpty
	case is(word, "BEGIN"), is(word, "START"):
		return kindBegin
	case is(word, "COMMIT"), is(word, "END"):
		if plainEnd(rest) {
			return kindCommit
		}
		return kindMayCommit
	case is(word, "PREPARE"):
		return kindMayCommit
	case is(word, "ROLLBACK"), is(word, "ABORT"):
		if plainEnd(rest) {
			return kindRollback
		}
	}
	return kindOther
}

// plainEnd tells COMMIT and ROLLBACK from their longer relatives: TO SAVEPOINT,
// PREPARED, and AND CHAIN, after which a transaction is again open.
func plainEnd(rest []byte) bool {
	word, rest := firstWord(rest)
	if is(word, "WORK") || is(word, "TRANSACTION") {
		word, rest = firstWord(rest)
	}
	if is(word, "AND") {
		word, _ = firstWord(rest)
		return is(word, "NO")
	}
	return len(word) == 0
}

// classifySeveral is for a text of several statements: a word that can commit
// anywhere in it makes it a commit. It may be one inside a string; then the
// client is told "unknown" where "lost" would have done.
func classifySeveral(first, tail []byte) kind {
	for word := first; len(tail) > 0; word, tail = nextWord(tail) {
		if mayCommit(word) {
			return kindMayCommit
		}
	}
	return kindOther
}

func mayCommit(word []byte) bool {
	return is(word, "COMMIT") || is(word, "END") || is(word, "PREPARE")
}

// firstWord skips blanks and comments and returns the letters that follow.
func firstWord(sql []byte) (word, rest []byte) {
	sql = skipBlank(sql)
	n := 0
	for n < len(sql) && isLetter(sql[n]) {
		n++
	}
	if n == 0 && len(sql) > 0 && sql[0] != ';' {
		return sql[:1], sql[1:]
	}
	return sql[:n], sql[n:]
}

// nextWord returns the next run of letters wherever it is.
func nextWord(sql []byte) (word, rest []byte) {
	i := 0
	for i < len(sql) && !isLetter(sql[i]) {
		i++
	}
	n := i
	for n < len(sql) && isLetter(sql[n]) {
		n++
	}
	return sql[i:n], sql[n:]
}

func skipBlank(sql []byte) []byte {
	for len(sql) > 0 {
		switch {
		case sql[0] == ' ' || sql[0] == '\t' || sql[0] == '\n' || sql[0] == '\r' || sql[0] == '\f':
			sql = sql[1:]
		case bytes.HasPrefix(sql, []byte("--")):
			_, sql, _ = bytes.Cut(sql, []byte("\n"))
		case bytes.HasPrefix(sql, []byte("/*")):
			sql = skipComment(sql[2:])
		default:
			return sql
		}
	}
	return sql
}

// skipComment returns what follows a block comment; they nest in PostgreSQL.
func skipComment(sql []byte) []byte {
	depth := 1
	for len(sql) > 1 {
		switch {
		case sql[0] == '*' && sql[1] == '/':
			sql = sql[2:]
			if depth--; depth == 0 {
				return sql
			}
		case sql[0] == '/' && sql[1] == '*':
			depth++
			sql = sql[2:]
		default:
			sql = sql[1:]
		}
	}
	return nil
}

// afterSemicolon returns what stands behind the first semicolon, if that is
// more than blanks.
func afterSemicolon(sql []byte) (tail []byte, several bool) {
	i := bytes.IndexByte(sql, ';')
	if i < 0 {
		return nil, false
	}
	for i < len(sql) && sql[i] == ';' {
		sql = skipBlank(sql[i+1:])
		i = 0
		if len(sql) == 0 {
			return nil, false
		}
	}
	return sql, true
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// is compares ASCII letters without regard to case; word is upper-case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		if b[i]&^0x20 != word[i] {
			return false
		}
	}
	return true
}
