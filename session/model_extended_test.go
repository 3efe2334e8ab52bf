package session

import (
	"strings"

	"portero/wire"
)

// extended is a message of the extended protocol, with the words that its body begins with.
func (m *modelServer) extended(t byte, w [3]string) {
	begins := t == 'P' && w[1] == "begin" || t == 'B' && m.statements[w[1]] == "begin"
	if m.lenient && t != 'E' && !begins && m.chance() {
		m.fail(true)
		return
	}
	switch t {
	case 'P':
		if w[0] == "" {
			delete(m.statements, "")
		}
		if w[1] != "" && m.status == 'E' && !leaves(w[1]) {
			m.fail(true)
			return
		}
		w[1] = m.mind.read(w[1])
		if m.mind.misses(w[1]) {
			m.failWith("42P01", true)
			return
		}
		if _, used := m.statements[w[0]]; w[0] != "" && used && !m.lenient {
			m.failFor(w[0], "42P05", "already exists", true)
			return
		}
		m.statements[w[0]] = w[1]
		m.say("ParseComplete")
	case 'B':
		sql, ok := m.statements[w[1]]
		if !ok && m.lenient {
			sql, ok = "select", true
		}
		if !ok {
			m.failFor(w[1], "26000", "does not exist", true)
			return
		}
		if m.status == 'E' && !leaves(sql) {
			m.fail(true)
			return
		}
		if m.mind.misses(sql) {
			m.failWith("42P01", true)
			return
		}
		m.portals[w[0]] = sql
		if m.mind != nil {
			delete(m.started, w[0])
		}
		if w[0] == "" {
			m.bound = sql
		}
		m.say("BindComplete")
	case 'D':
		m.describe(w[0], w[1])
	case 'E':
		m.execute(w[0])
	case 'C':
		if w[0] == "S" {
			delete(m.statements, w[1])
		} else {
			delete(m.portals, w[1])
		}
		m.say("CloseComplete")
	}
}

func (m *modelServer) describe(what, name string) {
	sql, ok := m.portals[name]
	if what == "S" {
		sql, ok = m.statements[name]
	}
	isSelect := strings.HasPrefix(sql, "select ")
	switch {
	case !ok && !m.lenient && what == "S":
		m.failFor(name, "26000", "does not exist", true)
		return
	case !ok && !m.lenient || m.status == 'E' && (isSelect || what == "S" && !leaves(sql) && sql != ""):
		// PostgreSQL does describe a statement without rows there; a server that
		// would have to be given the statement first cannot.
		m.fail(true)
		return
	}
	if what == "S" {
		m.say("ParameterDescription")
	}
	if isSelect {
		m.say("RowDescription", "a")
	} else {
		m.say("NoData")
	}
}

func (m *modelServer) execute(portal string) {
	sql, ok := m.portals[portal]
	if !ok && m.lenient {
		sql = "select" // for all that a session knows
		if portal == "" {
			sql = m.bound // it may have outlived its transaction
		}
	}
	switch {
	case !ok && !m.lenient || m.refuses(sql):
		m.fail(true)
		return
	case sql == "copy t from stdin":
		m.say("CopyInResponse")
		m.copier = m.cur
		m.copying = []string{}
		return
	case m.falls(sql):
		return
	}
	value, ok := m.does(sql, portal, true)
	if !ok {
		return
	}
	if strings.HasPrefix(sql, "select ") {
		m.say("DataRow", value)
		if !m.started[portal] && (m.mind == nil || m.rows == 1) {
			m.started[portal] = true
			m.join()
			m.say("PortalSuspended")
			return
		}
	}
	m.finish(sql)
}

func (m *modelServer) copyData(f wire.Frame) {
	rest := m.copying
	strange := strings.IndexByte("dfcSH", f.Type) < 0
	failed := f.Type == 'f' || m.lenient && strange || f.Type == 'd' && string(f.Body) == "bad"
	switch {
	case failed:
		m.copying = nil
		m.fail(!m.simple)
		if m.simple {
			m.ready()
		}
	case f.Type == 'c':
		m.copying = nil
		m.cur = m.copier
		m.join()
		m.say("CommandComplete", "COPY 0")
		if m.simple {
			m.run(rest)
		}
	case strange:
		m.t.Fatalf("message %q reached the server in the middle of COPY data", f.Type)
	}
}

func leaves(sql string) bool {
	return sql == "commit" || sql == "rollback" || sql == "commit and chain" || sql == "rollback and chain" || strings.HasPrefix(sql, "rollback to ")
}

// needsBlock: PostgreSQL refuses these outside of a transaction block.
func needsBlock(sql string) bool {
	return sql == "commit and chain" || sql == "rollback and chain" || strings.HasPrefix(sql, "rollback to ") ||
		strings.HasPrefix(sql, "savepoint ") || strings.HasPrefix(sql, "release ")
}

// byPrepare reads PREPARE name as statement.
func byPrepare(sql string) (name, inner string, ok bool) {
	if len(sql) < 8 || !strings.EqualFold(sql[:8], "prepare ") {
		return "", "", false
	}
	return strings.Cut(sql[8:], " as ")
}
