package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

func route(edit func(*config.Route)) func(*config.Config) {
	return func(c *config.Config) { edit(&c.Routes[0]) }
}

func pinPolicy(p string) func(*config.Config) {
	return route(func(r *config.Route) { r.PinPolicy = p })
}

// pinned is what the pool says of its pinned clients.
func (w *world) pinned() string {
	var words []string
	for _, s := range w.pools.States() {
		for reason, p := range s.Pins {
			if p.Clients > 0 {
				words = append(words, fmt.Sprintf("%s %d", reason, p.Clients))
			}
		}
	}
	return strings.Join(words, ", ")
}

// holds reports whether a's server is its own: another client, which looks in
// the meantime, gets another.
func holds(a, b *raw) bool {
	a.t.Helper()
	return a.value("select pg_backend_pid()") != b.value("select pg_backend_pid()")
}

// pins are ways to set up what cannot be moved, what shows that it is there, and
// what takes it away.
var pins = []struct{ name, sql, shows, want, free, reason string }{
	{"temporary table", "create temp table mine(i int)", "select count(*) from mine", "0", "drop table mine", "temporary object 1"},
	{"in another way", "select 7 as i into temp mine", "select i from mine", "7", "discard temp", "temporary object 1"},
	{"by its schema", "create table pg_temp.mine(i int)", "select count(*) from mine", "0", "discard all", "temporary object 1"},
	{"by a search_path", "set search_path = pg_temp, public|create table mine(i int)", "select count(*) from mine", "0", "drop table mine", "temporary object 1"},
	{"temporary view", "create or replace temporary view mine as select 5 as i", "select i from mine", "5", "drop view mine", "temporary object 1"},
	{"temporary sequence", "create temp sequence mine", "select nextval('mine')", "1", "drop sequence mine", "temporary object 1"},
	{"temporary function", "create function pg_temp.mine() returns int return 3", "select pg_temp.mine()", "3", "drop function pg_temp.mine()", "temporary object 1"},
	{"temporary type", "create type pg_temp.mine as enum ('a')", "select 'a'::pg_temp.mine", "a", "drop type pg_temp.mine", "temporary object 1"},
	{"temporary, in a block", "begin; create temp table mine(i int); savepoint a; drop table mine; rollback to a; commit", "select count(*) from mine", "0", "begin; drop table mine; commit", "temporary object 1"},
	{"temporary, in a DO", "do $$begin execute 'create temp table mine(i int)'; end$$", "select count(*) from mine", "0", "do $$begin drop table mine; end$$", "temporary object 1"},
	{"held cursor", "declare mine cursor with hold for select 9", "fetch mine", "9", "close mine", "held cursor 1"},
	{"held cursor, in a block", "begin; declare mine cursor with hold for select 9; declare other cursor for select 1; commit", "fetch mine", "9", "close all", "held cursor 1"},
	{"lock", "select pg_advisory_lock(42)", "select 1", "1", "select pg_advisory_unlock(42)", "advisory lock 1"},
	{"lock, rolled back", "begin; select pg_try_advisory_lock(42); rollback", "select 1", "1", "select pg_advisory_unlock_all()", "advisory lock 1"},
	{"lock, failed", "begin; select pg_advisory_lock_shared(1, 2); select 1/0|rollback", "select 1", "1", "discard all", "advisory lock 1"},
	{"PREPARE of such a name", `prepare "mi""ne"(int) as select $1`, `execute "mi""ne"(8)`, "8", `deallocate "mi""ne"`, "prepared statement 1"},
	{"PREPARE, rolled back", `begin; prepare "mi""ne" as select 8; rollback`, `execute "mi""ne"`, "8", "deallocate all", "prepared statement 1"},
}

// A client has on every statement what it has set up before, whoever else works
// in between; it has a server of its own as long as it needs one, and no longer.
func TestWhatCannotBeMovedPinsTheClientUntilItIsGone(t *testing.T) {
	for _, p := range pins {
		t.Run(p.name, func(t *testing.T) {
			w := start(t, size(2))
			a, b, c := w.dial(), w.dial(), w.dial()
			a.run(p.sql)
			eventually(t, "a pin", func() bool { return w.pinned() == p.reason })
			for range 2 {
				if got := a.value(p.shows); got != p.want && p.name != "temporary sequence" {
					t.Errorf("%s: %s, want %s", p.shows, got, p.want)
				}
				if !holds(a, b) {
					t.Error("another client has its server")
				}
				b.run("begin")
				a.run("select 1") // it needs no other
				b.run("commit")
				if p.reason == "held cursor 1" {
					break // it is at its end
				}
			}
			a.run(p.free)
			eventually(t, "no pin", func() bool { return w.pinned() == "" })
			b.run("begin")
			c.run("begin") // needs the other server
			b.run("commit")
			c.run("commit")
			for _, r := range []*raw{b, c} {
				r.run("begin")
				if got := r.value(ownLocks); got != "0" {
					t.Errorf("%s locks are left", got)
				}
			}
		})
	}
}

// What looks like it and does not outlive its transaction costs no server.
func TestWhatEndsWithItsTransactionDoesNotPin(t *testing.T) {
	for _, sql := range []string{
		"begin; create temp table mine(i int); rollback",
		"begin; create temp table mine(i int) on commit drop; commit",
		"begin; create temp table mine(i int); drop table mine; commit",
		"create temp table mine(i int); select 1/0",
		"begin; savepoint a; create temp table mine(i int); rollback to a; commit",
		"begin; select pg_advisory_xact_lock(42); commit",
		"begin; select pg_advisory_lock(42), pg_advisory_unlock(42); commit",
		"begin; declare mine cursor for select 1; commit",
		"begin; declare mine cursor with hold for select 1; rollback",
		"begin; create table t2pc(i int); prepare transaction 'pins'|commit prepared 'pins'|drop table t2pc",
		"prepare mine as select 1; deallocate mine",
		"select 'create temp table'",
		"create temp tabel mine",
	} {
		t.Run(sql, func(t *testing.T) {
			w := start(t, size(1))
			a, b := w.dial(), w.dial()
			a.run(sql)
			if got := b.value("select 1"); got != "1" {
				t.Error(got)
			}
			if w.pinned() != "" {
				t.Errorf("pinned: %s", w.pinned())
			}
		})
	}
}

// ownLocks counts the advisory locks of the server that is asked. Another one, of a test before perhaps,
// may still have some: a backend lets go of them when it has noticed that its client has gone.
const ownLocks = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"

func TestAdvisoryLocksPinUntilTheLastIsLetGo(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	a.run("select pg_advisory_lock(42)|select pg_advisory_lock(42)|select pg_advisory_unlock(42)")
	b.send(q("select pg_try_advisory_lock(42)"))
	a.run("select 1")
	if w.pinned() != "advisory lock 1" {
		t.Errorf("with one of two locks: %s", w.pinned())
	}
	a.run("select pg_advisory_unlock(42)")
	b.expect("T D(t) C(SELECT_1) Z(I)")
}

// A statement prepared in the protocol is looked at when it is run.
func TestPreparedStatementsThatPin(t *testing.T) {
	w := start(t, size(1))
	// Not with a lock that another test may still have, see ownLocks.
	a, b := w.dial(), w.dial()
	a.ask("1 2 D(t) C(SELECT_1) Z(I)", parse("select pg_try_advisory_lock($1::bigint)"), bind("43"), execute(), syncs())
	eventually(t, "a pin", func() bool { return w.pinned() == "advisory lock 1" })
	b.send(q("select 1"))
	a.ask("1 2 D(t) C(SELECT_1) Z(I)", parse("select pg_advisory_unlock($1::bigint)"), bind("43"), execute(), syncs())
	b.expect("T D(1) C(SELECT_1) Z(I)")
	a.ask("1 2 C(CREATE_TABLE) Z(I)", parse("create temp table mine(i int)"), bind(), execute(), syncs())
	eventually(t, "a pin", func() bool { return w.pinned() == "temporary object 1" })
	a.ask("1 2 C(DROP_TABLE) Z(I)", parse("drop table mine"), bind(), execute(), syncs())
	if got := b.value("select 1"); got != "1" {
		t.Error(got)
	}
	a.ask("1 Z(I)", &pgproto3.Parse{Name: "l", Query: "select pg_try_advisory_lock(44)"}, syncs())
	if w.pinned() != "" {
		t.Errorf("only prepared, and pinned: %s", w.pinned())
	}
	a.ask("2 D(t) C(SELECT_1) Z(I)", &pgproto3.Bind{PreparedStatement: "l"}, execute(), syncs())
	eventually(t, "a pin", func() bool { return w.pinned() == "advisory lock 1" })
}

func TestTheNextClientFindsNothingOfAPinnedOne(t *testing.T) {
	for _, sql := range []string{
		"create temp table mine(i int)|set work_mem = '77MB'", "select pg_advisory_lock(42)", "declare mine cursor with hold for select 1", `prepare "mi""ne" as select 1`,
		"load '$libdir/plpgsql'", "select lastval()", "begin; create temp table mine(i int); insert into mine values (1)", "begin; create temp table mine(i int); select 1/0",
	} {
		for _, end := range []string{"in good order", "without a word"} {
			t.Run(sql+" "+end, func(t *testing.T) {
				w := start(t, size(1))
				a := w.dial()
				a.run(sql)
				if end == "in good order" {
					a.quit()
				} else {
					a.conn.Close()
				}
				b := w.dial()
				b.ask("E(ERROR_42P01) Z(I)", q("select * from mine"))
				b.ask("E(ERROR_26000) Z(I)", q("execute mine"))
				b.ask("E(ERROR_34000) Z(I)", q("fetch mine"))
				if got := b.value(ownLocks) + b.value("show work_mem"); got != "04MB" {
					t.Error(got)
				}
				eventually(t, "no pin", func() bool { return w.pinned() == "" })
			})
		}
	}
}

// What DISCARD ALL takes away costs no server.
func TestAPinnedClientsServerIsUsedAgain(t *testing.T) {
	w := start(t, size(1))
	a := w.dial()
	a.run("create temp table mine(i int)")
	pid := a.value("select pg_backend_pid()")
	a.quit()
	if got := w.dial().value("select pg_backend_pid()"); got != pid {
		t.Errorf("server %s, before %s", got, pid)
	}
	b := w.dial()
	b.run("load '$libdir/plpgsql'")
	b.quit()
	if got := w.dial().value("select pg_backend_pid()"); got == pid {
		t.Error("a server that has loaded a library serves on")
	}
}

// A pinned client whose server is lost is told that its session is gone, also
// where it only waits.
func TestAPinnedClientEndsWithItsServer(t *testing.T) {
	w := start(t, size(2))
	for _, sql := range []string{"create temp table mine(i int)", "select pg_advisory_lock(42)", "declare mine cursor with hold for select 1", `prepare "mi""ne" as select 1`, "load '$libdir/plpgsql'"} {
		a := w.dial()
		a.run(sql)
		onServer(t, fmt.Sprintf("select pg_terminate_backend(%s)", a.value("select pg_backend_pid()")))
		a.expect("E(FATAL_08006)")
		a.ended()
	}
	eventually(t, "no pin", func() bool { return w.pinned() == "" })
	a := w.dial()
	a.run("select lastval()")
	pid := a.value("select pg_backend_pid()")
	onServer(t, fmt.Sprintf("select pg_terminate_backend(%s)", pid))
	eventually(t, "another server", func() bool { return w.pinned() == "" })
	a.ask("T E(ERROR_55000) Z(I)", q("select lastval()")) // as in a new session, and no other's number
}

// currval and lastval tell what the client itself has drawn, and never what
// another has.
func TestNumbersOfSequencesAreTheClientsOwn(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	a.run("drop table if exists numbered; create table numbered(id serial, t text)|insert into numbered(t) values ('a')")
	b.ask("T E(ERROR_55000) Z(I)", q("select lastval()"))
	b.ask("C(DISCARD_ALL) Z(I)", q("discard all"))
	a.run("insert into numbered(t) values ('b')")
	b.ask("C(BEGIN) Z(T)", q("begin"))
	b.ask("T E(ERROR_55000) Z(E)", q("select currval('numbered_id_seq')"))
	b.ask("C(ROLLBACK) Z(I) C(DISCARD_ALL) Z(I)", q("rollback"), q("discard all"))
	a.run("insert into numbered(t) values ('c')")
	b.ask("1 2 E(ERROR_55000) Z(I)", parse("select lastval()"), bind(), execute(), syncs())
	b.ask("C(DISCARD_ALL) Z(I) 1 2 C(BEGIN) 1 2 E(ERROR_55000) Z(E)", q("discard all"),
		parse("begin"), bind(), execute(), parse("select lastval()"), bind(), execute(), syncs())
	b.ask("C(ROLLBACK) Z(I) C(DISCARD_ALL) Z(I)", q("rollback"), q("discard all"))
	b.ask("C(BEGIN) Z(T) T E(ERROR_55000) Z(E) C(ROLLBACK) Z(I) C(DISCARD_ALL) Z(I)", // all at once
		q("begin"), q("select lastval()"), q("rollback"), q("discard all"))
	b.ask("C(BEGIN) Z(T) E(ERROR_42704) Z(E) E(ERROR_25P02) Z(E) C(ROLLBACK) Z(I) C(DISCARD_ALL) Z(I)",
		q("begin"), q("set nothing = 1"), q("select lastval()"), q("rollback"), q("discard all"))
	a.run("begin; insert into numbered(t) values ('d')")
	if got := a.value("select lastval()"); got != "4" {
		t.Errorf("in the transaction of the INSERT it is %s", got)
	}
	a.run("commit")
	eventually(t, "a pin", func() bool { return w.pinned() == "sequence value 1" })
	b.send(q("select 1"))
	a.run("insert into numbered(t) values ('e')")
	if got := a.value("select currval('numbered_id_seq')"); got != "5" {
		t.Errorf("in the next transaction it is %s", got)
	}
	a.run("discard sequences")
	b.expect("T D(1) C(SELECT_1) Z(I)")
	a.run("drop table numbered")
}

func TestRefusedStatementsFailAsTheServersOwn(t *testing.T) {
	w := start(t, size(1), pinPolicy("error"))
	a, b := w.dial(), w.dial()
	for _, p := range pins {
		if strings.HasPrefix(p.sql, "begin") || strings.Contains(p.sql, "|") {
			continue
		}
		a.ask("E(ERROR_0A000) Z(I)", q(p.sql))
	}
	a.send(q("select pg_advisory_lock(42)"))
	if got := a.lastWord(); !strings.Contains(got, "advisory lock") || !strings.Contains(got, "Hint:Set pin_policy") {
		t.Error(got)
	}
	a.expect("Z(I)")
	a.ask("E(ERROR_0A000) Z(I)", q("select 1; create temp table mine(i int); select 2"))
	a.ask("E(ERROR_0A000) Z(I)", parse("create temp table mine(i int)"), bind(), &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs())
	a.ask("1 2 D(1) C(SELECT_1) E(ERROR_0A000) Z(I)", parse("select 1"), bind(), execute(), parse("select pg_advisory_lock($1)"), bind("1"), execute(), syncs())
	a.ask("E(ERROR_0A000) Z(I) T D(1) C(SELECT_1) Z(I)", q("load 'x'"), q("select 1"))
	a.ask("C(BEGIN) Z(T)", q("begin"))
	a.ask("E(ERROR_0A000) Z(E)", q("select lastval()"))
	a.ask("E(ERROR_25P02) Z(E)", q("select 1"))
	a.ask("C(ROLLBACK) Z(I)", q("rollback"))
	a.ask("C(BEGIN) Z(T) T D(1) C(SELECT_1) Z(T) E(ERROR_0A000) Z(E) E(ERROR_25P02) Z(E) C(ROLLBACK) Z(I)",
		q("begin"), q("select 1"), q("create temp table x(i int)"), q("select 1"), q("rollback"))
	a.ask("C(BEGIN) Z(T) E(ERROR_0A000) Z(E)", q("begin"), parse("declare c cursor with hold for select 1"), bind(), execute(), syncs())
	a.ask("C(ROLLBACK) Z(I)", q("commit"))
	a.ask("C(BEGIN) C(CREATE_TABLE) C(COMMIT) Z(I)", q("begin; create temp table mine(i int) on commit drop; commit"))
	a.run("begin; select pg_advisory_xact_lock(42); declare c cursor for select 1; commit")
	if got := b.value(ownLocks); got != "0" || w.pinned() != "" {
		t.Errorf("%s locks, pinned: %s", got, w.pinned())
	}
}

// What DISCARD ALL has taken away is made again for those who have prepared it.
func TestStatementsOutliveTheCleaningOfTheirServer(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	b.ask("1 Z(I)", &pgproto3.Parse{Name: "x", Query: "select 5"}, syncs())
	a.run("create temp table mine(i int)")
	a.quit()
	b.ask("2 D(5) C(SELECT_1) Z(I)", &pgproto3.Bind{PreparedStatement: "x"}, execute(), syncs())
}
