package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// moved is how many transactions were moved to the coordinator.
func (s *spread) moved() (n uint64) {
	for _, p := range s.pools.States() {
		if p.Labels.Group == 0 {
			n += p.Totals().Moved
		}
	}
	return n
}

// made is a statement that a worker refuses, and that does not show it.
const made = "select node(), ensure_coordinator() from generate_series(1, 2)"

func TestWhatANodeRefusesRunsOnTheCoordinatorUnseen(t *testing.T) {
	sideBySide(t)
	s := startSpread(t, over(1, 2))
	r := s.dial()
	r.ask("1 Z(I)", parseAs("s", made), syncs())
	const rows = "D(0,1) D(0,1) C(SELECT_2) Z(I)"
	for range 2 {
		r.ask("T "+rows, q(made))
		r.ask("1 2 T "+rows, parse(made), bind(), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs())
		r.ask("2 "+rows, &pgproto3.Bind{PreparedStatement: "s"}, execute(), syncs())
		r.ask("T D(0) C(SELECT_1) T D(1) C(SELECT_1) Z(I)", q("select node(); select ensure_coordinator()"))
		r.ask("1 2 C(BEGIN) 1 2 "+strings.Replace(rows, "Z(I)", "Z(T)", 1), parse("begin"), bind(), execute(), parse(made), bind(), execute(), syncs())
		r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	}
	if n := s.moved(); n != 10 {
		t.Errorf("%d were moved", n)
	}
	if at := visits(r, 4); at["0"] != 0 {
		t.Errorf("the others went there too: %v", at)
	}
	// The servers of the nodes are fit for others, and know what they were asked before.
	for range 4 {
		r.ask("2 "+rows, &pgproto3.Bind{PreparedStatement: "s"}, execute(), syncs())
		other := s.dial()
		other.ask("1 2 "+rows, parseAs("mine", made), &pgproto3.Bind{PreparedStatement: "mine"}, execute(), syncs())
		other.quit()
	}
}

// The servers of the nodes go by another name each time, which they are given with what they refuse.
func TestWhatANodeRefusesUnderANameThatGoesAheadRunsOnTheCoordinatorUnseen(t *testing.T) {
	s := startSpread(t, over(1, 2), size(1))
	clients := []*raw{s.dial("application_name", "a"), s.dial("application_name", "b"), s.dial("application_name", "c")}
	for range 4 {
		for i, c := range clients {
			c.ask("T D(0,1) D(0,1) C(SELECT_2) Z(I)", q(made))
			if got, want := c.value("select current_setting('application_name')"), string(rune('a'+i)); got != want {
				t.Errorf("client %s goes by %s", want, got)
			}
		}
	}
	if n := s.moved(); n != 12 {
		t.Errorf("%d were moved", n)
	}
}

// A statement whose name is given in the group that is refused has that name once.
func TestANameThatWasGivenInWhatANodeRefusesIsGivenOnce(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	r.ask("1 2 D(0,1) D(0,1) C(SELECT_2) Z(I)", parseAs("s", made), &pgproto3.Bind{PreparedStatement: "s"}, execute(), syncs())
	r.ask("E(ERROR_42P05) Z(I)", parseAs("s", "select 1"), syncs())
	r.ask("3 Z(I)", &pgproto3.Close{ObjectType: 'S', Name: "s"}, syncs())
	r.ask("1 2 D(1) C(SELECT_1) Z(I)", parseAs("s", "select 1"), &pgproto3.Bind{PreparedStatement: "s"}, execute(), syncs())
}

// Drivers wait for the answer to their BEGIN.
func TestABeginWhoseFirstStatementNeedsTheCoordinatorIsMovedThere(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	begin := func() {
		r.ask("C(BEGIN) Z(T)", q("begin isolation level serializable"))
	}
	for i, statement := range []string{"create table made (x int)", made} {
		begin()
		r.send(q(statement))
		if i == 0 {
			r.expect("C(CREATE_TABLE) Z(T)")
		} else {
			r.expect("T D(0,1) D(0,1) C(SELECT_2) Z(T)")
		}
		if got := r.value("select node() || current_setting('transaction_isolation')"); got != "0serializable" {
			t.Errorf("%s: it goes on at %s", statement, got)
		}
		r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	}
	r.ask("1 2 C(BEGIN) Z(T)", parse("begin"), bind(), execute(), syncs())
	r.ask("1 2 C(CREATE_TABLE) Z(T)", parse("create table made (x int)"), bind(), execute(), syncs())
	r.ask("1 2 C(COMMIT) Z(I)", parse("commit"), bind(), execute(), syncs())
	r.ask("C(BEGIN) Z(T) 1 2 C(DROP_TABLE) Z(T)", q("begin"), parse("drop table made"), bind(), execute(), syncs())
	r.ask("C(COMMIT) Z(I)", q("commit"))
	if n := s.moved(); n != 3 { // of the last it was seen ahead
		t.Errorf("%d were moved", n)
	}
}

func TestARefusalInTheMiddleOfATransactionHasAHint(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	for _, before := range []string{"insert into rows values (default, 'x')", "select 1"} {
		r.ask("C(BEGIN) Z(T)", q("begin"))
		node := r.value(whichNode)
		r.query(before)
		r.send(q(made))
		e, ok := r.receive().(*pgproto3.ErrorResponse)
		if !ok {
			e, ok = r.receive().(*pgproto3.ErrorResponse) // behind the description
		}
		if !ok || e.Code != "0A000" || !strings.Contains(e.Hint, "group = 0") || e.Message != "operation is not allowed on this node" {
			t.Errorf("node %s: %+v", node, e)
		}
		r.expect("Z(E)")
		r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	}
	// What was committed before it in the same Query stays where it is, and is not done twice.
	r.ask("C(BEGIN) C(INSERT_0_1) C(COMMIT) T E(ERROR_0A000) Z(I)", q("begin; insert into rows values (default, 'twice'); commit; "+strings.Replace(made, "select node(), ", "select ", 1)))
	if s.moved() != 0 {
		t.Error("it was moved")
	}
	s.on(1, "delete from rows")
	s.on(2, "delete from rows")
}

func TestAPreparedTransactionIsRefusedWhereNobodyWouldFindIt(t *testing.T) {
	s := startSpread(t)
	r := s.dial()
	for _, ask := range [][]pgproto3.FrontendMessage{
		{q("prepare transaction 'x'")}, {parse("prepare transaction 'x'"), bind(), execute(), syncs()},
	} {
		r.ask("C(BEGIN) Z(T)", q("begin"))
		r.query("select 1")
		r.ask("E(ERROR_0A000) Z(E)", ask...)
		r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	}
	r.ask("E(ERROR_42704) Z(I)", q("commit prepared 'x'"))
}

// Migrations of Django, Rails and Alembic begin so.
func TestADriversMigrationRunsOnTheCoordinator(t *testing.T) {
	s := startSpread(t, over(1, 2))
	ctx := bounded(t)
	conn := s.pgx()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "create table migrated (id int primary key)"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "insert into migrated values ($1)", 7); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "alter table migrated add note text")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, "drop table migrated"); err != nil {
		t.Fatal(err)
	}
}
