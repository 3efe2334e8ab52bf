package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"
)

// A talker makes up what a client sends.
type talker struct {
	*rand.Rand
	schema string // of its client
}

func pick[T any](r talker, of ...T) T { return of[r.IntN(len(of))] }

// plain are statements without parameters, for a Query or a Parse. Every
// client sends the same texts: what they mean is up to its settings.
var plain = []string{
	"select 1", "select 1", "select * from t order by 1", "select * from t order by 1", "select count(*) from t", "select generate_series(1, 5)",
	"select 1/0", "selec", "", ";", "-- nothing", "select * from nowhere",
	"select 1 as \"Ä\"", "values (1, 'x'), (2, null)", "select repeat('x', 3000), g from generate_series(1, 20) g",
	"insert into u values (1)", "insert into u values (2), (3) returning a", "delete from u", "update t set b = 'new' where 1 = 1 returning *", "delete from t",
	"insert into t (b) values ('more')", "table u",
	"begin", "begin", "begin", "start transaction isolation level serializable", "begin read only", "commit", "commit", "rollback", "end", "abort", "commit and chain", "rollback and chain",
	"savepoint s", "savepoint s", "rollback to s", "rollback to savepoint s", "release s",
	"set local search_path = public", "reset search_path", "show search_path", "show search_path", "select current_schema()",
	"set datestyle = 'ISO, DMY'", "set datestyle = 'SQL, MDY'", "reset datestyle", "show datestyle", "select '2/1/2020'::date", "select c from t",
	"set work_mem = '1MB'", "set local work_mem = '2MB'", "reset work_mem", "show work_mem", "select current_setting('work_mem')", "select set_config('work_mem', '3MB', false)", "select set_config('work_mem', '4MB', true)",
	"set standard_conforming_strings = off", "set standard_conforming_strings = on", "select 'a\\\\b'", "set bytea_output = escape", "reset bytea_output", "select '\\001'::bytea",
	"set timezone = 'Asia/Tokyo'", "set time zone 3", "reset timezone", "show timezone", "select timestamptz '2020-01-01 00:00Z'",
	"set statement_timeout = '1000s'", "reset statement_timeout", "show statement_timeout", "set application_name = 'mine'", "show application_name", "reset application_name",
	"set role diff_low", "set role none", "reset role", "set local role diff_low", "select current_user, session_user", "select current_user", "set role nobody_such", "show role",
	"set client_encoding = latin1", "set client_encoding = utf8", "select 'ä'", "set extra_float_digits = 0", "reset extra_float_digits", "select 0.1::float4 + 0.2",
	"set default_transaction_read_only = on", "set default_transaction_read_only = off", "set session characteristics as transaction isolation level serializable", "show transaction_isolation", "show default_transaction_isolation", "reset all",
	"set no_such_setting = 1", "set work_mem = 'x'", "set transaction read only", "set constraints all deferred", "set my.own = 'x'",
	"set client_min_messages = debug1", "set client_min_messages = error", "reset client_min_messages", "do $$ begin raise notice 'noted'; end $$", "do $$ begin raise 'raised'; end $$",
	"declare c cursor for select generate_series(1, 7)", "fetch 2 from c", "close c", "fetch all from c", "move 1 in c",
	"lock table t", "select pg_advisory_xact_lock(hashtext(current_schema()))", "explain (costs off) select * from t",
	"copy t to stdout", "copy (select generate_series(1, 4)) to stdout", "copy nowhere to stdout", "notify nobody",
	"vacuum u", "truncate u", "savepoint \"S\"",
}

// simple are for a Query only.
var simple = []string{
	"select 1; select 2", "begin; select 1", "select 1; select 1/0; select 2", "begin; select 1/0", "commit; begin", "rollback; select 3", "insert into u values (5); select 1/0", "set work_mem = '5MB'; select 1/0",
	"set search_path = public; show search_path", "begin; set local work_mem = '7MB'; show work_mem; commit; show work_mem", "select 1; copy t to stdout; select 2", ";;", "/* /* a */ */ select 1 -- x", "begin; commit; begin; rollback",
	"deallocate a", "deallocate prepare b", "deallocate all", "DEALLOCATE \"c\"", "execute a", "execute b(1)", "execute a(1)", "explain (costs off) execute a", "discard all", "discard plans", "discard all",
	"deallocate a; deallocate b", "deallocate b; select 1/0; deallocate a", "execute a; deallocate a; select 4", "deallocate a; deallocate a", "begin; deallocate c; deallocate a; commit",
	"reset work_mem; set work_mem = '7MB'", "set work_mem = '6MB'; set datestyle = 'German'", "set role diff_low; select current_user", "savepoint s; select 1/0; rollback to s",
}

// asking are statements with parameters.
var asking = []string{
	"select $1::int + 1", "select $1::int + 1", "select $1::text || '!'", "select 1 / $1::int", "insert into u values ($1)", "select * from t where a = $1", "select generate_series(1, $1::int)", "select $1", "select $2::text, $1::int",
	"select set_config('work_mem', $1, false)", "select * from t where b = $1", "select $1::date",
}

func (w talker) sql() string {
	switch w.IntN(8) {
	case 0, 1:
		return pick(w, asking...)
	case 2:
		return pick(w, "begin", "commit", "rollback", "select * from t order by 1", "select current_schema()")
	}
	return pick(w, plain...)
}

func (w talker) queried() string {
	switch w.IntN(6) {
	case 0, 1:
		return pick(w, simple...)
	case 2:
		return pick(w, "begin", "commit", "rollback", "select current_schema()", "show work_mem", "select current_user")
	}
	return pick(w, plain...)
}

func (w talker) name() string {
	return pick(w, "", "", "", "a", "a", "a", "b", "b", "c", strings.Repeat("n", 63), strings.Repeat("n", 63)+"more", "B \"c")
}

func (w talker) portal() string {
	return pick(w, "", "", "", "", "p", "p", "q", strings.Repeat("p", 70))
}

func (w talker) rows() uint32 { return pick[uint32](w, 0, 0, 0, 0, 1, 2, 1000) }

// parse may speak of a statement by its name, if that is not one of its own kind.
func (w talker) parse(name string) *pgproto3.Parse {
	sql := w.sql()
	if name != "a" && name != "b" && w.IntN(6) == 0 {
		sql = pick(w, "execute a", "execute b(1)", "execute a", "deallocate a", "DEALLOCATE PREPARE \"b\"", "explain (costs off) execute a", "deallocate all")
	}
	return &pgproto3.Parse{Name: name, Query: sql, ParameterOIDs: pick(w, nil, nil, nil, nil, []uint32{23}, []uint32{25}, []uint32{0}, []uint32{99999}, []uint32{0, 23})}
}

func (w talker) bind(portal, name string) *pgproto3.Bind {
	m := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: name}
	for range pick(w, 0, 0, 0, 1, 1, 1, 2) {
		m.Parameters = append(m.Parameters, pick(w, []byte("1"), []byte("2"), []byte("x"), nil, []byte("0"), []byte("1/2/2021"), []byte("\x00\x00\x00\x07")))
	}
	m.ParameterFormatCodes = pick(w, nil, nil, nil, []int16{0}, []int16{1})
	m.ResultFormatCodes = pick(w, nil, nil, nil, []int16{0}, []int16{1}, []int16{0, 1}, []int16{7})
	return m
}

func (w talker) any() pgproto3.FrontendMessage {
	switch w.IntN(16) {
	case 0, 1, 2, 3:
		return w.parse(w.name())
	case 4, 5, 6:
		return w.bind(w.portal(), w.name())
	case 7:
		return describe(w.name())
	case 8:
		return &pgproto3.Describe{ObjectType: 'P', Name: w.portal()}
	case 9, 10, 11:
		return &pgproto3.Execute{Portal: w.portal(), MaxRows: w.rows()}
	case 12:
		return closing(w.name())
	case 13:
		return &pgproto3.Close{ObjectType: 'P', Name: w.portal()}
	case 14:
		return syncs()
	}
	if w.IntN(3) == 0 {
		return &pgproto3.Flush{}
	}
	return q(w.queried())
}

// run is a statement as drivers run it, whole.
func (w talker) run() messages {
	name, portal := w.name(), w.portal()
	var m messages
	if w.IntN(3) > 0 {
		m = append(m, w.parse(name))
	}
	if w.IntN(2) == 0 {
		m = append(m, describe(name))
	}
	m = append(m, w.bind(portal, name))
	if w.IntN(2) == 0 {
		m = append(m, &pgproto3.Describe{ObjectType: 'P', Name: portal})
	}
	m = append(m, &pgproto3.Execute{Portal: portal, MaxRows: w.rows()})
	if w.IntN(4) == 0 {
		m = append(m, &pgproto3.Execute{Portal: portal, MaxRows: w.rows()})
	}
	if w.IntN(6) == 0 {
		m = append(m, closing(name))
	}
	return append(m, syncs())
}

// prepares parses what has no parameters and describes it, as pgx does.
func (w talker) prepares() messages {
	name := pick(w, "a", "b", "c", "")
	m := messages{&pgproto3.Parse{Name: name, Query: pick(w, plain...)}, describe(name), syncs()}
	if w.IntN(2) == 0 {
		m = append(messages{closing(name)}, m...)
	}
	return m
}

func (w talker) soup() (m messages) {
	for range 1 + w.IntN(8) {
		m = append(m, w.any())
	}
	switch w.IntN(20) {
	case 0, 1:
		return append(m, &pgproto3.Flush{})
	case 2:
		return m
	}
	return append(m, syncs())
}

func (w talker) pipeline() (m messages) {
	for range 2 + w.IntN(4) {
		switch w.IntN(5) {
		case 0, 1, 2:
			m = append(m, w.run()...)
		case 3:
			m = append(m, q(w.queried()))
		case 4:
			m = append(m, w.prepares()...)
		}
	}
	return m
}

// call is a FunctionCall: of abs(int4), and of what is not there.
func (w talker) call() messages {
	m := &pgproto3.FunctionCall{Function: pick[uint32](w, 1397, 1397, 1397, 4), ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte(pick(w, "-5", "7", "x"))}}
	if w.IntN(3) == 0 {
		return append(w.soup(), m)
	}
	return messages{m}
}

// copies is a COPY in, by a Query or as a statement, right or wrong.
func (w talker) copies() (m messages) {
	sql := pick(w, "copy u from stdin", "copy u from stdin", "copy t (b) from stdin", "copy nowhere from stdin", "select 1; copy u from stdin; select 2")
	extended := w.IntN(2) == 0
	if extended {
		name := fmt.Sprint("copy ", w.IntN(1_000_000)) // nobody runs it again
		m = messages{parseAs(name, sql), bindTo(name), execute()}
		if w.IntN(3) == 0 {
			m = append(m, syncs())
		}
	} else {
		m = messages{q(sql)}
	}
	wrong := false
	for range w.IntN(3) {
		data := pick(w, "10\n", "11\n12\n", "x\n", "1", "\\.\n")
		m, wrong = append(m, &pgproto3.CopyData{Data: []byte(data)}), wrong || data == "x\n"
	}
	switch w.IntN(10) {
	case 0:
		if !wrong { // behind what may have failed it is answered, in the middle of a COPY it is not
			m = append(m, syncs())
		}
	case 1:
		m = append(m, &pgproto3.Flush{})
	}
	switch w.IntN(8) {
	case 0, 1:
		m = append(m, &pgproto3.CopyFail{Message: "no more"})
	default: // not left open: what PostgreSQL says of a Query in a COPY is its last word, Portero says it otherwise
		m = append(m, &pgproto3.CopyDone{})
	}
	if extended || w.IntN(4) == 0 {
		m = append(m, syncs())
	}
	return m
}

// steps is what comes behind last.
func (w talker) steps(last step) []step {
	if w.IntN(5) < 2 {
		if !last.ends() { // what follows an error is skipped up to there
			return append([]step{plainly(syncs())}, w.setsUp()...)
		}
		return w.setsUp()
	}
	return []step{plainly(harmless(w.anything())...)}
}

// harmless is a step that does not crash PostgreSQL 15: it does at the Execute
// of a portal that was there before its transaction failed. So none is used
// but in the group in which it is bound.
func harmless(step messages) messages {
	bound := make(map[string]bool)
	for _, m := range step {
		switch m := m.(type) {
		case *pgproto3.Bind:
			bound[m.DestinationPortal] = true
		case *pgproto3.Sync, *pgproto3.Query:
			clear(bound)
		case *pgproto3.Execute:
			if !bound[m.Portal] {
				m.Portal = "nowhere"
			}
		case *pgproto3.Describe:
			if m.ObjectType == 'P' && !bound[m.Name] {
				m.Name = "nowhere"
			}
		}
	}
	return step
}

func (w talker) anything() messages {
	switch w.IntN(20) {
	case 0, 1, 2, 3, 4, 5:
		return messages{q(w.queried())}
	case 6, 7, 8:
		return w.run()
	case 9, 10, 11:
		return w.soup()
	case 12:
		return w.pipeline()
	case 13, 14:
		return w.prepares()
	case 15:
		return w.call()
	case 16:
		return w.copies()
	case 17, 18: // a setting of its own
		return messages{q(pick(w, "set search_path = ", "set local search_path = ") + pick(w, w.schema, w.schema, w.schema+"_b", w.schema+"_b", "pg_catalog"))}
	}
	return runs(pick(w, "a", "b", "c", ""))
}
