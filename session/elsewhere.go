package session

import (
	"bytes"
	"strings"

	"portero/wire"
)

// What is for the coordinator, and comes while a client has a server of another node, must not run
// there: it would make a table that is on this node alone, or take a lock that nobody else meets,
// and no node refuses that. Behind an autocommit statement it waits until the server has been
// given back. In a transaction, or with a server that is kept, it is refused.
//
// Here a text is read as PostgreSQL does: what stands in a string or in a comment is no reason.

// Away tells whether the server that the client has got is of another node than the coordinator.
func (s *Session) Away(is bool) { s.away = is }

// bars says why a frame is not to run at the node where the client is; 0: it may, or waits.
func (s *Session) bars(f wire.Frame) refusal {
	if !s.away {
		return 0
	}
	return s.barsAway(f)
}

func (s *Session) barsAway(f wire.Frame) refusal {
	switch {
	case s.now == failed || !s.isErrand(f):
		return 0
	case s.now == idle && s.ring.empty():
		return keptElsewhere
	}
	return beginsElsewhere
}

// waitsForHome reports whether a frame is for the coordinator, and only what is unanswered keeps
// the client where it is.
func (s *Session) waitsForHome(f wire.Frame) bool {
	return s.now == idle && !s.open && !s.copyIn && !s.skipping && !s.ring.empty() && s.isErrand(f)
}

// isErrand reports whether what a frame brings or runs is for the coordinator beyond doubt.
func (s *Session) isErrand(f wire.Frame) bool {
	sql, _ := s.textOf(f)
	if !s.forCoordinator(sql) { // the quick look
		return false
	}
	conforming := s.conforms()
	for {
		sql = skipEmpty(sql)
		if s.isOneErrand(sql, conforming) {
			return true
		}
		if text := s.runsByName(sql); text != nil && s.isOneErrand(text, conforming) {
			return true
		}
		if isOne(sql) {
			return false
		}
		sql, _ = afterFirst(sql, conforming)
	}
}

func (s *Session) isOneErrand(sql []byte, conforming bool) bool {
	if ofSchema(sql, conforming) && !staysPut(sql) && !(s.hasTemp() && mayBeOfTemp(sql)) {
		return true
	}
	return callsSurely(sql, conforming)
}

// hasTemp reports whether the client may have something temporary where it is.
func (s *Session) hasTemp() bool {
	return s.pinning == PinningAllow || (s.pins|s.asked.pins)&PinTemp != 0
}

// staysPut reports whether a statement leaves nothing behind that others would miss: of
// distributed tables the node itself tells all others, or refuses.
func staysPut(sql []byte) bool {
	word, _ := firstWord(sql)
	return is(word, "ANALYZE") || is(word, "ANALYSE") || is(word, "VACUUM") || is(word, "TRUNCATE") || is(word, "UNLISTEN")
}

// mayBeOfTemp reports whether a statement changes something that there is, which may be
// temporary. If it is distributed, the node itself refuses.
func mayBeOfTemp(sql []byte) bool {
	word, rest := firstWord(sql)
	for _, w := range [...]string{"ALTER", "CLUSTER", "COMMENT", "DROP", "GRANT", "REINDEX", "REVOKE"} {
		if is(word, w) {
			return true
		}
	}
	return is(word, "CREATE") && (startsWith(rest, "INDEX") || startsWith(rest, "UNIQUE"))
}

// runsByName is the text that a statement runs by the name of a prepared one, as far as it is known;
// nil: there is none.
func (s *Session) runsByName(sql []byte) []byte {
	if len(sql) == 0 || sql[0]|0x20 != 'e' || s.names.len() == 0 {
		return nil
	}
	r := referenceIn(sql)
	if r.verb != executes {
		return nil
	}
	st, known := s.names.get(cutName(unquoted(r.name)))
	if !known {
		return nil
	}
	text := st.query()
	if st.isSQL() {
		text = behindAs(text)
	}
	return skipEmpty(text)
}

// behindAs is what a PREPARE prepares, of which text stands behind the name.
func behindAs(text []byte) []byte {
	s := splitter{sql: text, conforming: true}
	for s.at < len(text) {
		from := s.at
		if s.step() {
			return nil
		}
		if s.parens == 0 && is(text[from:s.at], "AS") {
			return text[s.at:]
		}
	}
	return nil
}

// intoTable reports whether a query, of which rest stands behind its first word, makes a table that
// is not temporary. The INTO of an INSERT or a MERGE is another one.
func intoTable(rest []byte, conforming bool) bool {
	s := splitter{sql: rest, conforming: conforming}
	writes := false
	for s.at < len(rest) {
		from := s.at
		if s.step() {
			return false
		}
		switch word := rest[from:s.at]; {
		case isGap(word) || s.parens > 0:
		case is(word, "INTO") && !writes:
			return !makesTemp(rest[s.at:])
		default:
			writes = is(word, "INSERT") || is(word, "MERGE")
		}
	}
	return false
}

// callsSurely reports whether a statement calls a function that is for the coordinator. To give
// back a lock that is not held does no harm, and who ends a backend may have its pid from here.
func callsSurely(sql []byte, conforming bool) bool {
	return callsBy(sql, conforming, func(name []byte) bool { return isManagement(name) && !isHarmless(name) })
}

// callsBy reports whether a statement calls a function with such a name.
func callsBy(sql []byte, conforming bool, such func(name []byte) bool) bool {
	s := splitter{sql: sql, conforming: conforming}
	var before []byte
	for s.at < len(sql) {
		from := s.at
		if s.step() {
			return false
		}
		switch word := sql[from:s.at]; {
		case isGap(word):
		case word[0] == '(' && such(before):
			return true
		default:
			before = bytes.Trim(word, `"`)
		}
	}
	return false
}

func isHarmless(name []byte) bool {
	for _, begins := range [...]string{"pg_advisory_unlock", "pg_cancel_backend", "pg_terminate_backend"} {
		if n := len(begins); len(name) >= n && strings.EqualFold(string(name[:n]), begins) {
			return true
		}
	}
	return false
}

// isGap reports whether a token is blanks or a comment.
func isGap(token []byte) bool {
	return isBlank(token[0]) || len(token) > 1 && (token[0] == '-' || token[0] == '/')
}

func errElsewhere(r refusal) *wire.Error {
	if r == keptElsewhere {
		e := wire.Errorf(wire.FeatureNotSupported, "this has to run on the coordinator, and the client keeps a server of another node")
		e.Hint = "What the client has set up there, as a temporary table or a held cursor, binds it to that node. End that first, or use a route with group = 0."
		return e
	}
	e := wire.Errorf(wire.FeatureNotSupported, "this has to run on the coordinator, and the transaction is at another node")
	e.Hint = elsewhereHint
	return e
}
