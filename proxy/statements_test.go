package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

type messages = []pgproto3.FrontendMessage

func parseAs(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }
func closing(name string) *pgproto3.Close      { return &pgproto3.Close{ObjectType: 'S', Name: name} }
func describe(name string) *pgproto3.Describe {
	return &pgproto3.Describe{ObjectType: 'S', Name: name}
}

func bindTo(name string, values ...string) *pgproto3.Bind {
	m := bind(values...)
	m.PreparedStatement = name
	return m
}

// runs executes a prepared statement and ends its group.
func runs(name string, values ...string) messages {
	return messages{bindTo(name, values...), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs()}
}

// inFormats is runs with a format for each column.
func inFormats(name string, formats ...int16) messages {
	m := runs(name)
	m[0].(*pgproto3.Bind).ResultFormatCodes = formats
	return m
}

// sessions are what one client does with prepared statements; what it sends at
// once stands in one line.
var sessions = []struct {
	name  string
	steps []messages
}{
	{"a named statement", []messages{
		{parseAs("a", "select $1::int + 1"), describe("a"), syncs()}, runs("a", "1"), runs("a", "2"), runs("a", "x"), runs("a", "3"),
		{closing("a"), syncs()}, runs("a", "4"), {parseAs("a", "select 'again'"), syncs()}, runs("a"),
	}},
	{"names that PostgreSQL takes for one", []messages{
		{parseAs(strings.Repeat("n", 63)+"1", "select 1"), syncs()}, runs(strings.Repeat("n", 63) + "2"),
		{parseAs(strings.Repeat("n", 63)+"3", "select 3"), syncs()}, {closing(strings.Repeat("n", 64)), syncs()}, runs(strings.Repeat("n", 63)),
	}},
	{"a long name that is not there", []messages{
		{describe(strings.Repeat("n", 64)), syncs()}, runs(strings.Repeat("n", 70)), {q(`execute "` + strings.Repeat("n", 64) + `"`)}, {q(`deallocate "` + strings.Repeat("n", 64) + `"`)},
	}},
	{"DEALLOCATE and EXECUTE in the extended protocol", []messages{
		{parseAs("a", "select 1"), parseAs("b", "select 2"), syncs()}, {parse("execute b"), bind(), execute(), syncs()},
		{parse("deallocate a"), bind(), execute(), syncs()}, runs("a"), {parse("deallocate a"), bind(), execute(), syncs()},
		{parse("deallocate b"), bind(), execute(), parseAs("b", "select 'new'"), bindTo("b"), execute(), syncs()}, runs("b"),
		{parse("deallocate b"), syncs()}, runs("b"), {q("begin")}, {parse("deallocate b"), bind(), execute(), bindTo("nothing"), syncs()}, {q("rollback")}, runs("b"),
	}},
	{"the unnamed one, over transactions", []messages{
		{parse("select $1::text || '!'"), describe(""), syncs()}, runs("", "hello"), runs("", "again"), {q("select 1")}, runs("", "gone"),
		{parse("selec"), syncs()}, runs("", "not there"), {parse("select 7"), syncs()}, runs(""), {closing(""), syncs()}, runs(""),
	}},
	{"a name that is there already", []messages{
		{parseAs("a", "select 1"), syncs()}, {parseAs("a", "select 2"), syncs()}, runs("a"), {parseAs("a", "selec"), syncs()}, runs("a"),
		{q("begin")}, {parseAs("a", "select 3"), syncs()}, {q("rollback")}, runs("a"),
	}},
	{"a name that is not there", []messages{
		runs("a"), {describe("a"), syncs()}, {closing("a"), syncs()}, {q("begin")}, runs("portero_1"), {q("rollback")}, {q("select 'well'")},
	}},
	{"in a failed block", []messages{
		{parseAs("a", "select 1"), parseAs("r", "rollback"), syncs()}, {q("begin")}, {q("select 1/0")}, runs("a"), {parseAs("b", "select 2"), syncs()},
		{describe("a"), syncs()}, {parseAs("c", "commit"), syncs()}, {closing("a"), syncs()}, runs("r"), runs("a"), runs("b"), runs("c"),
	}},
	{"groups that fail", []messages{
		{parseAs("a", "select 1"), bindTo("nothing"), parseAs("b", "select 2"), syncs()}, runs("a"), runs("b"),
		{parseAs("c", "select 3"), execute(), closing("a"), parse("select 4"), syncs()}, runs("a"), runs("c"), runs(""),
	}},
	{"pipelines", []messages{
		{parseAs("a", "select 1"), syncs(), bindTo("a"), execute(), syncs(), closing("a"), syncs(), bindTo("a"), syncs(), parseAs("a", "select 2"), syncs(), bindTo("a"), execute(), syncs()},
		{parse("select 1"), bind(), execute(), syncs(), parse("select 2"), bind(), execute(), syncs(), bind(), execute(), syncs()},
		{parseAs("b", "select 1/0"), bindTo("b"), execute(), syncs(), bindTo("b"), execute(), syncs(), parseAs("b", "select 3"), syncs(), bindTo("b"), syncs()},
		{parseAs("x", "selec"), syncs(), parseAs("x", "select 'x'"), syncs(), bindTo("x"), execute(), syncs()},
		{q("begin"), parseAs("y", "select 'y'"), q("commit"), bindTo("y"), execute(), syncs()},
	}},
	{"the table is gone", []messages{
		{q("create table gone (a int)")}, {parseAs("a", "select * from gone"), syncs()}, runs("a"), {q("drop table gone")}, runs("a"), {q("create table gone (a int, b int)")},
		{parseAs("b", "select * from gone"), describe("b"), syncs()}, runs("b"), {q("drop table gone")},
	}},
	{"a statement that cannot be made anew, in a pipeline", []messages{
		{q("create table gone (a int)")}, {parseAs("a", "select * from gone"), parseAs("b", "select 'b'"), syncs()}, {q("drop table gone")},
		{
			bindTo("b"), execute(), bindTo("a"), describe("a"), execute(), bindTo("b"), execute(), parseAs("c", "select 'c'"), closing("b"), syncs(),
			bindTo("b"), execute(), syncs(), bindTo("c"), execute(), syncs(), describe("a"), syncs(), q("select 'on'"),
		},
		{q("begin"), bindTo("b"), execute(), bindTo("a"), execute(), syncs(), bindTo("b"), execute(), syncs(), q("rollback"), bindTo("b"), execute(), syncs()},
	}},
	{"formats for columns that go", []messages{
		{q("create table narrows (a int, b int, c int)")}, {parseAs("a", "select * from narrows"), describe("a"), syncs()}, inFormats("a", 0, 0, 0), {q("alter table narrows drop column b")},
		inFormats("a", 0, 0, 0), {closing("a"), parseAs("a", "select * from narrows"), describe("a"), syncs()}, inFormats("a", 0, 0), inFormats("a", 0, 0, 0), {q("drop table narrows")},
	}},
	{"parameters that do not fit", []messages{
		{parseAs("a", "select $1::int"), syncs()}, runs("a"), runs("a", "1", "2"), runs("a", "1"),
	}},
	{"DEALLOCATE of the protocol's statements", []messages{
		{parseAs("a", "select 1"), parseAs("B c", "select 2"), parseAs("d", "select 3"), syncs()}, {q("deallocate a")}, runs("a"), {q("deallocate a")},
		{q(`/* by its name */ DEALLOCATE PREPARE "B c";`)}, runs("B c"), runs("d"), {q("deallocate D")}, runs("d"), {parseAs("a", "select 4"), syncs()}, runs("a"),
	}},
	{"DEALLOCATE that fails", []messages{
		{parseAs("a", "select 1"), syncs()}, {q("begin")}, {q("select 1/0")}, {q("deallocate a")}, {q("rollback")}, runs("a"),
	}},
	{"DEALLOCATE ALL", []messages{
		{parseAs("a", "select 1"), parseAs("b", "select 2"), syncs()}, runs("a"), {q("deallocate all")}, runs("a"), runs("b"), {parseAs("a", "select 3"), syncs()}, runs("a"),
		{parseAs("x", "deallocate all"), syncs()}, {bindTo("x"), execute(), parseAs("y", "select 'y'"), syncs()}, runs("a"), runs("x"), runs("y"),
	}},
	{"DISCARD ALL", []messages{
		{parseAs("a", "select 1"), syncs()}, {q("discard all")}, runs("a"), {parseAs("a", "select 2"), syncs()}, runs("a"),
	}},
	{"EXECUTE of the protocol's statements", []messages{
		{parseAs("a", "select $1::int + 1"), syncs()}, {q("execute a(5)")}, {q("explain (costs off) execute a(5)")}, {q("create temp table x on commit drop as execute a(6)")},
		{q("explain verbose execute a (7)")}, {q("execute A(8)")}, {q(`execute "a"(9)`)}, {q("execute b(10)")},
	}},
	{"PREPARE, EXECUTE, DEALLOCATE", []messages{
		{q("prepare a as select 1")}, {q("execute a")}, {q("prepare b (int, text) as select $1 + 1, $2")}, {q("execute b(1, 'x')")}, {q("execute b(1)")}, {q("execute b('y', 'x')")},
		{q("prepare a as select 2")}, {q("execute a")}, {q("deallocate a")}, {q("execute a")}, {q("deallocate a")}, {q(`prepare "A" as values (3);`)}, {q("execute a")}, {q(`execute "A"`)},
		{q("deallocate prepare all")}, {q("execute b(1, 'x')")}, {q("prepare a as select 5")}, {q("execute a")}, {q("discard all")}, {q("execute a")},
	}},
	{"PREPARE that fails", []messages{
		{q("prepare a as selec 1")}, {q("execute a")}, {q("prepare a as select * from nothing_there")}, {q("prepare a")}, {q("prepare a as begin")}, {q("begin")}, {q("select 1/0")},
		{q("prepare a as select 1")}, {q("execute a")}, {q("rollback")}, {q("execute a")}, {q("prepare a as select 2")}, {q("execute a")},
	}},
	{"PREPARE in a transaction that is rolled back", []messages{
		{q("begin")}, {q("prepare a as select 1")}, {q("execute a")}, {q("rollback")}, {q("execute a")}, {q("begin")}, {q("deallocate a")}, {q("rollback")}, {q("execute a")},
	}},
	{"PREPARE and the protocol", []messages{
		{q("prepare a (int) as select $1")}, {describe("a"), syncs()}, runs("a", "7"), {parseAs("a", "select 2"), syncs()}, {closing("a"), syncs()}, {q("execute a(1)")},
		{parseAs("a", "select 3"), syncs()}, {q("prepare a as select 4")}, runs("a"), {q("begin")}, runs("a"), {q("commit")}, {q("execute a")},
	}},
	{"PREPARE in pipelines", []messages{
		{q("prepare a as select 1"), q("execute a"), q("prepare a as select 2"), q("deallocate a"), q("execute a"), q("prepare a as select 3"), q("execute a")},
		{q("deallocate all"), q("prepare a as select 4"), q("execute a"), bindTo("a"), execute(), syncs(), q("selec"), q("prepare b as selec"), q("prepare b as select 6"), q("execute b")},
	}},
	{"PREPARE and Queries of several statements", []messages{
		{q("prepare a (int) as select $1")}, {q("prepare b as select 2")}, {q("execute a (1); execute b; execute c")}, {q("select 1/0; deallocate a")}, {q("execute a (3)")},
		{q("execute a (4); deallocate a; select 1/0"), q("execute a (5)"), q("prepare a as select 6")}, {q("execute b; execute a"), q("deallocate b; select 7"), q("execute b")},
		{parseAs("p", "select $1::int"), syncs()}, {q("execute p (8); execute a"), bindTo("p", "9"), execute(), syncs()}, {q("deallocate all; execute p (10)")},
	}},
	{"PREPARE and a Query that is too long to be read", []messages{
		{q("prepare a (int) as select $1")}, {q("prepare gone as select 1/0")}, {q("prepare b as select 2")}, {q("execute a (0)" + strings.Repeat(" ", 200_000) + "; execute a (1); execute b")}, {q("execute a (2)")},
		{q("deallocate a")}, {q("execute a (3)")}, {q("execute b")}, {q("prepare a as select 4")}, {q("execute a; execute b")}, {q("begin")}, {q("select 1/0")},
		{q("execute a" + strings.Repeat(" ", 200_000))}, {q("rollback")}, {q("execute a" + strings.Repeat(" ", 200_000))}, {q("deallocate all")}, {q("execute a")}, {q("prepare a as select 5")}, {q("execute a")},
	}},
	{"PREPARE of a table that goes, and a long Query", []messages{
		{q("create table going (a int)")}, {q("prepare a as select * from going")}, {q("prepare b as select 1")}, {q("drop table going")}, {q("execute b" + strings.Repeat(" ", 200_000))}, {q("selec")}, {q("execute a")}, {q("execute b")},
	}},
	{"PREPARE of a table that goes", []messages{
		{q("create table going (a int)")}, {q("prepare a as select * from going")}, {q("execute a")}, {q("drop table going")}, {q("execute a")}, {q("begin")}, {q("execute a")}, {q("rollback")},
		{q("deallocate a")}, {q("execute a")},
	}},
	{"PREPARE of what sets", []messages{
		{q("prepare a (text) as select set_config('work_mem', $1, false)")}, {q("execute a('9MB')")}, {q("show work_mem")}, {q("show work_mem")}, {q("reset work_mem")}, {q("execute a('8MB')")}, {q("show work_mem")},
	}},
	{"CREATE TABLE AS EXECUTE", []messages{
		{q("prepare a as select 42 as n")}, {q("create table made as execute a")}, {q("select * from made")}, {q("explain (costs off, analyze false) execute a")}, {q("explain (costs off) create table as_ as execute a")}, {q("drop table made")},
	}},
	{"a transaction in prepared statements", []messages{
		{parseAs("begin", "begin"), parseAs("one", "select 1"), parseAs("end", "commit"), syncs()}, runs("begin"), runs("one"), runs("end"), runs("end"),
	}},
	{"settings decide what a text means", []messages{
		{parseAs("a", "select '2/1/2020'::date, 'a\\b'"), syncs()}, runs("a"), {q("set datestyle = 'ISO, DMY'")}, {parseAs("b", "select '2/1/2020'::date, 'a\\b'"), syncs()}, runs("b"),
		{q("set standard_conforming_strings = off")}, {parseAs("c", "select '2/1/2020'::date, 'a\\\\b'"), syncs()}, runs("c"), runs("a"),
	}},
	{"literals are read when they are parsed", []messages{
		{parseAs("a", "select '2/1/2020'::date, '2024-07-01 12:00'::timestamptz"), syncs()}, {q("set datestyle = 'ISO, DMY'; set timezone = 'Asia/Tokyo'")}, runs("a"), runs("a"),
		{q("reset datestyle")}, runs("a"), runs("a"), {q("select '2/1/2020'::date")},
	}},
	{"types of parameters", []messages{
		{&pgproto3.Parse{Name: "i", Query: "select $1", ParameterOIDs: []uint32{23}}, describe("i"), &pgproto3.Parse{Name: "t", Query: "select $1", ParameterOIDs: []uint32{25}}, describe("t"), syncs()},
		runs("i", "1"), runs("t", "x"), runs("i", "x"),
	}},
	{"a long text", []messages{
		{parseAs("a", "select "+strings.Repeat("1+", 20_000)+"1"), syncs()}, runs("a"), runs("a"), {parseAs("a", "select 2"), syncs()}, {closing("a"), syncs()}, runs("a"),
		{parse("select " + strings.Repeat("1+", 20_000) + "2"), describe(""), syncs()}, runs(""),
	}},
}

// A client's prepared statements are its own, on whichever server it is, and
// whatever others have prepared there: the answers are those of a connection of its own.
func TestPreparedStatementsAreTheClientsOwn(t *testing.T) {
	for _, s := range sessions {
		t.Run(s.name, func(t *testing.T) {
			direct := plugInto(t, dialServer(t))
			direct.login("user", "app", "database", "app")
			var want []string
			for _, step := range s.steps {
				want = append(want, direct.converse(step))
			}
			direct.quit()
			w := start(t, size(2))
			client, others := w.dial(), [...]*raw{w.dial(), w.dial()}
			for _, o := range others {
				o.query("begin")
			}
			for i, o := range others {
				for _, name := range []string{"", "a", "b"} {
					o.converse(messages{parseAs(name, fmt.Sprintf("select 'of another, %d'", i)), syncs()})
				}
				o.query("commit")
			}
			for i, step := range s.steps {
				other := others[i%2]
				other.query("begin") // the server that the client had last
				if got := client.converse(step); got != want[i] {
					t.Errorf("step %d:\nis answered  %s\non its own   %s", i+1, got, want[i])
				}
				other.query("commit")
			}
			for i, o := range others {
				if got := o.converse(runs("a")); !strings.Contains(got, fmt.Sprintf("of_another,_%d", i)) {
					t.Errorf("another client's statement: %s", got)
				}
			}
		})
	}
}

// converse sends messages at once and returns the answers, with the texts of errors.
func (r *raw) converse(step messages) string {
	r.t.Helper()
	r.send(step...)
	var words []string
	for range step {
		if m := step[0]; !endsGroup(m) {
			step = step[1:]
			continue
		}
		step = step[1:]
		for {
			m := r.receive()
			if e, ok := m.(*pgproto3.ErrorResponse); ok {
				words = append(words, fmt.Sprintf("E(%s %s)", e.Code, e.Message))
				continue
			}
			words = append(words, word(m))
			if _, ok := m.(*pgproto3.ReadyForQuery); ok {
				break
			}
		}
	}
	return strings.Join(words, " ")
}

func endsGroup(m pgproto3.FrontendMessage) bool {
	switch m.(type) {
	case *pgproto3.Sync, *pgproto3.Query:
		return true
	}
	return false
}

// What a client deallocates inside of a block is every client's on that server. It
// is noticed at the latest when one needs it, who may hear of it once.
func TestAStatementThatIsGoneFromItsServerIsMadeAnew(t *testing.T) {
	const missing = "E(26000 prepared statement \"s\" does not exist) Z(I)"
	for name, c := range map[string]struct {
		use  messages
		want []string
	}{
		"with a description": {runs("s"), []string{"2 T D(7) C(SELECT_1) Z(I)"}},
		"without":            {messages{bindTo("s"), execute(), syncs()}, []string{missing, "2 D(7) C(SELECT_1) Z(I)"}},
		"described":          {messages{describe("s"), syncs()}, []string{missing, "t T Z(I)"}},
		"by EXECUTE":         {messages{q("execute s")}, []string{missing, "T D(7) C(SELECT_1) Z(I)"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, size(1))
			a, b := w.dial(), w.dial()
			a.ask("1 Z(I)", parseAs("s", "select 7"), syncs())
			b.ask("C(DO) Z(I)", q("do $$begin execute 'deallocate all'; end$$"))
			for _, want := range append(c.want, c.want[len(c.want)-1]) {
				if got := a.converse(c.use); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		})
	}
}

// A plan whose result has changed is made anew where the client asks for a
// description, in no transaction: it gets that and the result. Else the client, who
// would not know what it is told, hears of it until it prepares the statement again,
// as on a connection of its own.
func TestAStatementWhoseResultHasChangedIsMadeAnew(t *testing.T) {
	w := start(t, size(1))
	c, other := w.dial(), w.dial()
	c.query("create table changing (a int)")
	defer c.query("drop table changing")
	for _, r := range []*raw{c, other} {
		r.ask("1 Z(I)", parseAs("s", "select * from changing"), syncs())
		r.ask("2 C(SELECT_0) Z(I)", bindTo("s"), execute(), syncs())
	}
	change := func(column string) {
		other.query("alter table changing add column " + column + " int")
	}
	change("b")
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
	change("c")
	if got := c.converse(messages{bindTo("s"), execute(), syncs()}); got != "E(0A000 cached plan must not change result type) Z(I)" {
		t.Errorf("without a description: %s", got)
	}
	c.ask("E(ERROR_0A000) Z(I)", bindTo("s"), execute(), syncs())
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
	change("d")
	c.query("begin")
	if got := c.converse(runs("s")); got != "E(0A000 cached plan must not change result type) Z(E)" {
		t.Errorf("in a transaction: %s", got)
	}
	c.query("rollback")
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
	change("e")
	c.ask("3 1 Z(I)", closing("s"), parseAs("s", "select * from changing"), syncs())
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
	change("f")
	c.send(append(runs("s"), runs("s")...)...)
	c.expect("E(ERROR_0A000) Z(I)")
	c.expect("E(ERROR_0A000) Z(I)")
	c.ask("2 T C(SELECT_0) Z(I)", runs("s")...)
}

// pgx with its cache of prepared statements: many connections, two servers.
func TestADriversCacheOfStatementsWorks(t *testing.T) {
	w := start(t, size(2), loops(2))
	ctx := bounded(t)
	var conns []*pgx.Conn
	for range 6 {
		conns = append(conns, w.pgx("default_query_exec_mode=cache_statement"))
	}
	for round := range 20 {
		for i, conn := range conns {
			var got, n int
			if err := conn.QueryRow(ctx, "select $1::int * 2", round*i).Scan(&got); err != nil || got != round*i*2 {
				t.Fatalf("round %d, client %d: %d, %v", round, i, got, err)
			}
			if err := conn.QueryRow(ctx, fmt.Sprintf("select %d + $1::int", i), round).Scan(&n); err != nil || n != i+round {
				t.Fatalf("round %d, client %d: %d, %v", round, i, n, err)
			}
		}
	}
}

// A server that is lost takes no statement with it.
func TestPreparedStatementsOutliveTheirServer(t *testing.T) {
	w := start(t, size(1))
	c := w.dial()
	c.ask("1 Z(I)", parseAs("s", "select 'still here'"), syncs())
	for range 3 {
		superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'")
		eventually(t, "the statement runs on another server", func() bool { return strings.Contains(c.converse(runs("s")), "D(still_here)") })
	}
}

// A Describe and a row have the same letter; rows are passed on unread.
func TestDescribesInARowAreEachOfTheirOwnStatement(t *testing.T) {
	w := start(t, size(1))
	c := w.dial()
	c.converse(messages{parseAs("a", "select 1"), parseAs("b", "select 'x'::text"), syncs()})
	const want = "t T t T t T Z(I)"
	if got := c.converse(messages{describe("a"), describe("b"), describe("a"), syncs()}); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
