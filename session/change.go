package session

// change is what a Parse or a Close has made of names, before the server has
// said that it is done. It stands for one request of the ring that is marked
// pending, for which there may be several, and takes hold at once: what the client sends behind it finds its
// names as they will be. If the server fails the request, or skips it, the
// change is taken back.
type change struct {
	name   string    // of the client's statement; "" is the unnamed one
	old    Statement // what it meant before
	had    bool      // it meant something before
	now    Statement // what it means then; the zero value is nothing
	names  bool      // the client's name has changed; else only the server is concerned
	alone  bool      // it can fail without what is behind it being skipped
	left   int       // statements of a Query of several from its own on; else 0
	with   bool      // it belongs to the request of the change before it
	made   *made     // the statement made on the server
	closed uint32    // the number of one closed there

	moved     moved     // in the text of its request
	described *made     // the server's statement that is described
	wanted    Statement // ... to see whether it is this one
	group     uint32    // number of the Sync that ends its requests
}

// isUnnamed reports whether the server's unnamed statement changes.
func (c *change) isUnnamed() bool {
	return c.name == "" && c.made == nil && c.closed == 0 && c.described == nil
}

// changes is all that are pending, oldest first, in the order of their requests.
type changes struct {
	buf  []change
	head int
	size int // bytes of the texts that they keep
}

func (c *changes) len() int         { return len(c.buf) - c.head }
func (c *changes) at(i int) *change { return &c.buf[c.head+i] }

func (c *changes) clear() {
	if n := c.len(); n > 0 {
		c.drop(n)
	}
}

func (c *changes) push(one change) {
	c.buf = append(c.buf, one)
	c.size += one.now.size()
}

// of is how many of the oldest belong to so many requests.
func (c *changes) of(requests int) (n int) {
	for ; n < c.len(); n++ {
		if c.at(n).with {
			continue
		}
		if requests--; requests < 0 {
			break
		}
	}
	return n
}

// drop removes the oldest n.
func (c *changes) drop(n int) {
	for i := range n {
		c.size -= c.at(i).now.size()
	}
	clear(c.buf[c.head : c.head+n])
	if c.head += n; c.head == len(c.buf) {
		c.buf, c.head = c.buf[:0], 0
	}
}

// dropDone removes those of statements of the oldest Query that are done: these stay,
// whatever becomes of the rest of it.
func (s *Session) dropDone() {
	if s.ring.first() != 'Q' || !s.ring.at(0).is(pending) {
		return
	}
	all, done, left := s.changes.of(1), 0, len(s.ring.scriptOf(s.ring.at(0)))
	for done < all && s.changes.at(done).left > left {
		done++
	}
	s.changes.drop(done)
	if done == all {
		s.ring.at(0).marks &^= pending
	} else {
		s.changes.at(0).with = false
	}
}

// undo takes back the oldest n, whose requests have failed or were skipped. first
// says that the request of the oldest was not skipped: it is the one that failed.
func (s *Session) undo(n int, first bool) {
	own := 0 // changes of the request that failed
	if first {
		own = s.changes.of(1)
	}
	for i := n - 1; i >= 0; i-- {
		c := s.changes.at(i)
		if c.made != nil && s.memory != nil {
			s.memory.drop(c.made)
		}
		if c.wanted != (Statement{}) {
			s.probing = false
		}
		if c.closed != 0 && s.memory != nil {
			s.memory.leftover = append(s.memory.leftover, c.closed)
		}
		if c.isUnnamed() && s.memory != nil {
			s.memory.Overwritten()
		}
		if !c.names {
			continue
		}
		if c.name == "" && i < own { // PostgreSQL drops the old one before it reads the new
			c.old, c.had = Statement{}, false
		}
		s.restore(n, c)
	}
	s.changes.drop(n)
}

// restore gives a name its old meaning. Where it was changed again, by a change
// from the n-th on, that is what the later change will restore.
func (s *Session) restore(n int, c *change) {
	for j := n; j < s.changes.len(); j++ {
		if later := s.changes.at(j); later.names && later.name == c.name {
			later.old, later.had = c.old, c.had
			return
		}
	}
	s.name(c.name, c.old, c.had)
}

// forgetsAll is what DEALLOCATE ALL will do to the client's names. What is asked behind it
// may take them anew. left is as in a change.
func (s *Session) forgetsAll(left int) {
	for _, c := range s.forgetting(left) {
		s.pends(c)
	}
}

func (s *Session) forgetting(left int) (all []change) {
	alone := s.ring.last().t == 'Q'
	for _, m := range s.names.sorted() {
		all = append(all, change{name: m.name, old: m.st, had: true, names: true, alone: alone, left: left})
		s.name(m.name, Statement{}, false)
	}
	return all
}

// unprepared: the server has no prepared statements any more, but those that
// are asked for already.
func (s *Session) unprepared() {
	s.dropDone()
	s.names.clear()
	var behind []*made
	for i := range s.changes.len() {
		if d := s.changes.at(i).made; d != nil && s.memory.made[d.st] == d {
			behind = append(behind, d)
		}
	}
	if s.memory != nil {
		s.memory.Forget()
	}
	for _, d := range behind {
		s.memory.keep(d)
	}
	for i := range s.changes.len() {
		c := s.changes.at(i)
		c.closed = 0
		if c.names && c.name != "" {
			c.old, c.had = s.names.get([]byte(c.name))
			s.name(c.name, c.now, c.now != Statement{})
		}
	}
}

// name gives a name a meaning, or takes it away.
func (s *Session) name(name string, st Statement, has bool) {
	switch {
	case name == "":
		s.unnamed = st
	case has:
		if s.names == nil {
			s.names = &names{texts: s.texts}
		}
		s.names.set(name, st)
	case s.names != nil:
		s.names.remove(name)
	}
}

// isUnsure is unsure of what a name means at present.
func (s *Session) isUnsure(name []byte) bool {
	st, _ := s.recall(name)
	return s.unsure(name, st)
}

// unsure reports whether what a name means, or whether the server has the
// statement, depends on requests of an earlier group: if one of those fails, what
// comes next means something else.
func (s *Session) unsure(name []byte, st Statement) bool {
	for i := s.changes.len() - 1; i >= 0; i-- {
		c := s.changes.at(i)
		same := c.names && c.name == string(name) || len(name) == 0 && c.isUnnamed()
		switch {
		case same && c.group == s.group && !c.alone:
			return false // this group has settled it
		case same, c.made != nil && c.made.st == st && c.group != s.group:
			return true
		}
	}
	return false
}
