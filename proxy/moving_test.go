package proxy_test

import (
	"testing"
	"time"

	"portero/config"
)

// moves begins a transaction at a node, and has it wait for the coordinator, which has no leader.
func (s *spread) moves(t *testing.T, r *raw, statement string) {
	t.Helper()
	r.query("notify a") // the coordinator has let it in
	s.put(t, 0, "leader", "")
	s.awaitLeaders(t, 1, 2)
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q(statement))
}

// goesOnAsFailed has a client go on that was told of an error in its block.
func (s *spread) goesOnAsFailed(t *testing.T, r *raw) {
	t.Helper()
	r.ask("E(ERROR_25P02) Z(E)", q("insert into rows values (default, 'by itself')"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	if n := r.value("select count(*) from rows"); n != "0" {
		t.Errorf("%s rows were committed by themselves", n)
	}
	s.put(t, 0, "leader", "m")
	s.awaitLeaders(t, 0, 1, 2)
	r.ask("C(BEGIN) Z(T)", q("begin"))
	r.ask("C(CREATE_TABLE) Z(T)", q("create table made (x int)")) // and is cancelled no more
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
}

func TestACancelRequestWhileATransactionIsMovedFailsItsBlock(t *testing.T) {
	for _, statement := range []string{"create table made (x int)", made} { // recognised, and refused by the node
		s := startSpread(t, over(1, 2))
		r := s.dial()
		s.moves(t, r, statement)
		eventually(t, "it waits", func() bool { return s.waiting() == 1 })
		s.cancel(r)
		r.expect("E(ERROR_57014) Z(E)")
		s.goesOnAsFailed(t, r)
	}
}

func TestAWaitThatIsTooLongWhileATransactionIsMovedFailsItsBlock(t *testing.T) {
	for _, statement := range []string{"create table made (x int)", made} {
		s := startSpread(t, over(1, 2), func(c *config.Config) { c.Pool.QueryWaitTimeout = 500 * time.Millisecond })
		r := s.dial()
		s.moves(t, r, statement)
		r.expect("E(ERROR_08006) Z(E)")
		s.goesOnAsFailed(t, r)
	}
}
