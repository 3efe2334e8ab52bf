package session

import (
	"strings"
	"unique"
)

// Statement is what a prepared statement is, whoever has prepared it under
// whatever name: two clients whose Statements are equal can share one of a
// server's. Equal ones are the same word in memory. The zero value is none.
type Statement struct {
	h unique.Handle[prepared]
}

// prepared decides what a statement means, but for what PostgreSQL itself looks
// up again when a plan is out of date (plancache.c).
type prepared struct {
	text    string   // the body of the Parse behind the name: the query, and the types of its parameters
	means   Settings // in force when it was parsed, as far as they decide what the text means
	kind    kind
	sets    string // what it may set, in lower case, ended by zero bytes
	reset   string // what it resets: a name, or everything
	marks   bool   // it leaves behind what cannot be taken away; see Leaves
	sql     bool   // the text is that behind the name in PREPARE name
	all     hints  // what it shows
	self    hints  // what of that it does itself
	heeds   string // what it has to do with notifications, see heedOf
	shape   uint64 // of its parameters and results, see shape.go; 0: nobody has had it described
	planned bool   // what it returns is known when it is parsed
	rereads bool   // it may change settings by which texts are read
	owner   *byte  // not nil: it is one client's own, see rereads.go
	verb    verb   // how it speaks of another prepared one, see referring.go
	refers  string // by this name
	only    uint32 // not 0: the text is not known, the statement is on one server, under this number
}

// nobodys stands for an unnamed statement that is no client's: Portero's own, or
// what an error has left.
var nobodys = Statement{unique.Make(prepared{text: "\x00"})}

// onlyHere is a statement whose text was too long to be kept.
func onlyHere(number uint32, k kind) Statement {
	return Statement{unique.Make(prepared{kind: k, only: number})}
}

// size is how many bytes of text it keeps.
func (st Statement) size() int {
	if st == (Statement{}) {
		return 0
	}
	return len(st.h.Value().text)
}

// query is its text; nil if that is not known.
func (st Statement) query() []byte {
	if st == (Statement{}) {
		return nil
	}
	sql, _ := statement([]byte(st.h.Value().text), true)
	return sql
}

// isSQL reports whether it was made by SQL, as it must be on each server.
func (st Statement) isSQL() bool { return st.h.Value().sql }

// isOnly reports whether no other server can be given the statement.
func (st Statement) isOnly() bool { return st != Statement{} && st.h.Value().only != 0 }

func (st Statement) kind() kind {
	if st == (Statement{}) {
		return kindOther // there is none: it will fail
	}
	return st.h.Value().kind
}

// resets is what the statement resets; "" is nothing.
func (st Statement) resets() string {
	if st == (Statement{}) {
		return ""
	}
	return st.h.Value().reset
}

// shows is what the statement shows of what it does to its session.
func (st Statement) shows() (all, itself hints) {
	if st == (Statement{}) {
		return 0, 0
	}
	p := st.h.Value()
	return p.all, p.self
}

// touches tells what the statement may set.
func (st Statement) touches(touch func(name string)) {
	for rest := st.h.Value().sets; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, sep)
		touch(name)
	}
}

// decisive are the settings by which PostgreSQL reads a text when it is parsed:
// literals, strings, names. A path that changes later is followed by the plans
// that are there (RevalidateCachedQuery), a DateStyle is not.
var decisive = [...]string{
	"array_nulls", "client_encoding", "datestyle", "intervalstyle", role, "search_path", "standard_conforming_strings", "timezone",
	"timezone_abbreviations", "transform_null_equals", "xmloption",
}

// decisiveOf is the part of s that decides what a statement means.
func decisiveOf(s Settings) (d Settings) {
	if s == (Settings{}) {
		return s
	}
	for _, name := range decisive {
		if value, ok := s.Get(name); ok {
			d = d.With(name, value)
		}
	}
	return d
}

// Texts makes Statements, and keeps those it has made for a while, so that a
// text that comes again costs no memory. It belongs to one loop.
type Texts struct {
	of     map[string]Statement // by text, where settings is in force
	means  Settings
	others map[Settings]map[string]Statement
	n      int
	size   int // bytes of texts

	held      map[Statement]int // by how many names of clients
	heldBytes int               // of their texts
	all       func(by int) int  // adds to the bytes of this and others, and tells them; nil: there are no others
}

// CountTogether has the texts that clients have here be counted together with others: all adds
// to their bytes, and tells how many these are then. Call it before anything else.
func (t *Texts) CountTogether(all func(by int) int) { t.all = all }

func (t *Texts) count(bytes int) {
	t.heldBytes += bytes
	if t.all != nil {
		t.all(bytes)
	}
}

// bytes is what is counted, others' included.
func (t *Texts) bytes() int {
	if t.all != nil {
		return t.all(0)
	}
	return t.heldBytes
}

// hold counts a client's name for a statement in, letGo counts it out.
func (t *Texts) hold(st Statement) {
	if t.held == nil {
		t.held = make(map[Statement]int)
	}
	n := t.held[st]
	if n == 0 {
		t.count(st.size())
	}
	t.held[st] = n + 1
}

func (t *Texts) letGo(st Statement) {
	n := t.held[st]
	if n > 1 {
		t.held[st] = n - 1
		return
	}
	delete(t.held, st)
	t.count(-st.size())
}

// What a Texts keeps. Clients and servers keep those they have by themselves.
const (
	maxTexts    = 10_000
	maxTextSize = 4 << 20
)

// statement is the Statement of a Parse whose body behind the name is text.
func (t *Texts) statement(text []byte, means Settings) Statement {
	if means != t.means || t.of == nil {
		t.turn(means)
	}
	if st, ok := t.of[string(text)]; ok {
		return st
	}
	if t.n++; t.n > maxTexts || t.size+len(text) > maxTextSize {
		t.others, t.n, t.size = nil, 1, 0
		t.turn(means)
	}
	t.size += len(text)
	p := prepared{text: string(text), means: means, kind: kindUnknown}
	if sql, ok := statement(text, false); ok {
		var h hints
		if p.kind, h = classify(sql); p.kind == kindSet {
			p.sets, p.reset, p.marks = strings.Join(setBy(sql), sep)+sep, resetBy(sql), invents(sql)
			p.rereads = rereads(sql)
		} else if p.kind == kindPrepare && h&sets != 0 { // as in Session.classified
			p.kind, p.sets, p.rereads = kindSet, tooMany+sep, true
		} else if p.kind == kindHeeds {
			p.heeds = heedOf(sql)
		} else if callsNotify(sql) {
			p.heeds = heedNotify
		}
		p.all, p.self = weigh(sql, h, means, true)
		p.planned = isPlanned(sql)
		if isOne(sql) && mayReference(sql) && referenceIn(sql).verb == forgets {
			p.verb = forgets
		}
	}
	st := Statement{unique.Make(p)}
	t.of[p.text] = st
	return st
}

// bySQL is the Statement of a PREPARE, of which rest stands behind the name. These
// are seldom, and not kept.
func (t *Texts) bySQL(rest []byte, means Settings) Statement {
	p := prepared{text: string(rest), means: means, sql: true}
	if setsByFunction(rest) {
		p.kind, p.sets, p.marks, p.rereads = kindSet, strings.Join(setByFunction(rest), sep)+sep, invents(rest), rereads(rest)
	}
	if callsNotify(rest) {
		p.heeds = heedNotify
	}
	p.all, p.self = weigh(rest, mentions(rest), means, true)
	return Statement{unique.Make(p)}
}

func (t *Texts) turn(means Settings) {
	if t.others == nil {
		t.others = make(map[Settings]map[string]Statement)
	}
	t.means = means
	if t.of = t.others[means]; t.of == nil {
		t.of = make(map[string]Statement)
		t.others[means] = t.of
	}
}
