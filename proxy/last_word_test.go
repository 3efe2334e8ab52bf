package proxy_test

import (
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"portero/internal/lab"
)

// A backend that crashes takes all others along, each of which warns its client
// first (57P02). Who is at work hears that, and what became of its work; who is
// idle hears nothing, and waits for the server to be back.
func TestClientsOfAServerThatCrashes(t *testing.T) {
	sideBySide(t)
	p := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login", "create database app owner app"}})
	w := startBefore(t, p.Address(), size(4))
	idle, inside, failed, working := w.dial(), w.dial(), w.dial(), w.dial()
	idle.ask(answer, q("select 1"))
	inside.ask("C(BEGIN) Z(T)", q("begin"))
	failed.ask("C(BEGIN) Z(T) E(ERROR_22012) Z(E)", q("begin"), q("select 1/0"))
	working.ask("N(00000)", q("do $$ begin raise notice 'at work'; perform pg_sleep(60); end $$"))

	ctx := bounded(t)
	victim := must(pgx.Connect(ctx, p.SuperuserDSN("app")))(t)
	defer victim.Close(ctx)
	if err := syscall.Kill(int(victim.PgConn().PID()), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	working.expect("N(57P02) E(ERROR_08007) Z(I)")
	eventually(t, "all backends are gone", func() bool { // which are told one after the other
		c, err := pgx.Connect(ctx, p.SuperuserDSN("app"))
		if err == nil {
			c.Close(ctx)
		}
		return err == nil
	})
	inside.ask("N(57P02) E(ERROR_08006) Z(E)", q("select 1"))
	inside.ask("C(ROLLBACK) Z(I)", q("rollback"))
	failed.ask("N(57P02) C(ROLLBACK) Z(I)", q("rollback"))
	for _, r := range []*raw{idle, inside, failed, working} {
		r.ask(answer, q("select 1"))
	}
}

// What a client has PostgreSQL end by itself is a loss like another: it hears of
// it when it next asks, and its connection lives.
func TestServersThatEndByTheirClientsTimeouts(t *testing.T) {
	w := start(t, size(1))
	gone := func(pid string) {
		t.Helper()
		eventually(t, "PostgreSQL has ended it", func() bool {
			return superuser(t, "select count(*) from pg_stat_activity where pid = "+pid) == "0"
		})
		w.noServerLeft()
	}
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	r.ask("C(BEGIN) C(SET) Z(T)", q("begin; set local idle_in_transaction_session_timeout = 50"))
	gone(pid) // 25P03
	r.ask("E(ERROR_08006) Z(E)", q("select 1"))
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))

	r.ask("C(SET) Z(I)", q("set idle_session_timeout = '1s'"))
	gone(r.value("select pg_backend_pid()")) // 57P05, with nobody at it
	r.ask("T D(1s) C(SHOW) Z(I)", q("show idle_session_timeout"))
	w.dial().ask("T D(0) C(SHOW) Z(I)", q("show idle_session_timeout"))
}
