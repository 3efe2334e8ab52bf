package session

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/wire"
)

// awayIn is a session in a transaction at another node than the coordinator.
func awayIn(t *testing.T) *Session {
	t.Helper()
	s := &Session{}
	s.Reset(Rest{})
	s.Spread(true)
	s.Away(true)
	s.Serve(serverDefaults, &Memory{})
	s.status, s.now = 'T', block
	return s
}

func TestWhatIsForTheCoordinatorIsRefusedInATransactionElsewhere(t *testing.T) {
	for sql, refuses := range map[string]bool{
		"create table t (a int)": true, "select 1; alter table t add b int": true, "with x as (select 1) select * into t from x": true,
		"explain analyze create table t as select 1": true, "select pg_advisory_xact_lock(1)": true, "do $$ begin end $$": true,
		`select "create_distributed_table" ('t', 'a')`: true, "notify a": true, "select pg_notify /* c */ ('a', 'b')": true, "select pg_try_advisory_lock -- c\n (1)": true, "commit prepared 'x'": true,

		"select 1": false, "create temp table t (a int)": false, "select 'pg_notify(1)'": false, "select 1 -- pg_notify(1)": false,
		"insert into t values ('create table'), ($$create_distributed_table('t')$$)": false, "select 'put into a box'": false,
		"select pg_export_snapshot()": true, "set transaction snapshot '1'": true, "set transaction read only": false, "select pg_cancel_backend(1)": false,
		"unlisten *": false, "select pg_advisory_unlock_all()": false, "analyze t": false, "vacuum t": false, "truncate t": false,
	} {
		for _, m := range []wire.Message{&pgproto3.Query{String: sql}, &pgproto3.Parse{Query: sql}} {
			s := awayIn(t)
			f := frameOf(t, m)
			if v := s.FromClient(f, true); v != Forward {
				t.Fatalf("%q: %v", sql, v)
			}
			edit, _ := s.Send(f)
			if got := strings.Contains(string(edit), refusedPrefix+string(rune(beginsElsewhere))); got != refuses {
				t.Errorf("%c %q: refused %v", f.Type, sql, got)
			}
		}
	}
}

// What the client has made there itself it may change there.
func TestWithATemporaryTableWhatMayBeAboutItIsNotRefused(t *testing.T) {
	for sql, refuses := range map[string]bool{
		"create index on t (a)": false, "create unique index on t (a)": false, "drop table t": false, "alter table t add b int": false, "create table u (a int)": true,
	} {
		s := awayIn(t)
		s.pins = PinTemp
		f := frameOf(t, &pgproto3.Query{String: sql})
		s.FromClient(f, true)
		edit, _ := s.Send(f)
		if got := strings.Contains(string(edit), refusedPrefix); got != refuses {
			t.Errorf("%q: refused %v", sql, got)
		}
	}
}

func TestWhatIsForTheCoordinatorWaitsBehindAStatementElsewhere(t *testing.T) {
	s := awayIn(t)
	s.status, s.now = 'I', idle
	s.FromClient(frameOf(t, &pgproto3.Query{String: "select 1"}), true)
	if v := s.FromClient(frameOf(t, &pgproto3.Query{String: "create table t (a int)"}), true); v != Wait {
		t.Errorf("a CREATE: %v", v)
	}
	if v := s.FromClient(frameOf(t, &pgproto3.Query{String: "select 2"}), true); v != Forward {
		t.Errorf("a SELECT: %v", v)
	}
}

// The text that counts is the one behind the name.
func TestWhatIsExecutedByNameIsKnownByItsText(t *testing.T) {
	for _, c := range []struct {
		made, run string
		needs     bool
	}{
		{`Parse("p", "select pg_advisory_xact_lock($1)") Sync`, "execute p(1)", true},
		{`Query("prepare p as select pg_advisory_xact_lock($1)")`, "execute p(1)", true},
		{`Query("prepare p (numeric(10, 2)) as select 1 into t")`, "execute P (1)", true},
		{`Query("prepare p as select 1 into t")`, "explain analyze execute p", true},
		{`Query("prepare p as select $1")`, "execute p(1)", false},
		{`Query("prepare p as select 1 into t")`, "execute q", false},
	} {
		s := &Session{}
		s.Reset(Rest{})
		s.Serve(serverDefaults, &Memory{})
		for _, k := range tokens(t, c.made) {
			f := clientFrame(t, k)
			s.FromClient(f, true)
			s.Send(f)
		}
		for _, m := range []wire.Message{&pgproto3.Query{String: c.run}, &pgproto3.Parse{Query: c.run}} {
			if got := s.NeedsCoordinator(frameOf(t, m).Append(nil)); got != c.needs {
				t.Errorf("%s, then %s: %v", c.made, c.run, got)
			}
		}
	}
}

// The unnamed statement is the one that is parsed in the same run.
func TestABindBehindAParseDoesNotMeanTheStatementOfBefore(t *testing.T) {
	s := &Session{}
	s.Reset(Rest{})
	for _, m := range []wire.Message{&pgproto3.Parse{Query: "create table t (a int)"}, &pgproto3.Sync{}} {
		f := frameOf(t, m)
		s.FromClient(f, true)
		s.Send(f)
	}
	run := frameOf(t, &pgproto3.Bind{}).Append(nil)
	if !s.NeedsCoordinator(run) {
		t.Error("a Bind alone means it")
	}
	if s.NeedsCoordinator(append(frameOf(t, &pgproto3.Parse{Query: "select 1"}).Append(nil), run...)) {
		t.Error("a Bind behind another Parse does not")
	}
}

func TestTheHintOfARefusalIsAboutATransactionOnlyInOne(t *testing.T) {
	for status, want := range map[byte]string{'T': "The transaction has begun", 'I': "It has run on another node"} {
		s := awayIn(t)
		s.status = status
		s.HintElsewhere(frameOf(t, &pgproto3.ErrorResponse{Severity: "ERROR", Code: "0A000", Message: "operation is not allowed on this node"}))
		told, _, err := wire.Next(s.Reply)
		if err != nil {
			t.Fatal(err)
		}
		if e := wire.ParseError(told.Body); !strings.HasPrefix(e.Hint, want) || !strings.Contains(e.Hint, "group = 0") {
			t.Errorf("%c: %s", status, e.Hint)
		}
	}
}
