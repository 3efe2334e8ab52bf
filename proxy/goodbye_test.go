package proxy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// TestAServerIsFreeAgainWhateverItsClientLeftOpen has clients go away in the
// middle, with a Terminate and without: the pool's only server must be there for
// the next one.
func TestAServerIsFreeAgainWhateverItsClientLeftOpen(t *testing.T) {
	sideBySide(t)
	malformed := []byte("B\x00\x00\x00\x05x") // a Bind without its strings
	cases := []struct {
		name string
		ask  []pgproto3.FrontendMessage
		raw  []byte
		hear string
	}{
		{"COPY from the client", []pgproto3.FrontendMessage{q("copy left_open from stdin")}, nil, "G"},
		{"COPY with data", []pgproto3.FrontendMessage{q("copy left_open from stdin"), &pgproto3.CopyData{Data: []byte("1\n")}}, nil, "G"},
		{"COPY in the extended protocol", []pgproto3.FrontendMessage{parse("copy left_open from stdin"), bind(), execute(), &pgproto3.Flush{}}, nil, "1 2 G"},
		{"COPY in a block", []pgproto3.FrontendMessage{q("begin"), q("copy left_open from stdin")}, nil, "C(BEGIN) Z(T) G"},
		{"an Execute without its Sync", []pgproto3.FrontendMessage{parse("insert into left_open values (7)"), bind(), execute(), &pgproto3.Flush{}}, nil, "1 2 C(INSERT_0_1)"},
		{"an Execute without Flush", []pgproto3.FrontendMessage{parse("insert into left_open values (7)"), bind(), execute()}, nil, ""},
		{"a Parse alone", []pgproto3.FrontendMessage{parse("select 1")}, nil, ""},
		{"a Parse that fails", []pgproto3.FrontendMessage{parse("selec")}, nil, "E(ERROR_42601)"},
		{"a Query behind a Parse that fails", []pgproto3.FrontendMessage{parse("selec"), q("select 1")}, nil, "E(ERROR_42601)"},
		{"a malformed message", nil, malformed, "E(ERROR_08P01)"},
		{"a block", []pgproto3.FrontendMessage{q("begin"), q("insert into left_open values (7)")}, nil, "C(BEGIN) Z(T) C(INSERT_0_1) Z(T)"},
		{"a failed block", []pgproto3.FrontendMessage{q("begin"), q("select 1/0")}, nil, "C(BEGIN) Z(T) E(ERROR_22012) Z(E)"},
		{"a result that it does not read", []pgproto3.FrontendMessage{q("select repeat('x', 1000) from generate_series(1, 100000)")}, nil, ""},
		{"a statement that goes on", []pgproto3.FrontendMessage{q("select pg_sleep(61)")}, nil, ""},
		{"a suspended portal", []pgproto3.FrontendMessage{parse("select generate_series(1, 10)"), bind(), &pgproto3.Execute{MaxRows: 1}, &pgproto3.Flush{}}, nil, "1 2 D(1) s"},
	}
	for _, m := range []string{"transaction", "session"} {
		w := start(t, mode(m), size(1))
		w.once("create table if not exists left_open (a int)")
		for _, c := range cases {
			for _, goodbye := range []bool{true, false} {
				name := strings.Join([]string{m, c.name, map[bool]string{true: "Terminate", false: "closed"}[goodbye]}, "/")
				t.Run(name, func(t *testing.T) {
					r := w.dial()
					r.t = t
					if len(c.ask) > 0 {
						r.send(c.ask...)
					}
					r.sendBytes(c.raw)
					r.expect(c.hear)
					if goodbye {
						r.send(&pgproto3.Terminate{})
					}
					r.conn.Close()
					w.allServersFree()
					next := w.dial()
					if got := next.value("select count(*) from left_open"); got != "0" {
						t.Errorf("%s rows are left", got)
					}
					next.quit()
				})
			}
		}
		superuser(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where query = 'select pg_sleep(61)'")
		w.once("drop table left_open")
		w.close()
	}
}

// A backend that waits does not notice that its client has gone: closing its
// socket alone would let it stay, and the pool open another.
func TestClientsThatLeaveTheirStatementsBehindDoNotOutgrowThePool(t *testing.T) {
	w := start(t, size(1))
	ctx := bounded(t)
	holder := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")))(t)
	defer holder.Close(context.Background())
	must(holder.Exec(ctx, "select pg_advisory_lock(99)"))(t)
	waiting := func() string {
		return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and query = 'select pg_advisory_lock(99)' and state = 'active'")
	}
	for range 8 {
		r := w.dial()
		r.send(q("select pg_advisory_lock(99)"))
		eventually(t, "it waits for the lock", func() bool { return waiting() == "1" })
		r.conn.Close()
		eventually(t, "its backend has ended", func() bool { return waiting() == "0" })
	}
	w.dial().ask(answer, q("select 1"))
}

// What a client has asked for to its end is done although it leaves.
func TestWhatWasAskedBeforeAGoodbyeIsDone(t *testing.T) {
	w := start(t, size(1))
	w.once("create table asked (a int)")
	defer w.once("drop table asked")
	r := w.dial()
	r.send(q("insert into asked select 1 from pg_sleep(0.3)"), &pgproto3.Terminate{})
	r.conn.Close()
	eventually(t, "the row is there", func() bool { return superuser(t, "select count(*) from asked") == "1" })
	w.allServersFree()
}

// once is a client with one query.
func (w *world) once(sql string) {
	w.t.Helper()
	r := w.dial()
	r.query(sql)
	r.quit()
}

// allServersFree waits until no client holds a server.
func (w *world) allServersFree() {
	w.t.Helper()
	eventually(w.t, "no server is held", func() bool {
		for _, s := range w.pools.States() {
			if s.ServersActive > 0 {
				return false
			}
		}
		return true
	})
}

// A side that is closed cannot be told from a connection that is: without a goodbye
// the client has gone, and its statement is cancelled.
func TestAClientThatClosesItsSideWithoutAGoodbyeIsGone(t *testing.T) {
	w := start(t, size(1))
	w.once("create table unasked (a int)")
	defer w.once("drop table unasked")
	r := w.dial()
	pid := r.value("select pg_backend_pid()")
	r.send(q("insert into unasked select 1 from pg_sleep(60)"))
	asleep(t, pid)
	closeWrite(t, r)
	if said := r.lastWords(); said != "" {
		t.Errorf("it was told %s", said)
	}
	if got := w.dial().value("select count(*) from unasked"); got != "0" {
		t.Errorf("%s rows are there", got)
	}
}
