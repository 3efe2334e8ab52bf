package session

import (
	"encoding/binary"
	"unique"

	"portero/wire"
)

// A client that has had a statement described reads the results by that
// description. On a connection of its own PostgreSQL sees to it that they keep to
// it: when a table has changed, the statement fails with "cached plan must not
// change result type". A server that is sent the statement only now would give the
// new columns instead, and a driver that expects the old ones would misread them.
//
// So the shape of what was described, its columns, is part of what a Statement is
// from then on. Before a client's Bind reaches a server that has no
// statement of that shape, one is made there and described, and the Bind is held
// back until it is known whether it has the shape; if not, the Bind is made to
// fail as it would.

// shaped is the statement with a shape; 0 is that of a statement that nobody has
// had described.
func (st Statement) shaped(shape uint64) Statement {
	p := st.h.Value()
	if p.shape == shape {
		return st
	}
	p.shape = shape
	return Statement{unique.Make(p)}
}

func (st Statement) shape() uint64 {
	if st == (Statement{}) {
		return 0
	}
	return st.h.Value().shape
}

// Held reports whether the frame that Send was called with is not to be sent yet:
// Send is to be called with it again, and FromClient is not, when the server has
// answered more.
func (s *Session) Held() bool { return s.probing }

// probe has a statement of another shape described, which may be that of st.
func (s *Session) probe(st Statement) {
	d := s.ensure(st.shaped(0))
	s.edit = appendFrame(s.edit, 'D', func(b []byte) []byte { return append(appendMade(append(b, 'S'), d.number), 0) })
	q := alone('D')
	q.marks = skipped | pending | ofStatement
	s.ring.pushBeforeLast(q)
	s.changes.push(change{described: d, wanted: st, group: s.group})
	s.edit = append(s.edit, flushFrame...)
	s.probing = true
}

var flushFrame = []byte{'H', 0, 0, 0, 4}

// describes notes that a client has its statement described, of which the server
// has d; also by way of the unnamed portal.
func (s *Session) describes(d *made) {
	if d.st.shape() == 0 && d.st.h.Value().planned {
		s.pends(change{described: d})
	}
}

// isPlanned reports whether a text is a statement that PostgreSQL plans: what it
// returns is known when it is parsed, and may change only with a table.
func isPlanned(sql []byte) bool {
	word, _ := firstWord(skipEmpty(sql))
	for _, w := range [...]string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "VALUES", "TABLE", "MERGE"} {
		if is(word, w) {
			return true
		}
	}
	return false
}

// described takes in a RowDescription or a NoData, which ends a Describe; also the
// RowDescription of a Query, which does not.
func (s *Session) described(f wire.Frame) Verdict {
	if s.ring.first() != 'D' {
		return s.within(s.busy)
	}
	m := s.ring.at(0).marks
	s.ring.pop()
	if m&pending != 0 {
		c := *s.changes.at(0)
		s.changes.drop(1)
		s.learn(c, shapeOf(f))
	}
	if m&skipped != 0 {
		return Discard
	}
	return Forward
}

// learn has a statement of the server be known by its shape, and the client's too.
func (s *Session) learn(c change, shape uint64) {
	before := c.described.st
	after := before.shaped(shape)
	if s.memory != nil {
		s.memory.rekey(c.described, after)
	}
	if c.wanted != (Statement{}) {
		if s.probing = false; after != c.wanted {
			s.misshapen = c.wanted
		}
		return
	}
	s.reshape(before, after)
}

// reshape has the client know a statement by another shape, under all of its names.
func (s *Session) reshape(before, after Statement) {
	for name, st := range s.names.all() {
		if st == before {
			s.names.set(name, after)
		}
	}
}

// shapeOf is the shape of a result: the columns' names, types and type modifiers,
// as PostgreSQL compares them (equalTupleDescs). 0: it is not known.
func shapeOf(f wire.Frame) uint64 {
	if !f.Whole() {
		return 0
	}
	h := mix(offsetBasis, []byte{f.Type})
	if f.Type == 'n' || len(f.Body) < 2 {
		return h
	}
	for rest := f.Body[2:]; ; {
		name, after, ok := wire.CutString(rest)
		if !ok || len(after) < 18 {
			return h
		}
		h = mix(mix(h, name), after[6:16]) // type, its length, its modifier
		rest = after[18:]
	}
}

// mix is FNV-1a, with the length in front so that parts cannot run together.
func mix(h uint64, b []byte) uint64 {
	var n [4]byte
	binary.BigEndian.PutUint32(n[:], uint32(len(b)))
	for _, part := range [...][]byte{n[:], b} {
		for _, c := range part {
			h = (h ^ uint64(c)) * 1099511628211
		}
	}
	return max(h, 1)
}

const offsetBasis = 14695981039346656037
