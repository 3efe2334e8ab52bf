package session

import (
	"unique"

	"portero/wire"
)

// A Parse may speak of a prepared statement by its name, too: psycopg 3 deallocates
// that way in its pipelines, and pgjdbc prepares an EXECUTE that it is given often.
// What the name means is looked up by PostgreSQL each time when such a statement
// runs. So it is the client's own, and is made on a server with the server's name
// in its text; before a Bind it is made anew where that stands for something else
// by now.
//
// Not understood is one that runs another of its kind, and a PREPARE that comes that way: it
// keeps its client at the server.

// referring is the statement as one that speaks of a prepared one by a name.
func (st Statement) referring(v verb, name string) Statement {
	p := st.h.Value()
	p.verb, p.refers, p.owner = v, name, new(byte)
	return Statement{unique.Make(p)}
}

// refers is the name that it speaks of, and how.
func (st Statement) refers() (v verb, name string) {
	if st == (Statement{}) {
		return nothing, ""
	}
	p := st.h.Value()
	return p.verb, p.refers
}

// inText is the reference of a text that is to be prepared, if it has one.
func (s *Session) inText(text []byte) (r reference) {
	sql, ok := statement(text, true)
	if !ok || !mayReference(sql) || s.several(sql) {
		return r
	}
	if r = referenceIn(sql); r.verb != executes && r.verb != deallocates {
		return reference{}
	}
	return r
}

// refersToUnsure reports whether it depends on what is unanswered what a frame means
// by the name in a text.
func (s *Session) refersToUnsure(f wire.Frame, name []byte) bool {
	switch f.Type {
	case 'P':
		if _, text, ok := wire.CutString(f.Body); ok && f.Whole() {
			r := s.inText(text)
			return r.name != nil && s.isUnsure(cutName(unquoted(r.name)))
		}
	case 'B':
		st, _ := s.recall(name)
		_, other := st.refers()
		return other != "" && s.isUnsure([]byte(other))
	}
	return false
}

// aim is the number of the server's statement that st is to speak of. 0: the client
// has none of that name, and its text is sent as it is. before is what it spoke of.
func (s *Session) aim(st Statement, before uint32) uint32 {
	v, name := st.refers()
	if name == "" {
		return 0
	}
	to, known := s.names.get([]byte(name))
	switch {
	case !known:
	case v == deallocates && before != 0:
		return before
	case v == deallocates: // in place of the server's own, which others have too
		return s.memory.next()
	default:
		if other, _ := to.refers(); other != nothing {
			return 0
		}
		if d := s.ensure(to); d != nil {
			return d.number
		}
	}
	return 0
}

// supply sees to it that there is something under the number that st deallocates.
func (s *Session) supply(st Statement, number uint32) {
	if number == 0 {
		return
	}
	if v, _ := st.refers(); v != deallocates {
		return
	}
	s.edit = appendClose(s.edit, number)
	s.inject('C', change{})
	s.edit = appendEmpty(s.edit, number)
	s.inject('P', change{})
}

// textFor is the text of a Parse of st that speaks of the server's statement of a number.
func (s *Session) textFor(st Statement, number uint32) string {
	text := st.h.Value().text
	if number == 0 {
		return text
	}
	at, n := s.nameIn(text)
	return text[:at] + string(appendMade(nil, number)) + text[at+n:]
}

// nameIn is where a text speaks of a statement, and in how many bytes.
func (s *Session) nameIn(text string) (at, n int) {
	body := []byte(text)
	r := s.inText(body)
	return offset(body, r.name), len(r.name)
}

// movedIn is what stands elsewhere in the text of st than where the client has it.
func (s *Session) movedIn(st Statement, number uint32) moved {
	if number == 0 {
		return moved{}
	}
	text := st.h.Value().text
	at, n := s.nameIn(text)
	return movedBy([]byte(text), at, n, number)
}

// byReference is an Execute of a statement that speaks of another, or of all.
func (s *Session) byReference(f wire.Frame) {
	st := s.ran(f)
	v, name := st.refers()
	switch {
	case v == nothing || s.memory == nil:
		return
	case v == forgets:
		s.forgetsAll(0)
		return
	}
	c := change{name: name, moved: s.movedIn(st, s.aimed(st))}
	if old, had := s.names.get([]byte(name)); had && v == deallocates {
		c.old, c.had, c.names = old, true, true
		s.name(name, Statement{}, false)
	}
	s.pends(c)
}

// makes notes what a PREPARE is about to make under a number of the server.
func (s *Session) makes(c *change, rest []byte, number uint32) {
	st := s.texts.bySQL(rest, s.decisive())
	if s.rereading() {
		st = st.own()
	}
	c.made, c.names, c.now = s.memory.addAs(st, number, s.limits.Server), true, st
	s.name(c.name, st, true)
}

// aimed is the number that st speaks of on the server.
func (s *Session) aimed(st Statement) uint32 {
	switch d := s.memory.made[st]; {
	case d != nil:
		return d.aimed
	case s.memory.unnamed == st:
		return s.memory.aimed
	}
	return 0
}
