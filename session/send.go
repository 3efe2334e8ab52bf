package session

import "portero/wire"

// Send is called for each frame that FromClient forwards, with the server at
// hand. What is returned goes to the server in place of the first replaced bytes
// of the frame, header and all; it is valid until the next call. Mostly there is
// nothing to replace.
func (s *Session) Send(f wire.Frame) (edit []byte, replaced int) {
	if !s.pushed || s.skipping || s.probing {
		return nil, 0
	}
	s.edit = s.edit[:0]
	if s.changes.size > maxPending { // without a word it answers when it has 8 kB of answers
		s.edit = append(s.edit, flushFrame...)
	}
	if s.strange {
		s.forgetNumbers(f.Type)
	}
	switch f.Type {
	case 'Q':
		s.identifyCommit('Q')
		replaced = s.restoreQuery(f, s.sendQuery(f))
	case 'S':
		s.identify()
		s.edit = append(s.edit, flushFrame...)
	case 'E':
		s.identifyCommit('E')
		s.byReference(f)
		replaced = s.restoreExecute(f)
	case 'P':
		replaced = s.sendParse(f)
	case 'B':
		replaced = s.sendBind(f)
	case 'D':
		replaced = s.sendDescribe(f)
	case 'C':
		replaced = s.sendClose(f)
	}
	return s.edit, replaced
}

// sendParse prepares a statement. It is always the server that does: only it
// can say what is wrong with it, and what it means today.
func (s *Session) sendParse(f wire.Frame) int {
	text, _, ok := wire.CutString(f.Body)
	if !ok {
		return 0 // malformed; the server says so
	}
	if why, is := s.refusal(); is {
		return s.provoke(f, why)
	}
	name := cutName(text)
	if len(name) == 0 {
		return s.parseUnnamed(f)
	}
	old, had := s.names.get(name)
	if s.memory == nil {
		s.change(change{name: string(name), old: old, had: had, names: true}, s.newStatement())
		return 0
	}
	s.ClientParses++
	if had { // it will be refused, behind all else that may be wrong with it
		number := s.taken(old)
		s.pends(change{name: string(text)})
		return s.rename(f, 0, len(text), number)
	}
	st := s.newStatement()
	if why := s.overLimit(name, st); why != 0 {
		return s.provoke(f, why)
	}
	s.ServerParses++
	aimed := s.aim(st, 0)
	d := s.memory.add(st, s.limits.Server)
	d.aimed = aimed
	s.tidy()
	s.change(change{name: string(name), names: true, made: d, moved: s.movedIn(st, aimed)}, d.st)
	if aimed != 0 {
		s.edit = appendParse(s.edit, d.number, s.textFor(st, aimed))
		return wire.HeaderLen + f.Size
	}
	return s.rename(f, 0, len(text), d.number)
}

// overLimit says which limit keeps a client from having one more statement; 0: none.
func (s *Session) overLimit(name []byte, st Statement) refusal {
	switch more := st.size(); {
	case s.names.len() >= s.limits.Client:
		return tooManyStatements
	case s.names.bytes()+len(name)+more > s.limits.ClientBytes:
		return tooMuchText
	case s.texts.bytes()+more > s.limits.Bytes && s.texts.held[st] == 0:
		return tooMuchTextOfAll
	}
	return 0
}

// taken is the number of a statement that the server has.
func (s *Session) taken(st Statement) uint32 {
	if d := s.memory.find(st); d != nil {
		return d.number
	}
	number := s.memory.next()
	s.edit = appendEmpty(s.edit, number)
	s.inject('P', change{})
	s.memory.leftover = append(s.memory.leftover, number)
	return number
}

// newStatement is what a Parse makes. A text that was not seen whole is on the
// server that it was sent to, and nowhere else.
func (s *Session) newStatement() Statement {
	if s.meant != (Statement{}) {
		return s.meant
	}
	number := uint32(1)
	if s.memory != nil {
		number += s.memory.last
	}
	return onlyHere(number, s.ring.last().kind)
}

// parseUnnamed: the unnamed statement of a server is left as it is until it is
// in the way.
func (s *Session) parseUnnamed(f wire.Frame) int {
	st := s.newStatement()
	aimed := uint32(0)
	if s.memory != nil {
		aimed = s.aim(st, 0)
		s.memory.setUnnamed(st, aimed)
	}
	s.change(change{old: s.unnamed, names: true, moved: s.movedIn(st, aimed)}, st)
	s.waits = st.isOnly()
	if aimed == 0 {
		return 0
	}
	s.edit = appendUnnamed(s.edit, s.textFor(st, aimed))
	return wire.HeaderLen + f.Size
}

func (s *Session) sendBind(f wire.Frame) int {
	portal, name, ok := bound(f)
	if !ok || s.memory == nil {
		return 0
	}
	if s.barred != 0 {
		return s.provoke(f, s.barred)
	}
	if len(name) == 0 {
		s.waits = false
		if len(portal) == 0 {
			s.boundMade = nil
		}
		s.bringUnnamed()
		return 0
	}
	replaced, d := s.address(f, len(portal)+1, name)
	if !s.probing { // else it is shown again
		s.Binds++
	}
	if len(portal) == 0 {
		s.boundMade = d
	}
	return replaced
}

func (s *Session) sendDescribe(f wire.Frame) int {
	name, ok := described(f)
	switch {
	case s.memory == nil:
		return 0
	case !ok:
		if len(f.Body) > 1 && f.Body[1] == 0 && s.boundMade != nil {
			s.describes(s.boundMade)
		}
		return 0
	case len(name) == 0:
		s.bringUnnamed()
		return 0
	}
	replaced, d := s.address(f, 1, name)
	if d != nil {
		s.describes(d)
	}
	return replaced
}

// sendClose forgets the client's statement. The server keeps its own for others;
// it is asked to close one that there is not, which is no error.
func (s *Session) sendClose(f wire.Frame) int {
	text, ok := described(f)
	if !ok {
		return 0
	}
	name := cutName(text)
	old, had := s.recall(name)
	s.pends(change{name: string(name), old: old, had: had, names: true})
	s.name(string(name), Statement{}, false)
	switch {
	case s.memory == nil:
		return 0
	case len(name) == 0:
		s.memory.unnamed = Statement{}
		return 0
	}
	return s.renameMissing(f, 1, text)
}

// address has a frame mean the server's statement where it names the client's.
// The name begins at byte at of the body.
func (s *Session) address(f wire.Frame, at int, name []byte) (replaced int, d *made) {
	st, ok := s.recall(name)
	if !ok {
		return s.renameMissing(f, at, name), nil
	}
	if st.shape() != 0 && s.memory.find(st) == nil {
		if s.misshapen == st {
			s.misshapen = Statement{}
			return s.provoke(f, planChanged), nil
		}
		s.probe(st)
		return 0, nil
	}
	if d = s.ensure(st); d == nil {
		return s.renameMissing(f, at, name), nil
	}
	return s.rename(f, at, len(name), d.number), d
}

// ensure finds the server's statement, or has it made first; nil: it cannot be made.
func (s *Session) ensure(st Statement) *made {
	d := s.memory.find(st)
	before := uint32(0)
	if d != nil {
		if !d.refers {
			return d
		}
		before = d.aimed
	}
	aimed := s.aim(st, before)
	if (d == nil || aimed != before) && !st.isOnly() {
		d = s.makeAnew(st, aimed)
	}
	s.supply(st, aimed)
	return d
}

// makeAnew has the server make a statement, whether it has one or not.
func (s *Session) makeAnew(st Statement, aimed uint32) *made {
	d := s.memory.add(st, s.limits.Server)
	d.aimed = aimed
	if s.rereading() {
		s.memory.taint(d)
	}
	s.tidy()
	s.make(d)
	return d
}

// rename replaces a name of n bytes at byte at of the body by that of a statement
// on the server. It returns how much of the frame has been replaced.
func (s *Session) rename(f wire.Frame, at, n int, number uint32) int {
	var room [24]byte
	name := appendMade(room[:0], number)
	s.edit = appendHead(s.edit, f.Type, f.Size-n+len(name))
	s.edit = append(append(s.edit, f.Body[:at]...), name...)
	return wire.HeaderLen + at + n
}

// renameMissing does so for a name that the server must not know.
func (s *Session) renameMissing(f wire.Frame, at int, name []byte) int {
	s.edit = appendHead(s.edit, f.Type, f.Size+len(missingPrefix))
	s.edit = append(append(s.edit, f.Body[:at]...), missingPrefix...)
	return wire.HeaderLen + at
}
