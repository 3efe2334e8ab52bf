package proxy_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

func TestTransactionModeSharesOneServer(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	pid := a.value("select pg_backend_pid()")
	for range 50 {
		if got := b.value("select pg_backend_pid()"); got != pid {
			t.Fatalf("server %s, before %s", got, pid)
		}
		a.ask("C(BEGIN) Z(T)", q("begin"))
		b.send(q("select 1"))
		a.ask("C(COMMIT) Z(I)", q("commit"))
		b.expect("T D(1) C(SELECT_1) Z(I)")
	}
}

func TestStatementModeRefusesTransactionBlocks(t *testing.T) {
	w := start(t, mode("statement"), size(1))
	w.dial().ask("C(BEGIN) Z(T) E(FATAL_0A000)", q("begin"))
	w.dial().ask("1 2 C(BEGIN) Z(T) E(FATAL_0A000)", parse("begin"), bind(), execute(), syncs())
	w.dial().ask("T D(1) C(SELECT_1) T D(2) C(SELECT_1) Z(I)", q("select 1; select 2"))
}

func TestSessionModeKeepsTheServerAndCleansIt(t *testing.T) {
	w := start(t, mode("session"), size(1))
	a := w.dial()
	a.query("set application_name = 'first'")
	a.query("set work_mem = '77MB'; prepare p as select 1")
	a.query("select pg_advisory_lock(42)")
	pid := a.value("select pg_backend_pid()")
	b := w.plug()
	b.startup("user", "app")
	b.expect("R")
	a.quit() // b has waited for it
	for {
		if _, ok := b.receive().(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	if got := b.value("select pg_backend_pid()"); got != pid {
		t.Errorf("server %s, before %s: it should have been cleaned and lent again", got, pid)
	}
	b.ask("E(ERROR_26000) Z(I)", q("execute p"))
	if got := b.value(ownLocks); got != "0" {
		t.Errorf("%s advisory locks are left", got)
	}
	if got := b.value("show work_mem") + b.value("show application_name"); got != "4MB" {
		t.Errorf("settings are left: %s", got)
	}
}

// What PostgreSQL cannot be told to forget is not left to the next client.
func TestSessionModeClosesAServerThatCannotBeCleaned(t *testing.T) {
	w := start(t, mode("session"), size(1))
	const look = "select current_schemas(true)::text || current_setting('app.tenant', true)::text is null, current_schemas(true)::text"
	first := w.dial()
	want := first.query(look)
	first.quit()
	for _, sql := range []string{
		"create temp table mine(i int)", "create temp table mine(i int); drop table mine", "set app.tenant = 'blue'",
		"begin; set local app.tenant = 'blue'; rollback", "select set_config('app.tenant', 'blue', true)",
	} {
		r := w.dial()
		r.query(sql)
		r.quit()
		r = w.dial()
		if got := r.query(look); got != want {
			t.Errorf("after %s: %s, want %s", sql, got, want)
		}
		r.quit()
	}
	r := w.dial()
	r.query("begin")
	r.quit()
	if next := w.dial(); next.id == r.id {
		t.Error("the server of a client that has left in a transaction is lent again")
	}
}

func TestListenInSessionMode(t *testing.T) {
	w := start(t, mode("session"), size(1))
	r := w.dial()
	r.ask("C(LISTEN) Z(I)", q("listen news"))
	superuser(t, "select pg_notify('news', 'x')")
	r.expect("A(news)")
	r.quit()
	next := w.dial()
	if next.id != r.id {
		t.Error("another server")
	}
	superuser(t, "select pg_notify('news', 'x')")
	next.silent()
}

func TestClientThatGoesAwayInATransactionLeavesNothingBehind(t *testing.T) {
	for _, m := range []string{"transaction", "session", "statement"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, mode(m), size(1))
			r := w.dial()
			if m == "statement" {
				r.send(q("begin; select pg_advisory_xact_lock(7)"))
			} else {
				r.query("begin; select pg_advisory_xact_lock(7)")
			}
			r.conn.Close()
			next := w.dial()
			next.ask("T D(0) C(SELECT_1) Z(I)", q(ownLocks))
		})
	}
}

func TestClientThatGoesAwayAmidAStatementFreesItsServer(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.send(q("begin; select pg_sleep(30)"))
	eventually(t, "asleep", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'") == "1"
	})
	r.conn.Close()
	w.dial().ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app' and wait_event = 'PgSleep'")
}

func TestServerOfManyClientsGoesFromOneToTheNextAcrossLoops(t *testing.T) {
	w := start(t, size(1), loops(2))
	var all []*raw
	for range 6 {
		all = append(all, w.dial())
	}
	for range 100 {
		for _, r := range all {
			r.send(q("begin; select 1"), q("select 2"), q("commit"))
		}
		for _, r := range all {
			r.expect("C(BEGIN) T D(1) C(SELECT_1) Z(T) T D(2) C(SELECT_1) Z(T) C(COMMIT) Z(I)")
		}
	}
}
