package session

import (
	"fmt"
	"strings"
	"testing"

	"portero/wire"
)

// modelServer answers as PostgreSQL does, as far as a session can see it. It
// takes a frame at a time; its answers wait in out.
type modelServer struct {
	t          testing.TB
	status     byte
	open       bool // something of the extended protocol came since the last Sync or Query
	skip       bool
	statements map[string]string
	portals    map[string]string
	started    map[string]bool // portals that have been suspended
	copying    []string        // statements to run when the COPY in progress has ended; nil: there is none
	simple     bool            // it is one of a simple Query
	several    bool            // ... of several statements
	out        []wire.Frame

	cur       int   // the number of the request that it works on
	copier    int   // that of the COPY in progress, or of the last
	txn       []int // requests whose work the transaction holds
	committed map[int]bool
	said      int // messages that it has sent in all, as replay counts them

	lenient bool   // nothing fails but by the state of the transaction
	fails   [2]int // ... and at these chances to fail, counted from 1
	chances int
	bound   string // to the unnamed portal, wherever that is now

	mind *mind               // nil: it keeps nothing of what its client sets up
	args map[string][]string // of portals
	rows uint32              // that the Execute at hand asks for
	sleeper
}

func newModelServer(t testing.TB) *modelServer {
	return &modelServer{t: t, status: 'I', statements: map[string]string{}, portals: map[string]string{}, started: map[string]bool{}, bound: "select", committed: map[int]bool{}}
}

// idle reports whether the server could serve anybody.
func (m *modelServer) idle() bool {
	return m.status == 'I' && !m.open && !m.skip && m.copying == nil && !m.asleep && len(m.out) == 0
}

func (m *modelServer) say(word string, args ...string) {
	m.out = append(m.out, serverFrame(m.t, token{word, args}))
}

// join puts the request at hand into the transaction.
func (m *modelServer) join() { m.txn = append(m.txn, m.cur) }

// commit makes durable what the transaction holds.
func (m *modelServer) commit() {
	for _, id := range m.txn {
		m.committed[id] = true
	}
	m.txn = nil
}

func (m *modelServer) ready() {
	switch {
	case m.status != 'I':
		m.join()
	case len(m.txn) > 0:
		m.join()
		m.commit()
	}
	m.settles()
	m.say("ReadyForQuery", string(m.status))
	m.open, m.simple = false, false
	if m.status == 'I' {
		clear(m.portals)
		clear(m.started)
	}
}

// failFor is an ERROR about a prepared statement.
func (m *modelServer) failFor(name, code, what string, extended bool) {
	m.fail(extended)
	text := fmt.Sprintf("prepared statement %q %s", name, what)
	if name == "" {
		text = "unnamed prepared statement " + what
	}
	m.out[len(m.out)-1] = serverFrame(m.t, token{"ErrorResponse", []string{"ERROR", code, text}})
}

// fail is an ERROR; extended says that what follows is skipped.
func (m *modelServer) fail(extended bool) {
	m.say("ErrorResponse", "ERROR", "XX001")
	m.undoes()
	if m.status == 'T' {
		m.status = 'E'
	} else if m.status == 'I' {
		m.txn = nil
	}
	m.skip = extended
}

func (m *modelServer) take(f wire.Frame) {
	switch {
	case m.asleep:
		m.later = append(m.later, f)
		return
	case m.copying != nil:
		m.copyData(f)
		return
	case f.Type == 'S':
		m.skip = false
		m.ready()
		return
	case m.skip, strings.IndexByte("dcfH", f.Type) >= 0:
		return
	}
	words := bodyWords(f)
	switch f.Type {
	case 'Q':
		delete(m.statements, "")
		m.simple = true
		list := split(words[0])
		m.several = len(list) > 1
		m.run(list)
	case 'F':
		if m.status == 'E' {
			m.fail(false)
		} else {
			m.join()
			m.say("FunctionCallResponse")
		}
		m.ready()
	default:
		m.open, m.several = true, false
		if m.status == 'T' && f.Type != 'E' {
			m.join()
		}
		m.arguments(f)
		m.extended(f.Type, words)
	}
}

// bodyWords are the strings that a body begins with.
func bodyWords(f wire.Frame) (words [3]string) {
	b := f.Body
	if f.Type == 'D' || f.Type == 'C' {
		words[0], b = string(b[:1]), b[1:]
		name, _, _ := wire.CutString(b)
		words[1] = string(name)
		return words
	}
	for i := range words {
		s, rest, ok := wire.CutString(b)
		if !ok {
			break
		}
		words[i], b = string(s), rest
	}
	return words
}

func split(sql string) []string {
	list := strings.Split(sql, ";")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// run runs the statements of a simple Query; a COPY interrupts it.
func (m *modelServer) run(list []string) {
	for i, sql := range list {
		if sql == "" && i == 0 && len(list) == 1 {
			m.say("EmptyQueryResponse")
			break
		}
		sql = m.mind.read(sql)
		if m.refuses(sql) {
			m.fail(false)
			break
		}
		if name, ok := strings.CutPrefix(sql, "deallocate "); ok && name != "all" {
			if _, known := m.statements[name]; !known && !m.lenient {
				m.failFor(name, "26000", "does not exist", false)
				break
			}
		}
		if name, ok := strings.CutPrefix(sql, "execute "); ok {
			inner, known := m.statements[name]
			if !known && !m.lenient {
				m.failFor(name, "26000", "does not exist", false)
				break
			}
			if m.lenient {
				inner = "select 1"
			}
			if !strings.HasPrefix(inner, "select ") { // of a statement that SQL could not have prepared
				m.fail(false)
				break
			}
			sql = inner
		}
		if name, _, ok := byPrepare(sql); ok && !m.lenient {
			if _, known := m.statements[name]; known {
				m.failFor(name, "42P05", "already exists", false)
				break
			}
		}
		if sql == "copy t from stdin" {
			m.say("CopyInResponse")
			m.copier = m.cur
			m.copying = append([]string{}, list[i+1:]...)
			return
		}
		if m.falls(sql) {
			return
		}
		value, ok := m.does(sql, "", false)
		if !ok {
			break
		}
		if strings.HasPrefix(sql, "select ") {
			m.say("RowDescription", "a")
			m.say("DataRow", value)
		}
		m.finish(sql)
	}
	m.ready()
}

// refuses: a statement fails by itself, or as its transaction has failed.
func (m *modelServer) refuses(sql string) bool {
	if m.lenient && sql != "begin" && sql != "rollback" && m.chance() {
		if strings.HasPrefix(sql, "commit") {
			m.status, m.txn = 'I', nil // as with a deferred constraint
		}
		return true
	}
	return sql == "fail" && !m.lenient || m.status == 'E' && !leaves(sql) && sql != "" || m.status == 'I' && needsBlock(sql)
}

// chance is asked where a request may fail for reasons of its own.
func (m *modelServer) chance() bool {
	m.chances++
	return m.chances == m.fails[0] || m.chances == m.fails[1]
}

// finish completes a statement.
func (m *modelServer) finish(sql string) {
	tag := strings.ToUpper(sql)
	if m.mind != nil {
		tag = tagOf(sql, m.status == 'E')
		m.turns(sql)
	}
	switch sql {
	case "":
		m.say("EmptyQueryResponse")
		return
	case "begin":
		m.status = 'T'
		m.join()
	case "deallocate all", "discard all":
		clear(m.statements)
		m.join()
	case "commit", "rollback":
		if m.status == 'I' {
			m.say("NoticeResponse", "WARNING", "25P01")
		}
		if sql == "commit" && m.status != 'E' {
			if m.status == 'T' {
				m.join()
			}
			m.commit()
		}
		m.status, m.txn = 'I', nil
	case "commit and chain":
		if m.status == 'T' {
			m.join()
			m.commit()
		}
		m.status, m.txn = 'T', nil
		clear(m.portals)
	case "rollback and chain":
		m.status, m.txn = 'T', nil
		clear(m.portals)
	case "rollback to a", "rollback to b":
		m.status = 'T'
		m.join()
	case "call p()":
		m.join()
		if m.status == 'I' && !m.several {
			m.commit()
			m.join() // and goes on in another transaction
		}
	default:
		if name, ok := strings.CutPrefix(sql, "deallocate "); ok {
			delete(m.statements, name)
			tag = "DEALLOCATE"
		}
		if name, inner, ok := byPrepare(sql); ok {
			m.statements[name] = m.mind.read(inner)
			tag = "PREPARE"
		}
		m.join()
	}
	m.say("CommandComplete", tag)
}
