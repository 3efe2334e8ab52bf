package proxy_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
	"portero/wire"
)

// stopping is a PostgreSQL of the test's own, in whose function gate a statement
// waits until it is stopped. A gate that was shut before its start is open.
type stopping struct {
	*lab.Postgres
	t *testing.T
}

func startStopping(t *testing.T) *stopping {
	t.Helper()
	return &stopping{t: t, Postgres: lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{
		"create role app login", "create database app owner app",
	}})}
}

// prepare makes what the statements of the test use, and shuts the gate.
func (p *stopping) prepare(setUp ...string) {
	p.t.Helper()
	ctx := bounded(p.t)
	setUp = append([]string{
		"create table gate as select pg_postmaster_start_time() as shut", "create table done (n int)",
		"grant all on all tables in schema public to app",
		"create function gate() returns int language plpgsql as $$ begin" +
			" if (select shut from gate) = pg_postmaster_start_time() then perform pg_sleep(3600); end if; return 1; end $$",
	}, setUp...)
	if err := lab.RunSQL(ctx, p.SuperuserDSN("app"), setUp...); err != nil {
		p.t.Fatal(err)
	}
}

// shut closes the gate, until the server is stopped.
func (p *stopping) shut() {
	p.t.Helper()
	if err := lab.RunSQL(bounded(p.t), p.SuperuserDSN("app"), "update gate set shut = pg_postmaster_start_time()"); err != nil {
		p.t.Fatal(err)
	}
}

// ask has the superuser ask for one value.
func (p *stopping) ask(sql string) (value string) {
	p.t.Helper()
	ctx := bounded(p.t)
	conn := must(pgx.Connect(ctx, p.SuperuserDSN("app")))(p.t)
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "select ("+sql+")::text").Scan(&value); err != nil {
		p.t.Fatal(err)
	}
	return value
}

// await waits until so many backends of app wait for an event.
func (p *stopping) await(event string, n int) {
	p.t.Helper()
	eventually(p.t, event, func() bool {
		return p.ask("select count(*) from pg_stat_activity where usename = 'app' and wait_event = '"+event+"'") == fmt.Sprint(n)
	})
}

func (p *stopping) stop() {
	p.t.Helper()
	if err := p.Stop(bounded(p.t), lab.Fast); err != nil {
		p.t.Fatal(err)
	}
}

func (p *stopping) restart() {
	p.t.Helper()
	p.stop()
	if err := p.Start(bounded(p.t)); err != nil {
		p.t.Fatal(err)
	}
}

// repeated is how many transactions were run again.
func (w *world) repeated() int { return int(w.pools.States()[0].Pool.Totals().Repeated) }

const (
	enter  = "insert into done select gate()"
	atGate = "PgSleep" // the wait_event there
)

func TestWhatAServerHasAbortedAsItShutsDownRunsAgainUnseen(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare()
	w := startBefore(t, p.Address(), size(10))
	var all []*raw
	cases := []struct {
		want string
		ask  messages
	}{
		{"C(INSERT_0_1) Z(I)", messages{q(enter)}},
		{"C(INSERT_0_1) C(INSERT_0_1) Z(I)", messages{q(enter + "; " + enter)}},
		{"T D(1) C(INSERT_0_1) Z(I)", messages{q(enter + " returning n")}},
		{"1 2 C(INSERT_0_1) Z(I)", messages{parse(enter), bind(), execute(), syncs()}},
		{"1 2 C(INSERT_0_1) Z(I)", messages{parseAs("new", enter), bindTo("new"), execute(), syncs()}},
		{"2 n C(INSERT_0_1) Z(I)", runs("old")},
		{"2 n C(BEGIN) 2 C(INSERT_0_1) Z(T)", messages{bindTo("begin"), &pgproto3.Describe{ObjectType: 'P'}, execute(), bindTo("old"), execute(), syncs()}},
	}
	for _, c := range cases {
		r := w.dial("application_name", "again")
		r.ask("1 1 Z(I)", parseAs("old", enter), parseAs("begin", "begin"), syncs())
		r.send(c.ask...)
		all = append(all, r)
	}
	p.await(atGate, len(cases))
	p.restart()
	for i, c := range cases {
		all[i].expect(c.want)
		if strings.HasSuffix(c.want, "Z(T)") {
			all[i].ask("C(COMMIT) Z(I)", q("commit"))
		}
		all[i].ask("2 n C(INSERT_0_1) Z(I)", runs("old")...)
	}
	all[4].ask("2 n C(INSERT_0_1) Z(I)", runs("new")...)
	all[0].ask("T D(again) C(SHOW) Z(I)", q("show application_name"))
	if got, want := p.ask("select count(*) from done"), fmt.Sprint(2*len(cases)+2); got != want {
		t.Errorf("%s rows, not %s", got, want)
	}
	if n := w.repeated(); n != len(cases) {
		t.Errorf("%d were run again, not %d", n, len(cases))
	}
}

// A group may come in pieces, and what the client goes on to send is behind it.
func TestWhatCameInPiecesRunsAgainInItsOrder(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare()
	w := startBefore(t, p.Address(), size(10))
	pieces, ahead, long := w.dial(), w.dial(), w.dial()
	pieces.send(parse(enter), bind())
	pieces.send(&pgproto3.Execute{}, &pgproto3.Flush{})
	ahead.send(q(enter))
	long.send(q(enter + " --" + strings.Repeat("-", 8<<10)))
	p.await(atGate, 3)
	p.stop()
	eventually(t, "two wait", func() bool { return w.pools.States()[0].ClientsWaiting == 2 })
	long.expect("E(ERROR_08006) Z(I)")
	pieces.send(syncs(), q("select 2"))
	ahead.send(q("select 3"))
	if err := p.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	pieces.expect("1 2 C(INSERT_0_1) Z(I) T D(2) C(SELECT_1) Z(I)")
	ahead.expect("C(INSERT_0_1) Z(I) T D(3) C(SELECT_1) Z(I)")
	if got := p.ask("select count(*) from done"); got != "2" || w.repeated() != 2 {
		t.Errorf("%s rows, %d were run again", got, w.repeated())
	}
}

// A COPY goes on where it was, and its client hears once that it may begin.
func TestACopyRunsAgainUnseen(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare("create function wait() returns trigger language plpgsql as $$ begin perform gate(); return new; end $$",
		"create table slow (n int)", "create trigger t before insert on slow for each row execute function wait()",
		"grant all on slow to app")
	w := startBefore(t, p.Address(), size(10), func(c *config.Config) { c.Pool.QueryWaitNotify = 0 })
	data := func(s string) *pgproto3.CopyData { return &pgproto3.CopyData{Data: []byte(s)} }
	open, ended, broken, cancelled, long, block := w.dial(), w.dial(), w.dial(), w.dial(), w.dial(), w.dial()
	for _, r := range []*raw{open, broken, cancelled, long} {
		r.ask("G", q("copy done from stdin"))
		r.send(data("1\n"))
	}
	ended.ask("G", q("copy slow from stdin"))
	ended.send(data("2\n"), data("3\n"), &pgproto3.CopyDone{})
	block.ask("C(BEGIN) Z(T)", q("begin"))
	block.ask("G", q("copy done from stdin"))
	for range 9 {
		long.send(data(strings.Repeat("1\n", 500)))
	}
	p.await(atGate, 1)
	p.await("ClientRead", 5)
	p.stop()
	block.expect("E(ERROR_08006) Z(E)")
	long.expect("E(ERROR_08006) Z(I)")
	eventually(t, "four wait", func() bool { return w.pools.States()[0].ClientsWaiting == 4 })
	w.cancel(cancelled)
	cancelled.expect("E(ERROR_57014) Z(I)")
	cancelled.send(data("6\n"), &pgproto3.CopyDone{})
	open.send(data("4\n"), data("5"))
	broken.send(&pgproto3.CopyFail{Message: "no more"})
	if err := p.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	ended.expect("C(COPY_2) Z(I)")
	broken.expect("E(ERROR_57014) Z(I)")
	open.send(data("\n"), &pgproto3.CopyDone{})
	open.expect("C(COPY_3) Z(I)")
	for _, r := range []*raw{open, ended, broken, cancelled, long} {
		r.ask(answer, q("select 1"))
	}
	if got := p.ask("select string_agg(n::text, ' ' order by n) from done") + " " + p.ask("select count(*) from slow"); got != "1 4 5 2" || w.repeated() != 3 {
		t.Errorf("there are %s, %d were run again", got, w.repeated())
	}
}

// What may be durable, what has begun to be answered, and what is in the middle of
// a transaction is told to the client as with any other loss.
func TestWhatAServerThatShutsDownMayHaveDoneIsNotRunAgain(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare()
	w := startBefore(t, p.Address(), size(10))
	cases := []struct {
		begins string // of the answer, before the server stops
		ask    messages
		want   string
	}{
		{"", messages{q("begin; " + enter + "; commit")}, "C(BEGIN) E(ERROR_08007) Z(I)"},
		{"", messages{q("do $$ begin commit; perform gate(); end $$")}, "E(ERROR_08007) Z(I)"},
		{"C(BEGIN) Z(T)", messages{q("begin"), q(enter)}, "E(ERROR_08006) Z(E)"},
		{"T D(10000_bytes)", messages{q("select repeat('x', 10000) from generate_series(1, 2) union all select gate()::text")}, "D(10000_bytes) E(ERROR_08006) Z(I)"},
		{"N(00000)", messages{q("do $$ begin raise notice 'at work'; perform gate(); end $$")}, "E(ERROR_08007) Z(I)"},
		{"", messages{q(enter), q("select 1")}, "E(ERROR_08006) Z(I) E(ERROR_08006) Z(I)"},
	}
	var all []*raw
	for _, c := range cases {
		r := w.dial()
		r.send(c.ask...)
		r.expect(c.begins)
		all = append(all, r)
	}
	p.await(atGate, len(cases))
	p.restart()
	for i, c := range cases {
		all[i].expect(c.want)
	}
	if got := p.ask("select count(*) from done"); got != "0" || w.repeated() != 0 {
		t.Errorf("%s rows, %d were run again", got, w.repeated())
	}
}

// A commit that waits for a standby is durable where it was made: PostgreSQL warns
// of that, and says nothing else.
func TestACommitThatWaitedForAStandbyIsNotRunAgain(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare("alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()")
	w := startBefore(t, p.Address())
	r := w.dial()
	r.send(q("insert into done values (1)"))
	p.await("SyncRep", 1)
	p.restart()
	r.expect("N(57P01) E(ERROR_08007) Z(I)")
	if got := p.ask("select count(*) from done"); got != "1" || w.repeated() != 0 {
		t.Errorf("%s rows, %d were run again", got, w.repeated())
	}
}

// Who ends a backend by hand wants its statement to be gone.
func TestAStatementThatAnOperatorHasEndedIsNotRunAgain(t *testing.T) {
	w := start(t, size(5))
	idle, r := w.dial(), w.dial()
	idle.ask("C(BEGIN) Z(T)", q("begin"))
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	idle.ask("C(ROLLBACK) Z(I)", q("rollback")) // its server is free, and used before
	killBackend(t, pid)
	r.expect("E(ERROR_08006) Z(I)")
	r.ask(answer, q("select 1"))
	if n := superuser(t, "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and usename = 'app'"); n != "0" || w.repeated() != 0 {
		t.Errorf("%s run it, %d were run again", n, w.repeated())
	}
}

func TestACancelRequestEndsTheWaitForAServerThatRunsAgain(t *testing.T) {
	sideBySide(t)
	p := startStopping(t)
	p.prepare()
	w := startBefore(t, p.Address())
	for _, ask := range []messages{{q(enter)}, {parseAs("s", enter), bindTo("s"), execute(), syncs()}} {
		r := w.dial()
		r.send(ask...)
		p.await(atGate, 1)
		p.stop()
		eventually(t, "it waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
		w.cancel(r)
		r.expect("E(ERROR_57014) Z(I)")
		if err := p.Start(bounded(t)); err != nil {
			t.Fatal(err)
		}
		r.ask(answer, q("select 1"))
		r.ask("E(ERROR_26000) Z(I)", runs("s")...)
		if got := p.ask("select count(*) from done"); got != "0" || w.repeated() != 0 {
			t.Errorf("%s rows, %d were run again", got, w.repeated())
		}
		p.shut()
	}
}

// endless is a server that is always about to shut down, each time as another one.
func endless(asked *atomic.Int32) func(*fakeConn, pgproto3.FrontendMessage) bool {
	return func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && strings.HasPrefix(ask.String, "insert") {
			asked.Add(1)
			c.Write(wire.Fatal(wire.AdminShutdown, "terminating connection due to administrator command").Append(nil)) //nolint:errcheck // as say
			return false
		}
		return honest(c, m)
	}
}

func TestAStatementIsRunAgainOnlySoOften(t *testing.T) {
	var asked, starts atomic.Int32
	f := startFake(t, endless(&asked))
	f.started = func() string { return fmt.Sprint(starts.Add(1)) }
	r := startBefore(t, f.address).dial()
	for range 2 {
		asked.Store(0)
		r.ask("E(ERROR_08006) Z(I)", q("insert"))
		if n := asked.Load(); n != 4 {
			t.Errorf("it was run %d times", n)
		}
		r.ask(answer, q("select 1"))
	}
}

// A pool that has a choice of members cannot tell that one of them shuts down, and in
// session mode a client goes with its server.
func TestWhereNothingIsRunAgain(t *testing.T) {
	for name, edit := range map[string]func(*config.Config){
		"role any":     func(c *config.Config) { c.Routes[0].Role = "any" },
		"session mode": mode("session"),
	} {
		t.Run(name, func(t *testing.T) {
			var asked, starts atomic.Int32
			f := startFake(t, endless(&asked))
			f.started = func() string { return fmt.Sprint(starts.Add(1)) }
			r := startBefore(t, f.address, edit).dial()
			r.send(q("insert"))
			if m, ok := r.receive().(*pgproto3.ErrorResponse); !ok || asked.Load() != 1 {
				t.Errorf("%v, run %d times", m, asked.Load())
			}
		})
	}
}
