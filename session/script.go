package session

import (
	"bytes"
	"slices"
	"strings"

	"portero/wire"
)

// A Query of several statements may speak of prepared ones as well: psycopg2 runs a
// batch as EXECUTE name (...); EXECUTE name (...); and so on. All of these have names of
// ours there.

// scriptSpeaks reports whether the Query at hand may be one of several statements that
// speak of prepared ones: of the client's, or of those that it makes.
func (s *Session) scriptSpeaks() bool {
	kinds := s.ring.scriptOf(s.ring.last())
	return len(kinds) > 0 && !s.open && (s.names.len() > 0 || slices.Contains(kinds, kindPrepare))
}

// inScript finds how the statements of a Query of several speak of prepared ones.
func (s *Session) inScript(f wire.Frame) (all []reference) {
	sql, whole := statement(f.Body, f.Whole())
	if !whole || !s.several(sql) {
		return nil
	}
	nth := 0
	for rest := skipEmpty(sql); len(rest) > 0; nth++ {
		next, _ := s.afterFirst(rest)
		if one := rest[:len(rest)-len(next)]; mayReference(one) {
			if r := referenceIn(one); r.verb != nothing {
				r.nth = nth
				all = append(all, r)
			}
		}
		rest = next
	}
	return all
}

// waitsForNames reports whether what a Query means depends on names that are unsure.
func (s *Session) waitsForNames(f wire.Frame) bool {
	behind := s.open && !s.ring.empty() && s.ring.last().t == 'Q'
	if s.changes.len() == 0 && !behind || s.skipping {
		return false
	}
	r := s.byName(f)
	if behind && r.name != nil {
		return true // if that Query fails a transaction, what has to be made first would have the server skip this one
	}
	if s.open {
		return r.name != nil && s.isUnsure(cutName(unquoted(r.name)))
	}
	return r.name != nil || len(s.inScript(f)) > 0
}

// renamed is a name in a text, and the server's in its place.
type renamed struct {
	at, n  int // bytes of the body
	number uint32
}

// sendScript has a Query of several statements speak of the server's statements
// where it means the client's.
func (s *Session) sendScript(f wire.Frame, all []reference) int {
	// Each PREPARE is weighed as if it stood alone: so one text, which is of 16 kB at most, may
	// make more than the limits allow, and at a limit one that first gives names up is refused.
	for _, r := range all {
		if why := s.mayPrepare(r); why != 0 {
			return s.provokeQuery(f, why)
		}
	}
	var to []renamed
	var changes []change // pending behind all that goes before the Query
	var held []uint32    // what a PREPARE of it is to be refused for is not closed before it has run
	statements := len(s.ring.scriptOf(s.ring.last()))
	for _, r := range all {
		left := statements - r.nth
		if r.verb == forgets {
			changes = append(changes, s.forgetting(left)...)
			continue
		}
		number, c, ok := s.numberFor(r)
		held, s.memory.leftover = append(held, s.memory.leftover...), s.memory.leftover[:0]
		if !ok {
			continue
		}
		if c.name != "" {
			c.left = left
			changes = append(changes, c)
		}
		to = append(to, renamed{offset(f.Body, r.name), len(r.name), number})
	}
	s.memory.leftover = append(s.memory.leftover, held...)
	for _, c := range changes {
		s.pends(c)
	}
	if len(to) == 0 {
		return 0
	}
	s.rewrite(f, to)
	return wire.HeaderLen + f.Size
}

// rewrite sends a Query with other names in it.
func (s *Session) rewrite(f wire.Frame, to []renamed) {
	var room [24]byte
	size := f.Size
	for _, r := range to {
		size += len(appendMade(room[:0], r.number)) - r.n
		s.moved = append(s.moved, movedBy(f.Body, r.at, r.n, r.number))
	}
	s.edit = appendHead(s.edit, f.Type, size)
	from := 0
	for _, r := range to {
		s.edit = append(s.edit, f.Body[from:r.at]...)
		s.edit = appendMade(s.edit, r.number)
		from = r.at + r.n
	}
	s.edit = append(s.edit, f.Body[from:]...)
}

// bareNames goes before a Query that is too long to be read to its end: what the
// client has prepared by SQL is made on the server under the client's own names, so
// that each EXECUTE finds it. From then on it is as after a PREPARE that was not
// understood: it pins the client until it is gone.
func (s *Session) bareNames(f wire.Frame) {
	sql, _ := statement(f.Body, false)
	if s.names.len() == 0 || s.pinning == PinningAllow || !bytes.Contains(bytes.ToLower(sql), []byte("execute")) {
		return
	}
	for _, m := range s.names.sorted() {
		name, st := m.name, m.st
		if !st.isSQL() {
			continue
		}
		p := st.h.Value()
		now := s.decisive()
		s.switchTo(p.means, now)
		s.runOurs(`PREPARE "`+strings.ReplaceAll(name, `"`, `""`)+`"`+p.text, change{name: name, old: st, had: true, names: true})
		s.name(name, Statement{}, false)
		s.switchTo(now, p.means)
		s.injectSync()
	}
}
