package proxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// killBackend has the real server end one of its processes, and returns when
// it is gone.
func killBackend(t *testing.T, pid string) {
	t.Helper()
	superuser(t, "select pg_terminate_backend("+pid+")")
	eventually(t, "the backend is gone", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where pid = "+pid) == "0"
	})
}

// noServerLeft waits until the pool knows, too: the kernel may tell it later than PostgreSQL tells us.
func (w *world) noServerLeft() {
	w.t.Helper()
	eventually(w.t, "no server left", func() bool {
		s := w.pools.States()[0]
		return s.ServersIdle+s.ServersActive == 0
	})
}

// asleep waits until a backend sleeps in a statement.
func asleep(t *testing.T, pid string) {
	t.Helper()
	eventually(t, "asleep", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = "+pid) == "1"
	})
}

func TestIdleClientSeesNothingOfALostServer(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	killBackend(t, pid)
	w.noServerLeft()
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	if r.value("select pg_backend_pid()") == pid {
		t.Error("the same server as before")
	}
}

func TestServerLostWhileIdleInTransaction(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	killBackend(t, r.value("select pg_backend_pid()"))
	r.ask("E(ERROR_08006) Z(E)", q("select 1"))
	r.ask("E(ERROR_25P02) Z(E)", q("select 1"))
	r.ask("E(ERROR_25P02) Z(E)", parse("select 1"), bind(), execute(), syncs())
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1")) // the place in the pool is free
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestServerLostWhileIdleInTransactionByExtendedProtocol(t *testing.T) {
	r := start(t, size(1)).dial()
	r.ask("1 2 C(BEGIN) Z(T)", parse("begin"), bind(), execute(), syncs())
	killBackend(t, r.value("select pg_backend_pid()"))
	r.ask("E(ERROR_08006) Z(E)", parse("select 1"), bind(), execute(), syncs())
	r.ask("1 2 n C(ROLLBACK) Z(I)", parse("rollback"), bind(), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs())
	r.ask("1 2 D(1) C(SELECT_1) Z(I)", parse("select 1"), bind(), execute(), syncs())
}

func TestServerLostInAStatementOfATransaction(t *testing.T) {
	r := start(t, size(1)).dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	killBackend(t, pid)
	r.expect("T E(ERROR_08006) Z(E)")
	r.ask("C(ROLLBACK) Z(I)", q("commit"))
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestServerLostInAPipeline(t *testing.T) {
	r := start(t, size(1)).dial()
	r.ask("C(BEGIN) Z(T)", q("begin"))
	pid := r.value("select pg_backend_pid()")
	r.send(parse("select pg_sleep(60)"), bind(), execute(), syncs(), parse("select 2"), bind(), execute(), syncs())
	asleep(t, pid)
	killBackend(t, pid)
	r.expect("1 2 E(ERROR_08006) Z(E) E(ERROR_25P02) Z(E)")
	r.ask("C(ROLLBACK) Z(I)", q("rollback"))
}

func TestServerLostInAnAutocommitStatementThatItHasAborted(t *testing.T) {
	r := start(t, size(1)).dial()
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	killBackend(t, pid)
	r.expect("E(ERROR_08006) Z(I)")
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

func TestInSessionModeTheServersLastWordGoesToItsClientAsItCame(t *testing.T) {
	r := start(t, mode("session")).dial()
	direct := plugInto(t, dialServer(t))
	direct.login("user", "app")
	var words []string
	for _, one := range []*raw{direct, r} {
		pid := one.value("select pg_backend_pid()")
		killBackend(t, pid) // idle
		words = append(words, one.lastWord())
		one.ended()
	}
	if words[0] != words[1] || !strings.Contains(words[1], "57P01") {
		t.Errorf("PostgreSQL says %q, Portero %q", words[0], words[1])
	}
}

func TestInSessionModeAnIdleClientIsClosedWithItsServer(t *testing.T) {
	f := startFake(t, lying(map[string]func(*fakeConn) bool{
		"die":      func(*fakeConn) bool { return false },
		"die soon": func(c *fakeConn) bool { c.complete("SOON", 'I'); return false },
	}))
	w := startBefore(t, f.address, mode("session"))
	idle := w.dial()
	idle.ask("C(SOON) Z(I)", q("die soon"))
	if m, err := idle.fe.Receive(); err == nil {
		t.Errorf("an idle client is told %s of a server that died without a word", word(m))
	}
	idle.ended()
	busy := w.dial()
	busy.ask("E(FATAL_08006)", q("die"))
	busy.ended()
}

func TestServerLostAmidAResultToAClientThatDoesNotRead(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	r.send(q("select repeat('x', 1000) from generate_series(1, 1000000)"))
	stalledOnClient(t)
	killBackend(t, pid)
	assertLittleCPU(t)
	r.untilError()
}

// pgx closes its connection where a COMMIT fails and a transaction is said to be
// open still (pgx, Tx.Commit). PostgreSQL says that none is, and so do we.
func TestADriversConnectionOutlivesACommitOfUnknownOutcome(t *testing.T) {
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"commit": func(*fakeConn) bool { return false }}))
	conn := startBefore(t, f.address, size(1)).pgx("default_query_exec_mode=simple_protocol")
	ctx := bounded(t)
	tx := must(conn.Begin(ctx))(t)
	err := tx.Commit(ctx)
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != "08007" {
		t.Fatalf("COMMIT: %v", err)
	}
	if conn.IsClosed() {
		t.Fatal("the driver has given its connection up")
	}
	if _, err := conn.Exec(ctx, "select 1"); err != nil {
		t.Errorf("behind it: %v", err)
	}
}
