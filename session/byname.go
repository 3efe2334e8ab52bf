package session

import "portero/wire"

// SQL has words for prepared statements too, and in a session they mean those of
// the protocol as well: drivers end a statement by DEALLOCATE, as libpq before
// version 17 could not send a Close. So where a Query of one statement names a
// statement that the client has prepared by a Parse, it is sent with the server's
// name. A name that the client has not prepared that way goes as it came.

// sendQuery is a Query.
func (s *Session) sendQuery(f wire.Frame) int {
	s.moved = s.moved[:0]
	r := s.byName(f)
	if s.open || s.changes.len() > 0 || r.verb == forgets { // it may be skipped; and it comes behind what may be
		s.pends(change{old: s.unnamed, names: true, all: r.verb == forgets, alone: r.verb == forgets})
	}
	s.unnamed, s.waits = Statement{}, false
	if s.memory == nil {
		return 0
	}
	s.memory.unnamed = Statement{} // exec_simple_query drops it first of all
	if why, is := s.refusal(); is {
		return s.provokeQuery(f, why)
	}
	if all := s.inScript(f); len(all) > 0 && !s.open {
		return s.sendScript(f, all)
	}
	if !f.Whole() && !s.open {
		s.bareNames(f)
	}
	if len(r.name) == 0 || s.open && (r.verb != executes || s.isUnsure(cutName(unquoted(r.name)))) {
		return 0 // in the middle of a group that waits for its Sync nobody deallocates
	}
	if why := s.mayPrepare(r); why != 0 {
		return s.provokeQuery(f, why)
	}
	number, ok := s.numberFor(r)
	if !ok {
		return 0
	}
	at := offset(f.Body, r.name)
	s.moved = append(s.moved, movedBy(f.Body, at, len(r.name), number))
	return s.rename(f, at, len(r.name), number)
}

// mayPrepare says which limit a PREPARE would go beyond; 0: none.
func (s *Session) mayPrepare(r reference) refusal {
	if r.verb != prepares {
		return 0
	}
	name := cutName(unquoted(r.name))
	if _, had := s.names.get(name); had {
		return 0 // the server refuses it
	}
	return s.overLimit(name, s.texts.bySQL(r.rest, s.decisive()))
}

// byName finds how a Query speaks of a prepared statement.
func (s *Session) byName(f wire.Frame) (r reference) {
	sql, whole := statement(f.Body, f.Whole())
	if !whole || !mayReference(sql) || s.several(sql) {
		return r
	}
	return referenceIn(sql)
}

func (s *Session) several(sql []byte) bool {
	_, several := s.afterFirst(sql)
	return several
}

// executesByName notes what a statement of a Query does by running a prepared one.
func (s *Session) executesByName(sql []byte) {
	if s.names.len() == 0 || !mayReference(sql) {
		return
	}
	r := referenceIn(sql)
	st, known := s.names.get(unquoted(r.name))
	if r.verb != executes || !known {
		return
	}
	if _, itself := st.shows(); s.refuses(itself) {
		s.refused |= itself.pins()
		return
	}
	s.willRun(st)
}

// numberFor is the server's statement that a Query is to speak of; false: it
// speaks of none that the client has.
func (s *Session) numberFor(r reference) (number uint32, ok bool) {
	name := string(cutName(unquoted(r.name)))
	st, known := s.names.get([]byte(name))
	switch {
	case r.verb == prepares:
		return s.prepares(name, st, known, r.rest), true
	case !known:
		return 0, false
	case r.verb == deallocates:
		c := s.deallocates(name, st)
		s.pends(c)
		return c.closed, true
	}
	return s.executes(st)
}

// executes finds the server's statement for a Query, which has it made first.
func (s *Session) executes(st Statement) (number uint32, ok bool) {
	d := s.memory.find(st)
	if d == nil {
		if d = s.ensure(st); d == nil {
			return 0, false
		}
		if !s.open {
			s.injectSync()
		}
	}
	return d.number, true
}

// prepares is PREPARE: the server makes a statement under a name of ours. One
// that the client has already is refused by the server.
func (s *Session) prepares(name string, old Statement, had bool, rest []byte) uint32 {
	before := s.ring.len()
	c := change{name: name, alone: true}
	var number uint32
	if had {
		number = s.taken(old)
	} else {
		st := s.texts.bySQL(rest, s.decisive())
		if s.rereading() {
			st = st.own()
		}
		d := s.memory.add(st, s.limits.Server)
		s.tidy()
		c.made, c.names, c.now = d, true, d.st
		number = d.number
	}
	if s.ring.len() > before {
		s.injectSync()
	}
	s.pends(c)
	if !had {
		s.name(name, c.now, true)
	}
	return number
}

// deallocates finds what the server can deallocate for the client: its own
// statement, or where it has none, which may be as it cannot be made any more, an
// empty one. What is returned is to be pending.
func (s *Session) deallocates(name string, st Statement) change {
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
	s.name(name, Statement{}, false)
	return change{name: name, old: st, had: true, names: true, closed: number, alone: true}
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
