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
	old, behind := s.unnamed, s.open || s.changes.len() > 0 // it may be skipped; and it comes behind what may be
	s.unnamed, s.waits = Statement{}, false
	replaced := s.queryByName(f)
	if behind {
		s.pends(change{old: old, names: true})
	}
	return replaced
}

func (s *Session) queryByName(f wire.Frame) int {
	r := s.byName(f)
	if r.verb == forgets {
		s.forgetsAll(0)
	}
	if s.memory == nil {
		return 0
	}
	s.memory.unnamed = Statement{} // exec_simple_query drops it first of all
	if why, is := s.refusal(); is {
		return s.provokeQuery(f, why)
	}
	if s.scriptSpeaks() {
		if all := s.inScript(f); len(all) > 0 {
			return s.sendScript(f, all)
		}
	}
	if !f.Whole() && !s.open {
		s.bareNames(f)
	}
	if len(r.name) == 0 {
		return 0
	}
	if why := s.mayPrepare(r); why != 0 {
		return s.provokeQuery(f, why)
	}
	number, c, ok := s.numberFor(r)
	if !ok {
		return 0
	}
	if c.name != "" {
		s.pends(c)
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
	if !mayReference(f.Body) {
		return r
	}
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
// speaks of none that the client has. c, if it has a name, is to be pending.
func (s *Session) numberFor(r reference) (number uint32, c change, ok bool) {
	name := string(cutName(unquoted(r.name)))
	st, known := s.names.get([]byte(name))
	switch {
	case r.verb == prepares:
		number, c = s.prepares(name, st, known, r.rest)
		return number, c, true
	case !known:
		return 0, c, false
	case r.verb == deallocates:
		c = s.deallocates(name, st)
		return c.closed, c, true
	}
	number, ok = s.executes(st)
	return number, c, ok
}

// executes finds the server's statement for a Query, which has it made first.
func (s *Session) executes(st Statement) (number uint32, ok bool) {
	d := s.memory.find(st)
	if d == nil {
		if d = s.ensure(st); d == nil {
			return 0, false
		}
		s.injectSync()
	}
	return d.number, true
}

// prepares is PREPARE: the server makes a statement under a name of ours. One
// that the client has already is refused by the server. c is to be pending.
func (s *Session) prepares(name string, old Statement, had bool, rest []byte) (number uint32, c change) {
	before := s.ring.len()
	c = change{name: name, alone: true}
	if had {
		number = s.taken(old)
	} else {
		number = s.memory.next()
		s.makes(&c, rest, number)
		s.tidy()
	}
	if s.ring.len() > before {
		s.injectSync()
	}
	return number, c
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
// would have the server skip the Query. One in the middle of a group that waits for
// its Sync is skipped with that anyway.
func (s *Session) injectSync() {
	if s.open {
		return
	}
	s.edit = append(s.edit, syncFrame...)
	q := syncRequest()
	q.marks = skipped
	s.ring.pushBeforeLast(q)
	s.group++
}

var syncFrame = []byte{'S', 0, 0, 0, 4}
