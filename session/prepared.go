package session

import (
	"bytes"

	"portero/wire"
)

// parse reads a Parse: what it prepares, and of what kind that is.
func (s *Session) parse(f wire.Frame) kind {
	s.here &^= parsedHere
	s.meant = Statement{}
	name, rest, ok := wire.CutString(f.Body)
	if !ok {
		return kindUnknown
	}
	if len(name) == 0 {
		s.here |= parsedHere
	}
	if f.Whole() {
		if s.meant = s.texts.statement(rest, s.decisive()); s.rereading() {
			s.meant = s.meant.own()
		}
		if r := s.inText(rest); r.name != nil {
			s.meant = s.meant.referring(r.verb, string(cutName(unquoted(r.name))))
		}
		s.parses(s.meant.shows())
		if s.spread && s.meant.kind() == kindPrepared && s.now != failed {
			s.barred = preparesSpread
		}
		return s.meant.kind()
	}
	sql, _ := statement(rest, false)
	_, h := classify(sql)
	k := classifyBeginning(sql)
	all, itself := weigh(sql, h|s.unread.begin(sql, k == kindOther), s.settings, true)
	s.parses(all, itself)
	s.hint(all) // it stays with this server, and nobody looks at it again
	return k
}

// decisive is the part of the client's settings that decides what a text means.
func (s *Session) decisive() Settings {
	if s.decisiveOf != s.settings {
		s.decisiveOf, s.decides = s.settings, decisiveOf(s.settings)
	}
	return s.decides
}

// What has been asked of the unnamed statement and portal since the last Sync or
// Query, which may have ended those of before.
const (
	parsedHere  = 1 << iota // the statement
	boundHere               // the portal
	boundSurely             // ... of the statement parsed here, so that the Bind cannot fail
)

// prepare is a Parse or Bind. One that belongs to a BEGIN and cannot fail is
// marked as that: what follows is in its block.
func prepare(t byte, k kind, surely bool) request {
	q := alone(t)
	if ofKind[k][failed] == 0 { // what cannot run in a failed block cannot be prepared there
		q.effect[failed] = 0
	}
	if k == kindBegin && surely {
		q.kind = k
	}
	return q
}

// maxName is how much of a statement's name PostgreSQL looks at (NAMEDATALEN,
// less the terminator).
const maxName = 63

func cutName(name []byte) []byte { return name[:min(len(name), maxName)] }

// recall returns the client's statement of a name.
func (s *Session) recall(name []byte) (st Statement, ok bool) {
	if len(name) == 0 {
		return s.unnamed, s.unnamed != Statement{}
	}
	return s.names.get(name)
}

// kindOf returns the kind of the client's statement of a name.
func (s *Session) kindOf(name []byte) kind {
	st, _ := s.recall(name)
	return st.kind()
}

// bind returns the kind of the statement that a Bind names.
func (s *Session) bind(f wire.Frame) kind {
	portal, name, ok := bound(f)
	k := kindUnknown
	if ok {
		k = s.boundTo(portal, name)
	}
	s.here &^= boundSurely
	switch {
	case ok && len(portal) == 0:
		s.bound = k
		s.here |= boundHere
		if len(name) == 0 && s.here&parsedHere != 0 {
			s.here |= boundSurely
		}
	case k != kindOther:
		s.named = kindUnknown
	}
	return k
}

// boundTo notes what a portal runs that is bound to the statement of a name, if more comes of that
// than its answer: it resets something, or speaks of another statement. It returns the kind.
func (s *Session) boundTo(portal, name []byte) kind {
	st, known := s.recall(name)
	if !known { // it will fail
		delete(s.portals, string(portal))
		return kindOther
	}
	p := st.h.Value()
	s.willDo(st, &p)
	switch matters := p.verb != nothing || p.reset != "" && s.base != (Settings{}); {
	case matters && s.portals == nil:
		s.portals = map[string]Statement{string(portal): st}
	case matters:
		s.portals[string(portal)] = st
	case s.portals != nil:
		delete(s.portals, string(portal))
	}
	return p.kind
}

// ran is that of the portal that an Execute names.
func (s *Session) ran(f wire.Frame) Statement {
	if len(s.portals) == 0 {
		return Statement{}
	}
	portal, _, _ := wire.CutString(f.Body)
	return s.portals[string(portal)]
}

// willRun notes what a prepared statement does that is run next.
func (s *Session) willRun(st Statement) {
	p := st.h.Value()
	s.willDo(st, &p)
}

// willDo is willRun for who has a copy of the statement already.
func (s *Session) willDo(st Statement, p *prepared) {
	if p.kind == kindSet {
		st.touches(s.touch)
		s.asked.doubt = s.asked.doubt || p.reset != ""
		s.leaves = s.leaves || p.marks
		s.rereads = s.rereads || p.rereads
	}
	s.hint(p.all)
	s.heed(p.heeds)
	if p.verb != executes {
		return
	}
	if other, known := s.names.get([]byte(p.refers)); known {
		if v, _ := other.refers(); v == nothing {
			s.willRun(other)
		}
	}
}

// portal returns the kind of the statement that an Execute runs.
func (s *Session) portal(f wire.Frame) kind {
	switch {
	case len(f.Body) == 0 || f.Body[0] != 0:
		return s.named
	case s.bound == kindBegin && s.here&boundHere == 0:
		return kindOther // in no block its portal is gone, and in a block it changes nothing
	}
	return s.bound
}

// bound returns the names of the portal and of the statement that a Bind brings together.
func bound(f wire.Frame) (portal, name []byte, ok bool) {
	portal, rest, first := wire.CutString(f.Body)
	name, _, second := wire.CutString(rest)
	return portal, name, first && second
}

// described returns the name of the statement that a Describe or Close means;
// ok is false if it means a portal.
func described(f wire.Frame) (name []byte, ok bool) {
	if len(f.Body) == 0 || f.Body[0] != 'S' {
		return nil, false
	}
	name, _, ok = wire.CutString(f.Body[1:])
	return name, ok
}

// named returns the name of the client's statement that a frame speaks of.
func named(f wire.Frame) (name []byte, ok bool) {
	switch f.Type {
	case 'P':
		name, _, ok = wire.CutString(f.Body)
	case 'B':
		_, name, ok = bound(f)
	case 'D', 'C':
		name, ok = described(f)
	}
	return name, ok
}

// NameHead is how much of the body of a long frame has to be here before a
// session is shown it: the names are in it.
const NameHead = 2 << 10

// unreadable reports whether a frame, of which only the beginning is there, has names
// that are not to be found in it.
func unreadable(f wire.Frame) bool {
	switch f.Type {
	case 'P':
		return bytes.IndexByte(f.Body, 0) < 0
	case 'B':
		_, _, ok := bound(f)
		return !ok
	case 'D', 'C':
		return true
	}
	return false
}
