package session

import (
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What a client gave at its start is what RESET, SET ... TO DEFAULT and DISCARD
// ALL go back to on a connection of its own. A server that was opened for
// others goes back to its own defaults; so behind such a statement it is told the
// client's, by a request that the client hears nothing of. If the statement fails
// in a transaction, so does that; and what comes of both is asked of the server
// like any setting.
//
// Of several statements in one Query nobody knows which have been done, and what
// has been set behind a RESET: there only what is the server's own is restored.
//
// Not seen: SET LOCAL ... TO DEFAULT; an error in the same group behind an Execute of
// DISCARD ALL, which has committed, and takes back what is told behind it; and what stands behind a RESET in the same
// Query, which still meets the server's default.

// afresh is what DISCARD ALL resets: everything, and the role too, which a RESET
// ALL leaves as it is (GUC_NO_RESET_ALL).
const afresh = "\x01"

// resetBy is what a statement resets: a name in lower case, everything, or afresh.
func resetBy(sql []byte) string {
	word, rest := firstWord(skipEmpty(sql))
	switch {
	case is(word, "DISCARD"):
		if _, ok := cutWords(rest, "ALL"); ok {
			return afresh
		}
	case is(word, "RESET"):
		if _, ok := cutWords(rest, "ALL"); ok {
			return everything
		}
		return resetName(rest)
	case is(word, "SET"):
		return setToDefault(rest)
	}
	return ""
}

// resetName is the parameter that RESET names.
func resetName(rest []byte) string {
	if _, ok := cutWords(rest, "TIME", "ZONE"); ok {
		return "timezone"
	}
	if _, ok := cutWords(rest, "SESSION", "AUTHORIZATION"); ok {
		return ""
	}
	return settingName(rest)
}

// setToDefault is the parameter of SET [SESSION] name TO DEFAULT, and of its phrases.
func setToDefault(rest []byte) string {
	if after, ok := cutWords(rest, "SESSION"); ok {
		rest = after
	}
	for _, p := range [...]struct {
		words []string
		name  string
	}{{[]string{"TIME", "ZONE"}, "timezone"}, {[]string{"NAMES"}, "client_encoding"}, {[]string{"LOCAL"}, ""}, {[]string{"AUTHORIZATION"}, ""}} {
		if after, ok := cutWords(rest, p.words...); ok {
			word, _ := firstWord(after)
			if p.name == "" || !is(word, "DEFAULT") && !is(word, "LOCAL") && len(word) > 0 {
				return ""
			}
			return p.name
		}
	}
	for name := settingName(rest); ; {
		var word []byte
		if word, rest = firstWord(rest); len(word) == 0 {
			return ""
		}
		if is(word, "TO") || is(word, "=") {
			if word, _ = firstWord(rest); is(word, "DEFAULT") {
				return name
			}
			return ""
		}
	}
}

// restoreQuery sends the client's values behind a Query that resets them.
func (s *Session) restoreQuery(f wire.Frame, replaced int) int {
	if s.base == (Settings{}) || s.memory == nil || !f.Whole() || !s.mayReset(s.ring.last()) {
		return replaced
	}
	sql, _ := statement(f.Body, true)
	restoring := s.restoring
	if s.ring.last().several() {
		restoring = s.restoringUnset
	}
	setting := restoring(s.resetsOf(sql))
	if setting == "" {
		return replaced
	}
	if replaced == 0 {
		s.edit, replaced = appendHead(s.edit, 'Q', f.Size), wire.HeaderLen
	}
	s.edit = append(s.edit, f.Body[replaced-wire.HeaderLen:]...)
	s.edit = wire.Append(s.edit, &pgproto3.Query{String: setting})
	s.ring.push(request{t: 'Q', kind: kindEmpty, marks: skipped, effect: ofQuery[kindEmpty]})
	return wire.HeaderLen + f.Size
}

func (s *Session) mayReset(q *request) bool { return q.kind == kindSet || q.several() }

// resetsOf is what the statements of a Query reset.
func (s *Session) resetsOf(sql []byte) (names []string) {
	for len(sql) > 0 {
		next, _ := s.afterFirst(sql)
		names = append(names, resetBy(sql[:len(sql)-len(next)]))
		sql = next
	}
	return names
}

// restoring is the statement that gives the client its own values again; "" if it
// gave none of these names.
func (s *Session) restoring(names []string) string {
	var calls []string
	for name, value := range s.base.All() {
		if isReset(names, name) {
			calls = append(calls, "pg_catalog.set_config("+literal(name)+","+literal(value)+", false)")
		}
	}
	if len(calls) == 0 {
		return ""
	}
	return "SELECT " + strings.Join(calls, ", ")
}

// restoringUnset is restoring for what is not set by the session as it is now. What
// pg_settings does not list (the role, names of the client's own making) is set
// unless it has the value that it is reset to.
func (s *Session) restoringUnset(names []string) string {
	var rows []string
	for name, value := range s.base.All() {
		if isReset(names, name) {
			rows = append(rows, "("+literal(name)+","+literal(value)+")")
		}
	}
	if len(rows) == 0 {
		return ""
	}
	return "SELECT pg_catalog.set_config(base.name, base.value, false) FROM (VALUES " + strings.Join(rows, ", ") + ") AS base (name, value)" +
		" LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) base.name" +
		" WHERE CASE WHEN s.name IS NULL THEN pg_catalog.current_setting(base.name, true) OPERATOR(pg_catalog.=) ANY ('{\"\",none}')" +
		" ELSE s.source OPERATOR(pg_catalog.<>) 'session' END"
}

func isReset(names []string, name string) bool {
	for _, n := range names {
		if n == name || n == afresh || n == everything && name != role {
			return name != authorization
		}
	}
	return false
}

// restoreExecute sends the client's values behind the Execute of a statement that
// resets them, by a statement and a portal that are gone again behind it.
func (s *Session) restoreExecute(f wire.Frame) int {
	name := s.ran(f).resets()
	if name == "" || s.memory == nil || !f.Whole() {
		return 0
	}
	setting := s.restoring([]string{name})
	if setting == "" {
		return 0
	}
	s.edit = append(appendHead(s.edit, 'E', f.Size), f.Body...)
	s.appendOurs(setting, kindSet, s.ring.push)
	return wire.HeaderLen + f.Size
}

// literal is a string constant that means the same whatever standard_conforming_strings is.
func literal(s string) string {
	if !strings.ContainsAny(s, `\'`) {
		return "'" + s + "'"
	}
	return " E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// swallow takes the answers to what is our own and runs something.
func (s *Session) swallow(f wire.Frame) Verdict {
	if s.ring.at(0).is(ahead) {
		return s.aheadAnswered(f)
	}
	v := Discard
	switch f.Type {
	case 'C':
		if s.ring.first() == 'E' {
			s.executed(f)
		}
	case 'D':
		if s.ring.at(0).is(identifies) {
			s.identified(f)
		}
	case 'T', 'N':
	case 'S':
		return s.parameterStatus(f)
	case 'A':
		v = Forward
	case 'E':
		if wire.IsFatal(f.Body) {
			s.Fault = wire.ParseError(f.Body)
			return Dying
		}
		if s.ring.first() == 'E' {
			return s.failed(f)
		}
	case 'Z':
		return s.readyForQuery(f)
	default:
		return s.within(false)
	}
	return v
}
