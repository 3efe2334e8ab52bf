package session

import "bytes"

// reference is how a Query of one statement speaks of a prepared statement.
type reference struct {
	verb verb
	name []byte // as it stands there, quotes and all
	rest []byte // of the text, behind it
	nth  int    // statement of its Query, from 0
}

type verb uint8

const (
	nothing     verb = iota
	prepares         // PREPARE name AS
	executes         // EXECUTE name, also in EXPLAIN and CREATE TABLE AS
	deallocates      // DEALLOCATE name
	forgets          // DEALLOCATE ALL, DISCARD ALL
)

// mayReference is a first look, as nearly all do not.
func mayReference(sql []byte) bool {
	sql = skipEmpty(sql)
	if len(sql) == 0 {
		return false
	}
	switch sql[0] | 0x20 {
	case 'p', 'e', 'd', 'c':
		return true
	}
	return false
}

// offset is where in whole a part of it begins.
func offset(whole, part []byte) int { return cap(whole) - cap(part) }

// referenceIn finds the name in a statement that speaks of a prepared one.
func referenceIn(sql []byte) (r reference) {
	word, rest := firstWord(skipEmpty(sql))
	switch {
	case is(word, "PREPARE"):
		if _, ok := cutWords(rest, "TRANSACTION"); !ok {
			r.verb, r.name = prepares, firstName(rest)
		}
	case is(word, "EXECUTE"):
		r.verb, r.name = executes, firstName(rest)
	case is(word, "DEALLOCATE"):
		if after, ok := cutWords(rest, "PREPARE"); ok {
			rest = after
		}
		if r.verb = forgets; !startsWith(rest, "ALL") {
			r.verb, r.name = deallocates, firstName(rest)
		}
	case is(word, "DISCARD") && startsWith(rest, "ALL"):
		r.verb = forgets
	case is(word, "EXPLAIN"):
		r.verb, r.name = executes, explained(rest)
	case is(word, "CREATE"):
		r.verb, r.name = executes, created(rest)
	}
	if r.verb != forgets && r.name == nil {
		r.verb = nothing
	}
	if r.name != nil {
		r.rest = sql[offset(sql, r.name)+len(r.name):]
	}
	return r
}

func startsWith(rest []byte, word string) bool {
	_, ok := cutWords(rest, word)
	return ok
}

// explained finds the name in EXPLAIN [ANALYZE] [VERBOSE] [(options)] EXECUTE name,
// and in EXPLAIN ... CREATE TABLE ... AS EXECUTE name.
func explained(rest []byte) []byte {
	word, after := firstWord(explains(rest))
	switch {
	case is(word, "EXECUTE"):
		return firstName(after)
	case is(word, "CREATE"):
		return created(after)
	}
	return nil
}

// explains is the statement behind an EXPLAIN and its options.
func explains(rest []byte) []byte {
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
			if next, _ := firstWord(after); is(next, "SELECT") || is(next, "WITH") { // no options, but a query in parentheses
				return rest
			}
			rest = after[i+1:]
		default:
			return rest
		}
	}
}

// created finds the name in CREATE TABLE ... AS EXECUTE name.
func created(rest []byte) []byte {
	s := splitter{sql: rest, conforming: true}
	as := false
	for s.at < len(rest) {
		from := s.at
		if s.step() {
			return nil // the statement ends here
		}
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
