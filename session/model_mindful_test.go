package session

import (
	"encoding/binary"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// What a modelServer does that has a mind: where its statements and transactions
// meet what its client has set up.

// sleeper is a statement that lasts until it is cancelled.
type sleeper struct {
	asleep bool
	later  []wire.Frame // what has come meanwhile
}

const sleep = "select sleep"

func newMindful(m *modelServer, start map[string]string) *modelServer {
	m.mind, m.args = newMind(start), map[string][]string{}
	return m
}

// failWith is an ERROR of a code.
func (m *modelServer) failWith(code string, extended bool) {
	m.fail(extended)
	text := ""
	if code == wire.QueryCanceled {
		text = "canceling statement due to user request"
	}
	m.out[len(m.out)-1] = serverFrame(m.t, token{"ErrorResponse", []string{"ERROR", code, text}})
}

// does runs a statement; false: it has failed. value is what a SELECT returns.
func (m *modelServer) does(sql, portal string, extended bool) (value string, ok bool) {
	value = strings.TrimPrefix(sql, "select ")
	if m.mind == nil {
		return value, true
	}
	m.mind.begins()
	var args []string
	if extended {
		args = m.args[portal]
	}
	code := ""
	switch name, returns := strings.CutPrefix(sql, "rollback to "); {
	case returns:
		code = m.mind.returns(name)
	case strings.EqualFold(sql, "discard all"):
		if m.status != 'I' || m.several {
			code = "25001"
		}
	case m.mind.misses(sql):
		code = "42P01"
	default:
		if said, why, known := m.mind.does(sql, args, extended && m.started[portal]); known {
			value, code = said, why
		}
	}
	if code != "" {
		m.failWith(code, extended)
	}
	return value, code == ""
}

// turns is the end of a statement that ends a transaction.
func (m *modelServer) turns(sql string) {
	switch sql {
	case "commit", "commit and chain":
		m.mind.ends(m.status != 'E')
	case "rollback", "rollback and chain":
		m.mind.ends(false)
	case "call p()":
		if m.status == 'I' && !m.several {
			m.mind.ends(true)
		}
	case "discard all":
		m.mind.ends(true)
		m.mind.discards()
	}
}

// undoes is what an error undoes.
func (m *modelServer) undoes() {
	switch {
	case m.mind == nil:
	case m.status == 'T':
		m.mind.fails()
	case m.status == 'I':
		m.mind.ends(false)
	}
}

// settles comes before ReadyForQuery.
func (m *modelServer) settles() {
	if m.mind == nil {
		return
	}
	if m.status == 'I' {
		m.mind.ends(true)
	}
	m.mind.reports(func(spelled, value string) { m.say("ParameterStatus", spelled, value) })
}

// arguments keeps what a Bind brings, and how many rows an Execute wants.
func (m *modelServer) arguments(f wire.Frame) {
	switch {
	case m.mind == nil:
	case f.Type == 'E':
		m.rows = binary.BigEndian.Uint32(f.Body[len(f.Body)-4:])
	case f.Type == 'B':
		var b pgproto3.Bind
		if err := b.Decode(f.Body); err != nil {
			m.t.Fatal(err)
		}
		delete(m.args, b.DestinationPortal)
		for _, p := range b.Parameters {
			m.args[b.DestinationPortal] = append(m.args[b.DestinationPortal], string(p))
		}
	}
}

// falls asleep, if that is what the statement is.
func (m *modelServer) falls(sql string) bool {
	m.asleep = m.mind != nil && sql == sleep
	return m.asleep
}

// cancel ends what lasts, and goes on with what has come meanwhile.
func (m *modelServer) cancel() {
	m.asleep = false
	m.failWith(wire.QueryCanceled, !m.simple)
	if m.simple {
		m.ready()
	}
	later := m.later
	m.later = nil
	for _, f := range later {
		m.take(f)
	}
}
