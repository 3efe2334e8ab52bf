package session

import (
	"bytes"

	"portero/wire"
)

// SQL has words for prepared statements too, and in a session they mean those of
// the protocol as well: drivers end a statement by DEALLOCATE, as libpq before
// version 17 could not send a Close. So where a Query of one statement names a
// statement that the client has prepared by a Parse, it is sent with the server's
// name. A name that the client has not prepared that way goes as it came.

// sendQuery is a Query.
func (s *Session) sendQuery(f wire.Frame) int {
	s.unnamed, s.waits = Statement{}, false
	if s.memory == nil {
		return 0
	}
	s.memory.unnamed = Statement{} // exec_simple_query drops it first of all
	if len(s.names) == 0 {
		return 0
	}
	sql, whole := statement(f.Body, f.Whole())
	if !whole || !isOne(sql) {
		return 0
	}
	return s.sendByName(f, sql)
}

func (s *Session) sendByName(f wire.Frame, sql []byte) int {
	token, ends := nameIn(sql)
	name := cutName(unquoted(token))
	st, known := s.names[string(name)]
	if len(name) == 0 || !known {
		return 0
	}
	d := s.ensure(st)
	if d == nil {
		return 0
	}
	if ends {
		s.memory.drop(d)
		s.pends(change{name: string(name), old: st, had: true, names: true, closed: d.number})
		s.name(string(name), Statement{}, false)
	}
	return s.rename(f, offset(sql, token), len(token), d)
}

// offset is where in whole a part of it begins.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// nameIn finds the name of a prepared statement in EXECUTE, in DEALLOCATE, which
// ends it, and in the statements that contain an EXECUTE; nil if it is none of these.
func nameIn(sql []byte) (token []byte, ends bool) {
	word, rest := firstWord(sql)
	switch {
	case is(word, "EXECUTE"):
		return firstName(rest), false
	case is(word, "DEALLOCATE"):
		if after, ok := cutWords(rest, "PREPARE"); ok {
			rest = after
		}
		if next, _ := firstWord(rest); is(next, "ALL") {
			return nil, false
		}
		return firstName(rest), true
	case is(word, "EXPLAIN"):
		return explained(rest), false
	case is(word, "CREATE"):
		return created(rest), false
	}
	return nil, false
}

// explained finds the name in EXPLAIN [ANALYZE] [VERBOSE] [(options)] EXECUTE name,
// and in EXPLAIN ... CREATE TABLE ... AS EXECUTE name.
func explained(rest []byte) []byte {
	for {
		word, after := firstWord(rest)
		switch {
		case is(word, "ANALYZE"), is(word, "ANALYSE"), is(word, "VERBOSE"):
			rest = after
		case is(word, "("):
			i := bytes.IndexByte(after, ')')
			if i < 0 {
				return nil
			}
			rest = after[i+1:]
		case is(word, "EXECUTE"):
			return firstName(after)
		case is(word, "CREATE"):
			return created(after)
		default:
			return nil
		}
	}
}

// created finds the name in CREATE TABLE ... AS EXECUTE name.
func created(rest []byte) []byte {
	s := splitter{sql: rest, conforming: true}
	as := false
	for s.at < len(rest) {
		from := s.at
		s.step()
		word := rest[from:s.at]
		switch {
		case as && is(word, "EXECUTE") && s.parens == 0:
			return firstName(rest[s.at:])
		case len(bytes.TrimSpace(word)) > 0 && !isBlank(word[0]):
			as = is(word, "AS")
		}
	}
	return nil
}

// firstName is the identifier that rest begins with, quoted or not.
func firstName(rest []byte) []byte {
	rest = skipBlank(rest)
	if len(rest) > 0 && rest[0] == '"' {
		end := bytes.IndexByte(rest[1:], '"')
		if end < 0 || end+2 < len(rest) && rest[end+2] == '"' {
			return nil // with a quote in it
		}
		return rest[:end+2]
	}
	word, _ := firstWord(rest)
	if len(word) > 0 && (isLetter(word[0]) || word[0] == '_' || word[0] >= 0x80) {
		return word
	}
	return nil
}

// unquoted is what an identifier means: not quoted, it is folded to lower case.
func unquoted(token []byte) []byte {
	if len(token) > 1 && token[0] == '"' {
		return token[1 : len(token)-1]
	}
	return bytes.ToLower(token)
}
