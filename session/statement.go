package session

import "bytes"

// kind is as much of a statement as matters when its server dies: could it
// have committed something?
type kind uint8

const (
	kindOther     kind = iota
	kindBegin          // opens a transaction, does nothing else
	kindCommit         // COMMIT or END, and nothing else
	kindMayCommit      // PREPARE TRANSACTION, COMMIT AND CHAIN, several statements, a text not seen whole
	kindCall           // CALL or DO: outside a transaction block it may commit on its way
	kindRollback       // ends the transaction without a trace: ROLLBACK, ABORT
	kindEmpty          // no statement at all
)

// classify looks at the first word of a statement, and for a second statement
// behind it. sql may be the beginning of a longer text (whole = false); then
// nothing is sure.
func classify(sql []byte, whole bool) kind {
	if !whole {
		return kindMayCommit
	}
	word, rest := firstWord(sql)
	k, rest := classifyWord(word, rest)
	if tail, several := afterSemicolon(rest); several {
		return classifySeveral(word, tail)
	}
	return k
}

// classifyWord returns the kind of a statement that is alone, and what of its
// text was not needed to tell.
func classifyWord(word, rest []byte) (kind, []byte) {
	switch {
	case len(word) == 0:
		return kindEmpty, rest
	case is(word, "BEGIN"), is(word, "START"):
		return classifyBegin(rest)
	case is(word, "COMMIT"), is(word, "END"):
		return classifyEnd(rest, kindCommit, kindMayCommit)
	case is(word, "ROLLBACK"), is(word, "ABORT"):
		return classifyEnd(rest, kindRollback, kindOther)
	case is(word, "PREPARE"):
		return kindMayCommit, rest
	case is(word, "CALL"), is(word, "DO"):
		return kindCall, rest
	}
	return kindOther, rest
}

// classifyBegin looks for words that no BEGIN has: such a statement fails, and
// what follows it is in no transaction block.
func classifyBegin(rest []byte) (kind, []byte) {
	for {
		word, after := firstWord(rest)
		if len(word) == 0 {
			return kindBegin, after
		}
		if !ofBegin(word) {
			return kindOther, rest
		}
		rest = after
	}
}

func ofBegin(word []byte) bool {
	for _, w := range [...]string{
		"TRANSACTION", "WORK", "ISOLATION", "LEVEL", "SERIALIZABLE", "REPEATABLE", "READ",
		"COMMITTED", "UNCOMMITTED", "WRITE", "ONLY", "NOT", "DEFERRABLE", ",",
	} {
		if is(word, w) {
			return true
		}
	}
	return false
}

// classifyEnd tells COMMIT and ROLLBACK from their longer relatives: TO
// SAVEPOINT, PREPARED, and AND CHAIN, after which a transaction is again open.
func classifyEnd(rest []byte, plain, longer kind) (kind, []byte) {
	word, rest := firstWord(rest)
	if is(word, "WORK") || is(word, "TRANSACTION") {
		word, rest = firstWord(rest)
	}
	if is(word, "AND") {
		no, after := firstWord(rest)
		chain, after := firstWord(after)
		if !is(no, "NO") || !is(chain, "CHAIN") {
			return longer, rest
		}
		word, rest = firstWord(after)
	}
	if len(word) > 0 {
		return longer, rest
	}
	return plain, rest
}

// classifySeveral is for a text of several statements: a word that can end a
// transaction anywhere in it makes it a commit. It may be one inside a string;
// then the client is told "unknown" where "lost" would have done.
func classifySeveral(first, tail []byte) kind {
	for word := first; ; word, tail = nextWord(tail) {
		if mayEnd(word) {
			return kindMayCommit
		}
		if len(tail) == 0 {
			return kindOther
		}
	}
}

func mayEnd(word []byte) bool {
	return is(word, "COMMIT") || is(word, "END") || is(word, "PREPARE") || is(word, "ROLLBACK") || is(word, "ABORT")
}

// beginsWithRollback reports whether the first of several statements is a
// ROLLBACK and nothing more.
func beginsWithRollback(sql []byte, whole bool) bool {
	word, rest := firstWord(sql)
	k, rest := classifyWord(word, rest)
	return whole && k == kindRollback && len(rest) > 0 && rest[0] == ';'
}

// firstWord skips blanks and comments and returns the word, or else the one
// byte, that follows. At the end and before a semicolon it returns nothing.
func firstWord(sql []byte) (word, rest []byte) {
	sql = skipBlank(sql)
	n := 0
	for n < len(sql) && ofWord(sql[n]) {
		n++
	}
	if n == 0 && len(sql) > 0 && sql[0] != ';' {
		n = 1
	}
	return sql[:n], sql[n:]
}

// nextWord returns the next word wherever it is.
func nextWord(sql []byte) (word, rest []byte) {
	i := 0
	for i < len(sql) && !ofWord(sql[i]) {
		i++
	}
	n := i
	for n < len(sql) && ofWord(sql[n]) {
		n++
	}
	return sql[i:n], sql[n:]
}

// skipBlank skips what PostgreSQL takes for white space: a comment of one line
// ends at a carriage return too.
func skipBlank(sql []byte) []byte {
	for len(sql) > 0 {
		switch {
		case sql[0] == ' ' || sql[0] == '\t' || sql[0] == '\n' || sql[0] == '\r' || sql[0] == '\f':
			sql = sql[1:]
		case len(sql) > 1 && sql[0] == '-' && sql[1] == '-':
			i := bytes.IndexAny(sql, "\r\n")
			if i < 0 {
				return nil
			}
			sql = sql[i:]
		case len(sql) > 1 && sql[0] == '/' && sql[1] == '*':
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

// ofWord reports whether c can stand in a keyword or an identifier.
func ofWord(c byte) bool {
	return isLetter(c) || c == '_' || c == '$' || '0' <= c && c <= '9' || c >= 0x80
}

// is compares ASCII letters without regard to case; word is upper-case.
func is(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i := range b {
		c := b[i]
		if isLetter(c) {
			c &^= 0x20
		}
		if c != word[i] {
			return false
		}
	}
	return true
}
