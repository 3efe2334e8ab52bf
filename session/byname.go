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
	token, ends, all := s.byName(f)
	if s.open || s.changes.len() > 0 || all { // it may be skipped; and it comes behind what may be
		s.pends(change{old: s.unnamed, names: true, all: all, alone: all})
	}
	s.unnamed, s.waits = Statement{}, false
	if s.memory == nil {
		return 0
	}
	s.memory.unnamed = Statement{} // exec_simple_query drops it first of all
	name := cutName(unquoted(token))
	st, known := s.names[string(name)]
	if !known || s.open {
		return 0
	}
	number := uint32(0)
	if ends {
		number = s.deallocates(string(name), st)
	} else {
		number = s.executes(st)
	}
	return s.rename(f, offset(f.Body, token), len(token), number)
}

// byName finds the name of a prepared statement in a Query; nil: it has none. ends:
// the statement is deallocated. all: every one is.
func (s *Session) byName(f wire.Frame) (token []byte, ends, all bool) {
	if len(s.names) == 0 && s.changes.len() == 0 {
		return nil, false, false
	}
	sql, whole := statement(f.Body, f.Whole())
	if !whole || !isOne(sql) {
		return nil, false, false
	}
	return nameIn(sql)
}

// executes finds the server's statement for a Query, which has it made first.
func (s *Session) executes(st Statement) uint32 {
	d := s.memory.find(st)
	if d != nil {
		return d.number
	}
	if st.isOnly() {
		return 0
	}
	d = s.memory.add(st)
	s.tidy()
	s.edit = appendParse(s.edit, d)
	s.inject('P', change{made: d})
	s.injectSync()
	return d.number
}

// deallocates finds what the server can deallocate for the client: its own
// statement, or where it has none, which may be as it cannot be made any more, an empty one.
func (s *Session) deallocates(name string, st Statement) uint32 {
	number := uint32(0)
	if d := s.memory.find(st); d != nil {
		s.memory.drop(d)
		number = d.number
	} else {
		number = s.memory.next()
		s.edit = appendEmpty(s.edit, number)
		s.inject('P', change{})
		s.injectSync()
	}
	s.pends(change{name: name, old: st, had: true, names: true, closed: number, alone: true})
	s.name(name, Statement{}, false)
	return number
}

// injectSync ends what is injected before a Query: without it an error there
// would have the server skip the Query.
func (s *Session) injectSync() {
	s.edit = append(s.edit, syncFrame...)
	q := syncRequest()
	q.marks = skipped
	s.ring.pushBeforeLast(q)
	s.group++
}

var syncFrame = []byte{'S', 0, 0, 0, 4}

// offset is where in whole a part of it begins.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// nameIn finds the name of a prepared statement in EXECUTE, in DEALLOCATE, which
// ends it, and in the statements that contain an EXECUTE; nil if it is none of these.
func nameIn(sql []byte) (token []byte, ends, all bool) {
	word, rest := firstWord(sql)
	switch {
	case is(word, "EXECUTE"):
		token = firstName(rest)
	case is(word, "DEALLOCATE"):
		if after, ok := cutWords(rest, "PREPARE"); ok {
			rest = after
		}
		if next, _ := firstWord(rest); is(next, "ALL") {
			return nil, false, true
		}
		return firstName(rest), true, false
	case is(word, "DISCARD"):
		_, all = cutWords(rest, "ALL")
	case is(word, "EXPLAIN"):
		token = explained(rest)
	case is(word, "CREATE"):
		token = created(rest)
	}
	return token, false, all
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
