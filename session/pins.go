package session

import (
	"math/bits"
	"strings"

	"portero/wire"
)

// Pins is a set of reasons for which a client keeps its server between
// transactions: what it has set up there and cannot take to another one.
type Pins uint16

// The reasons. The first ones are asked of the server behind a transaction whose
// text may have changed them; nothing tells of those behind them, which are
// believed as soon as they are asked for. The last ones a session knows by itself,
// and no pin_policy allows what would come of them: they are not in Session.pins.
const (
	PinTemp     Pins = 1 << iota // temporary tables, views, types, functions, ...
	PinCursor                    // cursors WITH HOLD
	PinLock                      // advisory locks of the session
	PinPrepared                  // PREPARE, as a statement of SQL
	PinSlot                      // temporary replication slots
	PinSequence                  // what currval and lastval tell
	PinLibrary                   // LOAD
	PinFunction                  // functions that are known to keep something: dblink_connect, pg_backup_start

	PinUser     // SET SESSION AUTHORIZATION: on another server it would have other rights
	PinSettings // more settings than are carried, or such as cannot be asked for
	PinLong     // a prepared statement whose text is too long to be kept

	NumPins = 11
	AllPins = Pins(1<<NumPins - 1)
)

const (
	askable = PinTemp | PinCursor | PinLock | PinPrepared | PinSlot
	movable = PinSequence              // without it, statements fail on another server; they do no harm
	lasting = PinLibrary | PinFunction // nothing that a client can say takes it away
)

var pinNames = [NumPins]string{
	"temporary object", "held cursor", "advisory lock", "prepared statement", "temporary replication slot",
	"sequence value", "loaded library", "function state", "other user", "many settings", "long statement",
}

// Each yields the reasons one by one.
func (p Pins) Each(yield func(Pins) bool) {
	for ; p != 0; p &= p - 1 {
		if !yield(p & -p) {
			return
		}
	}
}

// Index is the place of the first reason among all, from 0 to NumPins-1.
func (p Pins) Index() int { return bits.TrailingZeros16(uint16(p)) }

// Count is how many reasons there are.
func (p Pins) Count() int { return bits.OnesCount16(uint16(p)) }

// String is the reasons in words, as log and metrics have them.
func (p Pins) String() string {
	var words []string
	for one := range p.Each {
		words = append(words, pinNames[one.Index()])
	}
	return strings.Join(words, ", ")
}

// pinnedBy is why a client keeps its server.
type pinnedBy struct {
	pinning Pinning // what becomes of what cannot be moved
	pins    Pins    // what there is of that
	refused Pins    // what the frame at hand is refused for
	drawn   bool    // what the server tells by currval may be the client's
	strange bool    // it may be what others have drawn, and the frame at hand asks for it
}

// Washable reports whether DISCARD ALL takes away all that pins the client, and
// all that may.
func (s *Session) Washable() bool {
	if _, acting := s.settings.Get(role); acting { // which DISCARD ALL takes away or not, by version
		return false
	}
	return (s.pins|s.asked.pins) != 0 && (s.pins|s.asked.pins)&(lasting|PinSlot) == 0 &&
		!s.foreign && !s.overfull && !s.asked.role && len(s.asked.names) == 0
}

// Pins are the reasons for which the client keeps its server; none where it is its
// own anyway.
func (s *Session) Pins() Pins {
	p := s.pins
	if s.memory == nil {
		return p
	}
	if s.foreign {
		p |= PinUser
	}
	if s.overfull {
		p |= PinSettings
	}
	if s.waits || s.names.stuck() {
		p |= PinLong
	}
	return p
}

// questions are what to ask for the askable reasons. No name or operator in them
// can be the client's own.
var questions = [...]string{
	// Whatever is in the temporary schema depends on it; the schema itself stays.
	"EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass" +
		" AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema())",
	"EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE is_holdable)",
	"EXISTS (SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory'" +
		" AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())",
	// Those of our own names follow their clients.
	"EXISTS (SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql AND" +
		" pg_catalog.left(name, 8) OPERATOR(pg_catalog.<>) '" + madePrefix + "')",
	"EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE temporary" +
		" AND active_pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())",
}

// appendQuestions adds a column for each reason.
func (p Pins) appendQuestions(columns []string) []string {
	for one := range p.Each {
		columns = append(columns, questions[one.Index()])
	}
	return columns
}

// pinsTold takes in the answers, one for each reason that was asked for.
func (s *Session) pinsTold(values [][]byte) {
	for one := range s.asked.pins.Each {
		s.pins &^= one
		if string(values[0]) == "t" {
			s.pins |= one
		}
		values = values[1:]
	}
}

// Pinning says what becomes of a client that sets up what cannot be moved.
type Pinning uint8

const (
	PinningPin   Pinning = iota // it keeps its server
	PinningError                // the statement is refused, if it shows what it does
	PinningAllow                // nothing: its next statement may meet another server
)

// SetPinning changes that for what the client sets up from here on.
func (s *Session) SetPinning(p Pinning) { s.pinning = p }

// Pinning is what becomes of what the client cannot take to another server.
func (s *Session) Pinning() Pinning { return s.pinning }

// hint takes in what a statement that is run now shows of itself.
func (s *Session) hint(h hints) {
	if h == 0 || s.loss.active() {
		return
	}
	if h&(unseen|unlisted) != 0 {
		s.overfull = s.overfull || h&unlisted != 0
		s.touch(everything)
		s.asked.doubt, s.asked.strangers, s.rereads = true, true, true
	}
	if s.pinning == PinningAllow {
		return
	}
	p := h.pins()
	if h&resets != 0 {
		s.pins &^= PinSequence
	}
	s.asked.pins |= p & askable &^ s.pins
	if h&frees != 0 {
		s.asked.pins |= s.pins & askable
	}
	s.pins |= p &^ askable
	s.strange = s.strange || p&PinSequence != 0 && !s.drawn
}

// runs notes what a statement shows that is run now.
func (s *Session) runs(sql []byte, h hints) {
	if h == 0 && s.pins == 0 && s.settings == (Settings{}) {
		return
	}
	all, itself := weigh(sql, h, s.settings, s.pinning == PinningError)
	if s.refuses(itself) {
		s.refused |= itself.pins()
		return
	}
	s.hint(all)
}

// parses notes what a statement shows that is prepared now. What it does when it
// is executed is looked at when it is bound.
func (s *Session) parses(all, itself hints) {
	if s.refuses(itself) {
		s.refused |= itself.pins()
		return
	}
	s.hint(all & hints(PinSequence)) // which has to be known before anything of it runs
}

// unreadRuns notes that a statement is run that has not been read to its end.
func (s *Session) unreadRuns() {
	if s.pinning != PinningAllow {
		s.asked.pins |= askable
	}
}

// weigh adds to what a text mentions what its command shows, and takes away what
// only its strings mention, as far as nobody asks the server for that. itself is
// what the statement itself does; that costs time, and where it is not wanted it
// may be more. of is the client's settings, as far as they decide.
func weigh(sql []byte, h hints, of Settings, wanted bool) (all, itself hints) {
	byCommand := shownByCommand(sql, of)
	p := h.pins()
	if p == 0 || !wanted && p&^askable == 0 {
		return h | byCommand, h | byCommand
	}
	itself = h
	if command, _ := firstWord(skipEmpty(sql)); !is(command, "DO") { // whose string it runs
		v, set := of.Get("standard_conforming_strings")
		itself = mentions(withoutStrings(sql, !set || v == "on"))
	}
	itself |= byCommand
	return h&^hints(lasting|movable) | itself, itself
}

// shownByCommand is what a statement shows by what it begins with: what may let
// go of pins, and what may create something in a search_path of temporary objects.
func shownByCommand(sql []byte, of Settings) hints {
	sql = skipEmpty(sql)
	if len(sql) == 0 || sql[0]|0x20 < 'c' || sql[0]|0x20 > 'e' {
		return 0
	}
	word, rest := firstWord(sql)
	switch {
	case is(word, "DROP"), is(word, "CLOSE"), is(word, "DEALLOCATE"), is(word, "DO"), is(word, "CALL"), is(word, "EXECUTE"):
		return frees
	case is(word, "DISCARD"):
		if what, _ := firstWord(rest); is(what, "ALL") || is(what, "SEQUENCES") {
			return frees | resets
		}
		return frees
	case is(word, "CREATE"):
		if path, _ := of.Get("search_path"); strings.Contains(path, "pg_temp") {
			return hints(PinTemp)
		}
	}
	return 0
}

// refuses reports whether a statement that does this is refused. In a failed
// block the server does that itself; and what goes with its transaction is let
// pass.
func (s *Session) refuses(itself hints) bool {
	p := itself.pins()
	if itself&fleeting != 0 {
		p &^= PinTemp
	}
	return p != 0 && s.pinning == PinningError && s.now != failed
}

// asRefused is the request of a frame that is refused: it will fail.
func asRefused(t byte) request {
	q := alone(t)
	if t == 'Q' {
		q = execute('Q', kindOther)
	}
	q.fails()
	return q
}

func errPinRefused(p Pins) *wire.Error {
	e := wire.Errorf(wire.FeatureNotSupported, "what outlives its transaction is not allowed here (pin_policy): %s", p)
	e.Hint = `Set pin_policy = "pin" for the route, or pool_mode = "session".`
	return e
}
