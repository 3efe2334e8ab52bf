package proxy_test

import (
	"github.com/jackc/pgx/v5/pgproto3"
)

// How a client may make the statements a and b by SQL. By the extended protocol that pins.
var makingNames = []string{
	"prepare a as select 'by sql'", "prepare a as select 'by sql'", "prepare b as select 'other'", "prepare b (int) as select $1 + 1",
}

// What else it may say of them. That may be prepared itself.
var ofNames = []string{
	"execute a", "execute a", "execute b", "execute b(1)", "explain (costs off) execute a",
	"deallocate a", "deallocate prepare b", "deallocate all", "deallocate all", "discard all", "discard all", "discard plans", "close all",
	"begin", "begin", "commit", "rollback", "savepoint s", "rollback to s", "select 1/0", "selec", "select 1",
}

// ... of several statements.
var ofSeveralNames = []string{
	"deallocate all; select 1", "select 1; deallocate all", "deallocate a; deallocate all", "deallocate all; select 1/0", "select 1/0; deallocate all", "deallocate all; prepare a as select 'anew'",
	"prepare a as select 'first'; execute a", "prepare a as select 'new'; execute a; deallocate a", "deallocate a; prepare a as select 'again'", "begin; deallocate all", "deallocate all; rollback", "deallocate b; execute a; deallocate a", "execute a; execute b",
	"begin; deallocate a; rollback",
}

// tangled is a pipeline in which names are taken, used and given up, by messages and by SQL.
func (w talker) tangled() (m messages) {
	open := false
	for range 1 + w.IntN(6) {
		switch n := w.IntN(12); {
		case n < 2:
			if open && w.IntN(8) > 0 {
				m = append(m, syncs())
			}
			m, open = append(m, q(pick(w, append(makingNames, ofNames...)...))), false
		case n == 2:
			if open && w.IntN(8) > 0 {
				m = append(m, syncs())
			}
			m, open = append(m, q(pick(w, ofSeveralNames...))), false
		case n < 7: // says something by a statement that is prepared for it
			name := pick(w, "", "", "", "x", "y")
			m, open = append(m, &pgproto3.Parse{Name: name, Query: pick(w, ofNames...)}, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}), true
			if name != "" && w.IntN(2) == 0 {
				m = append(m, closing(name))
			}
		case n < 9:
			m, open = append(m, &pgproto3.Parse{Name: pick(w, "a", "b"), Query: pick(w, "select 'parsed'", "select 'parsed too'", "selec")}), true
		case n < 11:
			name := pick(w, "a", "b", "b", "x", "y", "")
			if w.IntN(3) == 0 {
				m = append(m, describe(name))
			}
			m, open = append(m, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}), true
		default:
			m, open = append(m, closing(pick(w, "a", "b"))), true
		}
		if open && w.IntN(3) == 0 {
			m, open = append(m, syncs()), false
		}
	}
	return append(m, syncs())
}
