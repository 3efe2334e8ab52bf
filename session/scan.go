package session

import "bytes"

// isOne reports whether it is plain that sql holds no second statement, as
// nearly all do: no semicolon, or only at the end.
func isOne(sql []byte) bool {
	i := bytes.IndexByte(sql, ';')
	return i < 0 || len(skipEmpty(sql[i:])) == 0
}

// afterFirst returns what stands behind the first statement of a Query, if that
// is more than blanks and semicolons.
func afterFirst(sql []byte, conforming bool) (rest []byte, several bool) {
	rest = skipEmpty(sql[statementEnd(sql, conforming):])
	return rest, len(rest) > 0
}

// skipEmpty skips blanks and semicolons: statements that are empty.
func skipEmpty(sql []byte) []byte {
	for {
		sql = skipBlank(sql)
		if len(sql) == 0 || sql[0] != ';' {
			return sql
		}
		sql = sql[1:]
	}
}

// statementEnd is where the first statement ends: at the first semicolon that
// stands in no string, comment, parenthesis or body of SQL (BEGIN ATOMIC), or
// at the end. conforming is standard_conforming_strings.
func statementEnd(sql []byte, conforming bool) int {
	s := splitter{sql: sql, conforming: conforming}
	for s.at < len(sql) {
		if s.step() {
			return s.at
		}
	}
	return len(sql)
}

// splitter walks over a statement as PostgreSQL's lexer does (scan.l), and finds
// its end as psql does, which is in the same need.
type splitter struct {
	sql        []byte
	at         int
	conforming bool
	parens     int
	words      int     // seen so far
	head       [4]byte // of the first words, those that CREATE FUNCTION is made of: their first letter
	bodies     int     // BEGIN ... END, open, of a function's body
}

// step goes one token on; true at the semicolon that ends the statement.
func (s *splitter) step() bool {
	switch c := s.sql[s.at]; {
	case c == ';' && s.parens == 0 && s.bodies == 0:
		return true
	case c == '(':
		s.parens++
		s.at++
	case c == ')':
		s.parens = max(0, s.parens-1)
		s.at++
	case c == '\'':
		s.quoted('\'', !s.conforming)
	case c == '"':
		s.quoted('"', false)
	case c == '$':
		s.dollar()
	case isBlank(c), c == '-', c == '/':
		s.blank()
	case ofWord(c):
		s.word()
	default:
		s.at++
	}
	return false
}

// blank skips blanks and comments, or the one byte that begins none.
func (s *splitter) blank() {
	rest := skipBlank(s.sql[s.at:])
	s.at = max(s.at+1, len(s.sql)-len(rest))
}

// quoted skips a string or a quoted identifier; a doubled quote is part of it.
func (s *splitter) quoted(quote byte, escapes bool) {
	for s.at++; s.at < len(s.sql); s.at++ {
		switch c := s.sql[s.at]; {
		case c == '\\' && escapes:
			s.at++
		case c == quote:
			s.at++
			return // what follows a doubled one is a string again
		}
	}
	s.at = min(s.at, len(s.sql))
}

// dollar skips $tag$ ... $tag$; a parameter ($1) is skipped as a word.
func (s *splitter) dollar() {
	rest := s.sql[s.at:]
	n := 1
	for n < len(rest) && ofWord(rest[n]) && rest[n] != '$' {
		n++
	}
	if n == len(rest) || rest[n] != '$' || n > 1 && '0' <= rest[1] && rest[1] <= '9' {
		s.at++
		return
	}
	tag := rest[:n+1]
	if i := bytes.Index(rest[n+1:], tag); i >= 0 {
		s.at += n + 1 + i + len(tag)
		return
	}
	s.at = len(s.sql)
}

// word skips a word; the quote behind an E begins a string with escapes.
func (s *splitter) word() {
	n := s.at
	for n < len(s.sql) && ofWord(s.sql[n]) {
		n++
	}
	word := s.sql[s.at:n]
	s.at = n
	if len(word) == 1 && word[0]|0x20 == 'e' && n < len(s.sql) && s.sql[n] == '\'' {
		s.quoted('\'', true)
		return
	}
	s.body(word)
}

// body follows the BEGIN ATOMIC ... END of a function's body, in which
// semicolons stand between its statements. CASE ends by END too.
func (s *splitter) body(word []byte) {
	if s.words < len(s.head) {
		for _, w := range [...]string{"CREATE", "OR", "REPLACE", "FUNCTION", "PROCEDURE"} {
			if is(word, w) {
				s.head[s.words] = w[0]
			}
		}
	}
	s.words++
	if !s.createsFunction() || s.parens > 0 {
		return
	}
	switch {
	case is(word, "BEGIN"), is(word, "CASE") && s.bodies > 0:
		s.bodies++
	case is(word, "END") && s.bodies > 0:
		s.bodies--
	}
}

func (s *splitter) createsFunction() bool {
	isFunction := func(c byte) bool { return c == 'F' || c == 'P' }
	return s.head[0] == 'C' && (isFunction(s.head[1]) || s.head[1] == 'O' && s.head[2] == 'R' && isFunction(s.head[3]))
}

// firstWord skips blanks and comments and returns the word, or else the one
// byte, that follows. At the end and before a semicolon it returns nothing.
func firstWord(sql []byte) (word, rest []byte) {
	sql = skipBlank(sql)
	n := 0
	for n < len(sql) && wordBytes[sql[n]] {
		n++
	}
	if n == 0 && len(sql) > 0 && sql[0] != ';' {
		n = 1
	}
	return sql[:n], sql[n:]
}

func isBlank(c byte) bool {
	return c == ' ' || '\t' <= c && c <= '\r' // with \v, which PostgreSQL takes for a blank since 16
}

// skipBlank skips what PostgreSQL takes for white space: a comment of one line
// ends at a carriage return too.
func skipBlank(sql []byte) []byte {
	if len(sql) == 0 || sql[0] > '/' {
		return sql
	}
	return skipBlanks(sql)
}

// skipBlanks is skipBlank where there may be some.
func skipBlanks(sql []byte) []byte {
	for len(sql) > 0 && sql[0] <= '/' {
		switch {
		case isBlank(sql[0]):
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

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// ofWord reports whether c can stand in a keyword or an identifier.
func ofWord(c byte) bool {
	return isLetter(c) || c == '_' || c == '$' || '0' <= c && c <= '9' || c >= 0x80
}

// wordBytes is ofWord of each byte, for where many are asked about.
var wordBytes = func() (all [256]bool) {
	for c := range all {
		all[c] = ofWord(byte(c))
	}
	return all
}()

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

// statement cuts the text of a Query or Parse at its terminator.
func statement(b []byte, whole bool) ([]byte, bool) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i], true
	}
	return b, whole
}
