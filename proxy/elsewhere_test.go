package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

// refused reads a refusal of ours, and returns its hint.
func (r *raw) refused() string {
	r.t.Helper()
	e, ok := r.receive().(*pgproto3.ErrorResponse)
	if !ok || e.Code != "0A000" || !strings.HasPrefix(e.Message, "this has to run on the coordinator") {
		r.t.Fatalf("%+v", e)
	}
	return e.Hint
}

// Migrations of Alembic look at the schema first.
func TestASchemaChangeInTheMiddleOfATransactionIsRefusedWithAHint(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	r.ask("1 Z(I)", parseAs("make", "create table made (x int)"), syncs())
	r.query("prepare locks as select pg_advisory_xact_lock($1)")
	for _, ask := range [][]pgproto3.FrontendMessage{
		{q("create table made (x int)")},
		{parse("create table made (x int)"), bind(), execute(), syncs()},
		{&pgproto3.Bind{PreparedStatement: "make"}, execute(), syncs()},
		{q("select 2; create table made (x int)")},
		{q("select pg_advisory_xact_lock(1)")},
		{q("execute locks(1)")},
	} {
		r.ask("C(BEGIN) Z(T)", q("begin"))
		if at := r.value(whichNode); at == "0" {
			t.Fatal("it is at the coordinator")
		}
		r.send(ask...)
		if hint := r.refused(); !strings.Contains(hint, "first statement") {
			t.Errorf("hint: %s", hint)
		}
		r.expect("Z(E)")
		r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	}
	// At the coordinator it may come at any time.
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.query("select pg_advisory_xact_lock(1)")
	r.ask("C(CREATE_TABLE) Z(T)", q("create table made (x int)"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
}

func TestASchemaChangeOfAClientThatKeepsANodesServerIsRefused(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	r.ask("C(BEGIN) C(DECLARE_CURSOR) C(COMMIT) Z(I)", q("begin; declare kept cursor with hold for select 1; commit"))
	r.send(q("create table made (x int)"))
	if hint := r.refused(); !strings.Contains(hint, "held cursor") {
		t.Errorf("hint: %s", hint)
	}
	r.expect("Z(I)")
	r.ask("C(CLOSE_CURSOR) Z(I)", q("close kept"))
	r.ask("C(CREATE_TABLE) Z(I)", q("create table made (x int)"))
	r.ask("C(DROP_TABLE) Z(I)", q("drop table made"))
}

func TestASchemaChangeBehindAStatementOfANodeRunsOnTheCoordinator(t *testing.T) {
	s := startSpread(t, over(1))
	r := s.dial()
	r.ask("T D(1) C(SELECT_1) Z(I) C(CREATE_TABLE) Z(I)", q(whichNode), q("create table made (x int)"))
	r.ask("C(DROP_TABLE) Z(I)", q("drop table made"))
	for range 20 { // the server may be given back or not yet
		r.ask("T D(1) C(SELECT_1) Z(I)", q(whichNode))
		r.ask("C(CREATE_TABLE) Z(I)", q("create table made (x int)"))
		r.ask("C(DROP_TABLE) Z(I)", q("drop table made"))
	}
}
