package session

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What a client has set must hold whichever server it gets, its role first: a
// client that has given up rights must not have them back in its next
// transaction. PostgreSQL reports some settings, and most it does not. So behind
// a transaction that may have changed one of these the server is asked for its
// value, which is one of the client's settings from then on. That the transaction
// has failed, was rolled back, or to a savepoint, need not be understood: the
// server's answer is the truth.
//
// Who acts as another user altogether (SET SESSION AUTHORIZATION, which only a
// superuser may) keeps its server.

// standing is what the client has set.
type standing struct {
	settings Settings  // now
	base     Settings  // at its start: what a RESET goes back to
	kept     Settings  // as they are if the transaction is rolled back
	defaults Defaulter // of the server in use
	foreign  bool      // the server acts as another user than the one who has logged in
	overfull bool      // the client has set more than can be carried to another server
	unheard  []unheard // reports that the client has not had, see restored.go
	asked    asked
	unread   unread // the frame that streams
	leaves   bool   // see Leaves
}

// asked is what the server is to be asked for.
type asked struct {
	role      bool     // whom it acts as
	pins      Pins     // what may hold the client at its server
	names     []string // the other settings that may have changed, by their names in lower case
	adrift    bool     // a transaction has ended meanwhile: what is in force is not known here
	done      bool     // something has come to its end since: what was to change may have
	strangers bool     // whether it has other settings, which nobody has seen the client set
	doubt     bool     // something has failed, was rolled back or reset: a value may be the server's own
}

// over is called when nothing is unanswered: if nothing has come to its end,
// nothing has changed.
func (a *asked) over() {
	if !a.done {
		*a = asked{adrift: a.adrift, pins: a.pins} // a lock stays where its statement fails
	}
}

// ended takes in that something has come to its end.
func (a *asked) ended(tag []byte) {
	if a.any() {
		a.done = true
		a.doubt = a.doubt || len(tag) > 0 && tag[0] == 'R' // ROLLBACK, RESET
	}
}

// Asks reports whether the server is to be asked before anybody else may have it.
func (s *Session) Asks() bool { return s.asked.any() }

func (a *asked) any() bool { return a.role || a.pins != 0 || a.strangers || len(a.names) > 0 }

// Bound reports whether no other server can take the place of this one: on
// another, the client's statements might mean something else, or run with more
// rights.
func (s *Session) Bound() bool {
	return s.foreign || s.overfull || s.asked.adrift || s.names.stuck() || s.waits || s.pins&^movable != 0 || s.unsettled()
}

// Question is the Query to ask; its answer, one row, goes to Told.
func (s *Session) Question() []byte {
	columns := []string{s.valueOf(role)}
	for _, name := range s.asked.names {
		columns = append(columns, s.valueOf(name))
	}
	from := ""
	if s.asked.doubt && len(s.asked.names) > 0 {
		from = sources(s.asked.names)
		for _, name := range s.asked.names {
			columns = append(columns, "(SELECT source FROM s WHERE name = "+literal(name)+")")
		}
	}
	if s.asked.strangers {
		columns = append(columns, strangers(s.known()))
	}
	columns = s.asked.pins.appendQuestions(columns)
	return wire.Append(nil, &pgproto3.Query{String: from + "SELECT " + strings.Join(columns, ", ")})
}

// sources is where the values come from: from the session, or from elsewhere. The
// view is read once, as it is made of all settings that there are.
func sources(names []string) string {
	var list []string
	for _, name := range names {
		list = append(list, literal(name))
	}
	return "WITH s AS MATERIALIZED (SELECT pg_catalog.lower(name) AS name, source FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) IN (" +
		strings.Join(list, ", ") + ")) "
}

// valueOf is the expression for a value, as much of it as there is room for.
func (s *Session) valueOf(name string) string {
	return fmt.Sprintf("pg_catalog.left(pg_catalog.current_setting(%s, true), %d)", literal(name), s.limits.Settings+1)
}

// Told takes in the answer; a value that is nil means that there is no such
// setting. False: it is no answer to the question.
func (s *Session) Told(values [][]byte) bool {
	names := append([]string{role}, s.asked.names...)
	settled := len(names) // so many are about settings
	if s.asked.doubt && len(names) > 1 {
		settled += len(names) - 1
	}
	pins := settled
	if s.asked.strangers {
		pins++
	}
	if len(values) != pins+s.asked.pins.Count() {
		return false
	}
	s.pinsTold(values[pins:])
	s.overfull = s.overfull || s.asked.strangers && string(values[settled]) == "t"
	values, from := values[:len(names)], values[len(names):settled] // of the settings behind the role
	for i, name := range names {
		if values[i] == nil {
			continue
		}
		value := string(values[i])
		if s.isDefault(name, value) || i > 0 && len(from) > 0 && isServers(from[i-1]) {
			s.settings = s.settings.Without(name)
		} else {
			s.settings = s.settings.With(name, value)
		}
	}
	s.overfull = s.overfull || len(s.settings.text()) > s.limits.Settings
	s.kept, s.asked = s.settings, asked{}
	return true
}

// known is the names of the settings that are known to be the client's, or that
// PostgreSQL reports.
func (s *Session) known() []string {
	names := append(reportedNames[:len(reportedNames):len(reportedNames)], s.asked.names...)
	for name := range s.settings.All() {
		names = append(names, name)
	}
	return names
}

// isServers reports whether a setting has the server's own value, by its source in
// pg_settings. One that is not listed there is of the session's making.
func isServers(source []byte) bool { return source != nil && string(source) != "session" }

// Untold is called where the server refuses to answer, as the client may not see
// a setting that it has tried to set, or a view of the catalog: the client keeps the server, and the next
// question is for the role alone.
func (s *Session) Untold() {
	s.overfull = s.overfull || len(s.asked.names) > 0 || s.asked.strangers
	s.pins |= s.asked.pins
	s.asked.names, s.asked.pins, s.asked.strangers, s.asked.role = nil, 0, false, true
}

// touched notes what a statement may change that a server does not report.
func (s *Session) touched(sql []byte) {
	s.leaves = s.leaves || invents(sql)
	s.asked.doubt = s.asked.doubt || resetBy(sql) != ""
	for _, name := range setBy(sql) {
		s.touch(name)
	}
}

// touch notes one setting; everything stands for all that the client has set.
func (s *Session) touch(name string) {
	switch {
	case name == role:
		s.asked.role = true
	case name == tooMany:
		s.asked.role, s.overfull = true, true
	case name == everything:
		s.asked.role = true
		for n := range s.settings.All() {
			if n != role && !reported(n) {
				s.touch(n)
			}
		}
	case reported(name) || slices.Contains(s.asked.names, name):
	case len(s.asked.names) == maxAsked:
		s.overfull = true
	default:
		s.asked.names = append(s.asked.names, name)
	}
}

// What a client sets beyond these stays on its server, and so does the client.
const (
	maxAsked = 100 // settings in one question
	maxCalls = 16  // calls of set_config in a statement: each is read to its end
)

// Names of no setting: everything is what RESET ALL and DISCARD ALL set, tooMany
// stands for those that nobody has looked for.
const (
	everything = "*"
	tooMany    = "\x02"
)

// reported says whether nobody has to ask for a setting: PostgreSQL reports it
// since version 14 at least (PostgreSQL documentation, "Message Formats",
// ParameterStatus), or it is the transaction's, or cannot be read (seed).
func reported(name string) bool {
	switch name {
	case "transaction_isolation", "transaction_read_only", "transaction_deferrable", "seed":
		return true
	}
	return slices.Contains(reportedNames, name)
}

var reportedNames = []string{
	"application_name", "client_encoding", "datestyle", "default_transaction_read_only", "in_hot_standby", "intervalstyle",
	"is_superuser", authorization, "standard_conforming_strings", "timezone",
}
