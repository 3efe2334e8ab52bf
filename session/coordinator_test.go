package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// errands are texts, and whether the coordinator is to run them.
var errands = map[string]bool{
	"select 1": false, "insert into t select 1": false, "update t set a = 1": false, "with x as (insert into t values (1) returning a) select * from x": false,
	"copy t from stdin": false, "call p(1)": false, "lock table t": false, "set citus.multi_shard_modify_mode = 'sequential'": false, "": false, " ; ": false,
	"commit": false, "rollback": false, "begin": false, "fetch 1 from c": false, "explain select 1": false, "values ('create table')": false,
	"create table t (a int)": true, "/* x */ CREATE INDEX on t (a)": true, "create or replace view v as select 1": true, "alter table t add b int": true,
	"drop table t": true, "truncate t": true, "grant select on t to x": true, "revoke select on t from x": true, "vacuum t": true, "analyze t": true,
	"reindex table t": true, "comment on table t is 'x'": true, "security label on table t is 'x'": true, "refresh materialized view v": true,
	"do $$ begin end $$": true, "listen a": true, "unlisten *": true, "notify a": true, "commit prepared 'x'": true, "rollback prepared 'x'": true,
	"create temp table t (a int)": false, "create temporary sequence s": false, "create or replace temp view v as select 1": false, "create global temporary table t (a int)": false,
	"select a into b from t": true, "select a into temp b from t": false, "SELECT 1 INTO TEMPORARY TABLE b": false, "create unlogged table t (a int)": true,
	"select create_distributed_table('t', 'a')": true, "SELECT * FROM Citus_Add_Node ('h', 5432)": true, `select pg_catalog."rebalance_table_shards"()`: true,
	"select result from run_command_on_workers($$select 1$$)": true, "select citus_table_size('t')": false, "select my_create_distributed_table('t')": false,
	"call citus_cleanup_orphaned_resources()": true, "select pg_advisory_lock(1)": true, "select pg_notify('a', 'b')": true, "select pg_advisory_lock": false,
	"with x as (select 1 as a) select * into t from x": true, "with x as (select 1 as a) select * into temp t from x": false,
	"with x as (select 1) insert into t select * from x": false, "with x as (merge into t using u on true when matched then do nothing returning 1) select * from x": false,
	"select pg_cancel_backend(1)": true, "select pg_terminate_backend(1)": true, "select pg_export_snapshot()": true, "set transaction snapshot '00-1'": true,
	"set transaction read only": false, "select 'into' as a from t": false, "select 1 /* into t */": false, `select "into" from t`: false,
	"explain analyze create table t as select 1": true, "explain (analyze, costs off) create materialized view v as select 1": true,
	"explain analyze select 1 into t": true, "explain analyze create temp table t as select 1": false, "explain (select 1)": false,
	"select pg_advisory_lock /* c */ (1)": true, "select pg_advisory_lock -- c\n(1)": true, "select pg_advisory_lock/* /* a */ b */\n -- (\n (1)": true,
	"select 1; select pg_catalog . \"pg_notify\" /**/ ('a', 'b')": true, "select f /* pg_notify */ (1)": false, "select a / (1)": false,
	"select count\n(*) from t -- pg_notify": false, `select U&"pg_advisory_lock" (1)`: true,
	"set local a.b = '1'; create table t (a int)": true, "select 1; select 2": false, "begin; truncate t; commit": true, "select ';create'; select 1": false,
}

func TestWhatNeedsTheCoordinatorIsKnownByItsText(t *testing.T) {
	for sql, needs := range errands {
		var s Session
		s.Reset(Rest{})
		asked := frameOf(t, &pgproto3.Query{String: sql}).Append(nil)
		if got := s.NeedsCoordinator(asked); got != needs {
			t.Errorf("a Query of %q: %v", sql, got)
		}
		asked = frameOf(t, &pgproto3.Parse{Name: "p", Query: sql}).Append(nil)
		if got := s.NeedsCoordinator(asked); got != needs {
			t.Errorf("a Parse of %q: %v", sql, got)
		}
		for _, m := range []wire.Message{&pgproto3.Parse{Name: "p", Query: sql}, &pgproto3.Sync{}} {
			f := frameOf(t, m)
			s.FromClient(f, true)
			s.Send(f)
		}
		asked = frameOf(t, &pgproto3.Bind{PreparedStatement: "p"}).Append(nil)
		if got := s.NeedsCoordinator(asked); got != needs {
			t.Errorf("a Bind of %q: %v", sql, got)
		}
	}
}

// What a driver sends in one packet, as far as it belongs together.
func TestWhatNeedsTheCoordinatorIsKnownBehindABegin(t *testing.T) {
	for asked, needs := range map[string]bool{
		`Query("begin") Query("create table t (a int)")`:                                              true,
		`Query("begin") Query("select 1") Query("create table t (a int)")`:                            false,
		`Query("select 1") Query("create table t (a int)")`:                                           false,
		`Query("begin") Parse("", "drop table t") Bind Execute Sync`:                                  true,
		`Parse("", "begin") Bind Execute Parse("", "drop table t") Bind Execute Sync`:                 true,
		`Parse("", "select 1") Bind Execute Sync Parse("", "drop table t") Bind Execute Sync`:         false,
		`Parse("", "begin isolation level serializable") Bind Execute Sync Query("truncate t")`:       false, // it is answered first
		`Parse("", "select 1") Bind Execute Parse("", "select pg_notify('a', '')") Bind Execute Sync`: true,
	} {
		var s Session
		s.Reset(Rest{})
		var b []byte
		for _, k := range tokens(t, asked) {
			b = clientFrame(t, k).Append(b)
		}
		if got := s.NeedsCoordinator(b); got != needs {
			t.Errorf("%s: %v", asked, got)
		}
	}
}

func TestToKnowWhatNeedsTheCoordinatorAllocatesNothing(t *testing.T) {
	var s Session
	s.Reset(Rest{})
	asked := frameOf(t, &pgproto3.Query{String: "select a, count(*) from t where lower(b) = $1 and c in (1, 2, 3) group by a"}).Append(nil)
	if n := testing.AllocsPerRun(100, func() { s.NeedsCoordinator(asked) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// refusing is what a node says.
func refusing(message, severity, status string) (b []byte) {
	b = wire.Append(b, &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: "XX000", Message: message})
	if status != "" {
		b = wire.Append(b, &pgproto3.ReadyForQuery{TxStatus: status[0]})
	}
	return b
}

func TestWhatANodeHasRefusedCanBeAskedAgain(t *testing.T) {
	const words = "operation is not allowed on this node"
	for _, c := range []struct {
		name, asked, before string
		end                 []byte
		want                Turn
	}{
		{"a Query", `Query("select f()")`, "", refusing(words, "ERROR", "I"), Turned},
		{"behind rows", `Query("select f()")`, "RowDescription(a) DataRow(1)", refusing(words, "ERROR", "I"), Turned},
		{"of several", `Query("select 1; select f()")`, `RowDescription(a) DataRow(1) CommandComplete("SELECT 1")`, refusing(words, "ERROR", "I"), Turned},
		{"without its end yet", `Query("select f()")`, "", refusing(words, "ERROR", ""), Turning},
		{"a group", `Parse("s", "select f()") Bind("", s) Execute Sync`, "ParseComplete BindComplete", refusing(words, "ERROR", "I"), Turned},
		{"a BEGIN and what follows", `Parse("", "begin") Bind Execute Parse("", "select f()") Bind Execute Sync`,
			`ParseComplete BindComplete CommandComplete("BEGIN") ParseComplete BindComplete`, refusing(words, "ERROR", "E"), Turned},

		{"another error", `Query("select f()")`, "", refusing("operation is not allowed", "ERROR", "I"), NotTurned},
		{"that ends the server", `Query("select f()")`, "", refusing(words, "FATAL", ""), NotTurned},
		{"with a commit before it", `Query("begin; select 1; commit; select f()")`, `CommandComplete("BEGIN")`, refusing(words, "ERROR", "I"), NotTurned},
		{"of what may commit on its way", `Query("call f()")`, "", refusing(words, "ERROR", "I"), NotTurned},
		{"with something behind it", `Query("select f()") Query("select 1")`, "", refusing(words, "ERROR", "I"), NotTurned},
		{"of a lock that stays", `Query("select f(), pg_advisory_lock(1)")`, "", refusing(words, "ERROR", "I"), NotTurned},
		{"of a group that has not ended", `Parse("s", "select f()") Bind("", s) Execute`, "ParseComplete BindComplete", refusing(words, "ERROR", ""), NotTurned},
	} {
		s := having(t, nil, c.asked)
		answer := append(answerOf(t, c.before), c.end...)
		if got, _ := s.TurnedAway(answer, false); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// The server lives on, and what was made there is closed, as nobody knows it any more.
func TestWhatWasMadeWhereItWasRefusedIsClosedThere(t *testing.T) {
	s := &Session{}
	s.Reset(Rest{})
	m := &Memory{}
	s.Serve(serverDefaults, m)
	for _, k := range tokens(t, `Parse("s", "select f()") Bind("", s) Execute Sync`) {
		f := clientFrame(t, k)
		s.FromClient(f, true)
		s.Send(f)
	}
	s.Leave()
	s.TakeBack()
	if m.Len() != 0 || len(m.leftover) != 1 {
		t.Errorf("%d statements, %v to be closed", m.Len(), m.leftover)
	}
	if _, known := s.names.get([]byte("s")); known {
		t.Error("the client has the name")
	}
}

func TestAHintTakesThePlaceOfTheNodes(t *testing.T) {
	for _, hint := range []string{"", "Connect to the coordinator and run it again."} {
		var s Session
		s.Reset(Rest{})
		f := frameOf(t, &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000", Message: "operation is not allowed on this node", Hint: hint, Routine: "EnsureCoordinator"})
		if !s.HintElsewhere(f) {
			t.Fatal("no hint")
		}
		told, _, err := wire.Next(s.Reply)
		if err != nil {
			t.Fatal(err)
		}
		if e := wire.ParseError(told.Body); !strings.Contains(e.Hint, "group = 0") || e.Code != "0A000" || e.Message != "operation is not allowed on this node" {
			t.Errorf("%+v", e)
		}
	}
	var s Session
	if f := frameOf(t, &pgproto3.ErrorResponse{Severity: "ERROR", Message: "another"}); s.HintElsewhere(f) {
		t.Error("it is none")
	}
}
