package session

import "portero/wire"

// parse remembers the kind of a statement, for when it is executed.
func (s *Session) parse(f wire.Frame) kind {
	name, rest, ok := wire.CutString(f.Body)
	if !ok {
		s.remember(f.Body, kindUnknown)
		return kindUnknown
	}
	var k kind
	if sql, whole := statement(rest, f.Whole()); whole {
		if k = classify(sql); k == kindSet {
			s.prepared(sql)
		}
	} else {
		k = classifyBeginning(sql)
	}
	s.here &^= parsedHere
	if len(name) == 0 {
		s.last = k
		s.here |= parsedHere
	} else {
		s.remember(name, k)
	}
	return k
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
	if k == kindBegin && surely {
		q.kind = k
	}
	return q
}

// maxName is how much of a statement's name PostgreSQL looks at (NAMEDATALEN,
// less the terminator), and maxEnds how many names we keep.
const (
	maxName = 63
	maxEnds = 1024
)

// remember keeps the kind of a named statement. A name that is in use already
// keeps its old statement, so there either may be meant.
func (s *Session) remember(name []byte, k kind) {
	name = name[:min(len(name), maxName)]
	switch old, known := s.ends[string(name)]; {
	case known && old == k:
		return
	case known:
		k = kindUnknown
	case k == kindOther:
		return
	case len(s.ends) >= maxEnds:
		name, k = nil, kindUnknown // stands for every name that is not there
	}
	if s.ends == nil {
		s.ends = make(map[string]kind)
	}
	s.ends[string(name)] = k
}

// recall returns the kind of a statement.
func (s *Session) recall(name []byte) kind {
	if len(name) == 0 {
		return s.last
	}
	k, ok := s.ends[string(name[:min(len(name), maxName)])]
	if !ok {
		return s.ends[""]
	}
	return k
}

// bind returns the kind of the statement that a Bind names.
func (s *Session) bind(f wire.Frame) kind {
	portal, rest, ok := wire.CutString(f.Body)
	name, _, whole := wire.CutString(rest)
	k := kindUnknown
	if ok && whole {
		k = s.recall(name)
	}
	s.here &^= boundSurely
	switch {
	case ok && len(portal) == 0:
		s.bound = k
		s.here |= boundHere
		if whole && len(name) == 0 && s.here&parsedHere != 0 {
			s.here |= boundSurely
		}
	case k != kindOther:
		s.named = kindUnknown
	}
	return k
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

// closes forgets a statement, if it is sure that the server will.
func (s *Session) closes(f wire.Frame) {
	name, ok := described(f)
	if ok && !s.busy && len(name) > 0 {
		delete(s.ends, string(name[:min(len(name), maxName)]))
	}
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
