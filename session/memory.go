package session

import (
	"encoding/binary"
	"strconv"

	"portero/wire"
)

// Memory is what a server remembers of prepared statements: those that were
// made there for clients, under names of our own, and the unnamed one. It belongs
// to the server, and to whoever holds it.
//
// A name is given once in a server's life, so that no answer and no error can
// be about another statement than the one that was meant.
type Memory struct {
	made     map[Statement]*made
	newest   *made // of a circle, in the order in which they were used last
	last     uint32
	unnamed  Statement // nobodys where it is not known
	aimed    uint32    // the number that its text speaks of; 0: of none
	refers   bool      // it speaks of some statement by name
	tainted  []*made   // not for others: see rereads.go
	leftover []uint32  // numbers that the server still has and nobody knows by a Statement
}

// made is a statement on a server.
type made struct {
	st           Statement
	number       uint32 // its name there is portero_NUMBER
	aimed        uint32 // the number that its text speaks of; 0: of none
	refers       bool   // it speaks of some statement by name
	older, newer *made
}

// Forget is called when the server has forgotten all: DISCARD ALL, DEALLOCATE ALL.
func (m *Memory) Forget() {
	*m = Memory{last: m.last, unnamed: m.unnamed, aimed: m.aimed, refers: m.refers}
}

// Len is how many statements the server has under names for clients.
func (m *Memory) Len() int { return len(m.made) }

// Overwritten is called when something of our own was sent to the server.
func (m *Memory) Overwritten() { m.unnamed = nobodys }

// setUnnamed notes what the server's unnamed statement is, and which number its text speaks of.
func (m *Memory) setUnnamed(st Statement, aimed uint32) {
	_, name := st.refers()
	m.unnamed, m.aimed, m.refers = st, aimed, name != ""
}

// find is the server's statement, which is the newest from now on; nil if it has none.
func (m *Memory) find(st Statement) *made {
	if d := m.newest; d != nil && d.st == st {
		return d
	}
	d := m.made[st]
	if d != nil {
		m.unlink(d)
		m.link(d)
	}
	return d
}

// add gives a statement a name. One that is there already stays under its old
// name, which is left over, and so may be those that were used last long ago.
// It keeps most of them.
func (m *Memory) add(st Statement, most int) *made { return m.addAs(st, m.next(), most) }

// addAs is add with a number that was given for it before.
func (m *Memory) addAs(st Statement, number uint32, most int) *made {
	if old := m.made[st]; old != nil {
		m.retire(old)
	}
	m.shrink(most)
	_, name := st.refers()
	d := &made{st: st, number: number, refers: name != ""}
	m.keep(d)
	return d
}

// next is a number that was never given.
func (m *Memory) next() uint32 {
	m.last++
	return m.last
}

func (m *Memory) keep(d *made) {
	if m.made == nil {
		m.made = make(map[Statement]*made)
	}
	m.made[d.st] = d
	m.link(d)
}

// rekey has a statement of the server be known as another; an older one that was
// is closed.
func (m *Memory) rekey(d *made, st Statement) {
	if d.st == st || m.made[d.st] != d {
		return
	}
	if old := m.made[st]; old != nil {
		m.retire(old)
	}
	delete(m.made, d.st)
	d.st = st
	m.made[st] = d
}

// drop forgets a statement that the server does not have.
func (m *Memory) drop(d *made) {
	if m.made[d.st] == d {
		delete(m.made, d.st)
		m.unlink(d)
	}
}

// retire leaves a statement of the server to be closed.
func (m *Memory) retire(d *made) {
	if m.made[d.st] == d {
		m.drop(d)
		m.leftover = append(m.leftover, d.number)
		if v, _ := d.st.refers(); d.aimed != 0 && v == deallocates {
			m.leftover = append(m.leftover, d.aimed)
		}
	}
}

// numbered finds a statement by its number there; nil if it is none of ours now.
func (m *Memory) numbered(n uint32) *made {
	for _, d := range m.made {
		if d.number == n {
			return d
		}
	}
	return nil
}

// shrink retires statements that have not been used for longest, until there is
// room for one more. Those that cannot be made again stay.
func (m *Memory) shrink(most int) {
	for d, n := m.oldest(), len(m.made); len(m.made) >= most && n > 0; n-- {
		next := d.newer
		if !d.st.isOnly() {
			m.retire(d)
		}
		d = next
	}
}

// oldest has not been used for longest; nil if there is none.
func (m *Memory) oldest() *made {
	if m.newest == nil {
		return nil
	}
	return m.newest.newer
}

// link puts d into the circle as its newest; the oldest is the one that is newer
// than it, around the corner.
func (m *Memory) link(d *made) {
	if m.newest == nil {
		d.older, d.newer = d, d
	} else {
		d.older, d.newer = m.newest, m.newest.newer
		d.older.newer, d.newer.older = d, d
	}
	m.newest = d
}

func (m *Memory) unlink(d *made) {
	if m.newest == d {
		m.newest = d.older
	}
	if m.newest == d {
		m.newest = nil
	}
	d.older.newer, d.newer.older = d.newer, d.older
}

// Names that Portero gives on servers. A client's own name never reaches one.
const (
	madePrefix    = "portero_" // and the number: a statement that was made
	missingPrefix = "portero:" // and the client's name: one that there is not
)

func appendMade(b []byte, number uint32) []byte {
	return strconv.AppendUint(append(b, madePrefix...), uint64(number), 10)
}

// appendParse adds the Parse that makes a statement under a name.
func appendParse(b []byte, number uint32, text string) []byte {
	return appendFrame(b, 'P', func(b []byte) []byte { return append(append(appendMade(b, number), 0), text...) })
}

// appendEmpty adds the Parse of an empty statement, which never fails.
func appendEmpty(b []byte, number uint32) []byte {
	return appendFrame(b, 'P', func(b []byte) []byte { return append(appendMade(b, number), 0, 0, 0, 0) })
}

// appendUnnamed adds the Parse of the unnamed statement.
func appendUnnamed(b []byte, text string) []byte {
	return appendFrame(b, 'P', func(b []byte) []byte { return append(append(b, 0), text...) })
}

// appendClose adds the Close of a statement of the server.
func appendClose(b []byte, number uint32) []byte {
	return appendFrame(b, 'C', func(b []byte) []byte { return append(appendMade(append(b, 'S'), number), 0) })
}

var closeUnnamed = []byte{'C', 0, 0, 0, 6, 'S', 0}

// appendFrame adds a frame whose body is what body appends.
func appendFrame(b []byte, t byte, body func(b []byte) []byte) []byte {
	at := len(b)
	b = body(append(b, t, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-1))
	return b
}

// appendHead adds a header for a body of size bytes, of which the first come next.
func appendHead(b []byte, t byte, size int) []byte {
	return binary.BigEndian.AppendUint32(append(b, t), uint32(size+wire.HeaderLen-1))
}
