package session

import (
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What goes to a server before the frame at hand, or in its place.

// make sends what makes a statement on the server, under the settings that were in
// force when the client prepared it: literals are read when they are parsed.
func (s *Session) make(d *made) {
	s.ServerParses++
	if p := d.st.h.Value(); p.planned || p.sql {
		now := s.decisive()
		s.switchTo(p.means, now)
		defer s.switchTo(now, p.means)
	}
	if !d.st.isSQL() {
		s.edit = appendParse(s.edit, d.number, s.textFor(d.st, d.aimed))
		s.inject('P', change{made: d})
		return
	}
	s.runOurs("PREPARE "+string(appendMade(nil, d.number))+d.st.h.Value().text, change{made: d})
}

// switchTo changes the settings by which a text is read, and back again before the
// next ReadyForQuery: PostgreSQL reports them only there. It does so for the
// transaction, whose end leaves no trace of it.
func (s *Session) switchTo(want, have Settings) {
	if want == have {
		return
	}
	for name := range have.All() {
		if _, keep := want.Get(name); !keep && readsLiterals(name) {
			s.runOurs("SET LOCAL "+quoteName(name)+" TO DEFAULT", change{})
		}
	}
	for name, value := range want.All() {
		if old, there := have.Get(name); (!there || old != value) && readsLiterals(name) {
			s.runOurs("SELECT pg_catalog.set_config("+literal(name)+", "+literal(value)+", true)", change{})
		}
	}
}

// readsLiterals tells the settings by which a text is read from those that names
// in it are looked up by: the plan follows these.
func readsLiterals(name string) bool { return name != role && name != "search_path" }

// runOurs has the server run a statement before the frame at hand; c takes hold with it.
func (s *Session) runOurs(sql string, c change) {
	s.appendOurs(sql, kindPrepare, func(q request) {
		if q.t == 'E' && (c.made != nil || c.names) {
			q.marks |= pending
			c.group = s.group
			s.changes.push(c)
		}
		s.ring.pushBeforeLast(q)
	})
}

// appendOurs adds what runs a statement of ours, of kind k, and has ask put each of
// its requests into the ring.
func (s *Session) appendOurs(sql string, k kind, ask func(q request)) {
	for _, m := range throwaway(string(appendMade(nil, s.memory.next())), sql) {
		at := len(s.edit)
		s.edit = wire.Append(s.edit, m)
		q := alone(s.edit[at])
		if q.t == 'E' {
			q = execute('E', k)
		}
		q.marks = skipped
		ask(q)
	}
}

// throwaway runs a statement by the extended protocol, and leaves nothing behind.
func throwaway(name, sql string) [5]wire.Message {
	return [...]wire.Message{
		&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Bind{DestinationPortal: name, PreparedStatement: name}, &pgproto3.Execute{Portal: name},
		&pgproto3.Close{ObjectType: 'P', Name: name}, &pgproto3.Close{ObjectType: 'S', Name: name},
	}
}

// bringUnnamed sees to it that the server's unnamed statement is the client's.
func (s *Session) bringUnnamed() {
	m := s.memory
	if m.unnamed == s.unnamed && !m.refers {
		return
	}
	aimed := s.aim(s.unnamed, m.aimed)
	if m.unnamed != s.unnamed || m.aimed != aimed {
		s.replaceUnnamed(aimed)
	}
	s.supply(s.unnamed, aimed)
}

func (s *Session) replaceUnnamed(aimed uint32) {
	if s.unnamed == (Statement{}) || s.unnamed.isOnly() {
		s.edit = append(s.edit, closeUnnamed...)
		s.inject('C', change{})
		s.memory.setUnnamed(Statement{}, 0)
		return
	}
	s.edit = appendUnnamed(s.edit, s.textFor(s.unnamed, aimed))
	s.inject('P', change{})
	s.memory.setUnnamed(s.unnamed, aimed)
}

// tidy closes what nobody will ask for.
func (s *Session) tidy() {
	m := s.memory
	for _, number := range m.leftover {
		s.edit = appendClose(s.edit, number)
		s.inject('C', change{closed: number})
	}
	m.leftover = m.leftover[:0]
}

// inject puts a request of our own before the one that was asked last: nobody
// is told of its answer.
func (s *Session) inject(t byte, c change) {
	q := alone(t)
	q.marks = skipped | pending
	s.ring.pushBeforeLast(q)
	c.group = s.group
	s.changes.push(c)
}

// pends notes a change that the request asked last makes, if it succeeds.
func (s *Session) pends(c change) {
	c.with = s.ring.last().is(pending)
	s.ring.last().marks |= pending
	c.group = s.group
	s.changes.push(c)
}

// change is pends for one that gives a name a new meaning.
func (s *Session) change(c change, st Statement) {
	c.now = st
	s.pends(c)
	s.name(c.name, st, true)
}
