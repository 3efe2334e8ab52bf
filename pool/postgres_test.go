package pool

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
	"portero/wire"
)

func realServer(t testing.TB) *lab.Postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	p := sharedPostgres.ForTest(t)
	wait(t, "the last of the tests before", func() error { return until(superuser(t, p, appBackends) == 0) })
	return p
}

// ownServer is one that the test may stop and kill.
func ownServer(t testing.TB) *lab.Postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	return lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login"}})
}

// superuser asks the server past the pool.
func superuser(t testing.TB, p *lab.Postgres, sql string) (n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.SuperuserDSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const appBackends = "select count(*) from pg_stat_activity where usename = 'app'"

func TestPostgresSeesNoMoreServersThanTheSize(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	const size = 4
	p := s.join(size, 0, "leader", "app")
	var all []*client
	for i := range 20 {
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	for i, c := range all {
		c.wait()
		if i == size {
			wait(t, "as many backends as allowed", func() error {
				n := superuser(t, pg, appBackends)
				if n > size {
					t.Fatalf("%d backends, at most %d", n, size)
				}
				return until(n == size)
			})
		}
		if row, err := c.query(fmt.Sprintf("select %d", i)); err != nil || row != fmt.Sprint(i) {
			t.Errorf("%q, %v", row, err)
		}
		c.release()
	}
	wait(t, "balance", p.balanced)
	s.pools.Close()
	wait(t, "all are gone", func() error { return until(superuser(t, pg, appBackends) == 0) })
}

func TestTerminatedBackendsLeaveTheBooksAtOnce(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	p := s.join(3, 0, "leader", "app")
	var all []*client
	for i := range 3 {
		c := s.client(p, i%2)
		c.get()
		all = append(all, c)
	}
	all[0].release()
	all[1].release()
	superuser(t, pg, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'")
	wait(t, "the idle ones are gone", func() error { idle, lent, _ := p.counts(); return until(idle == 0 && lent == 1) })
	if _, err := all[2].query("select 1"); err == nil || !strings.Contains(err.Error(), wire.AdminShutdown) {
		t.Errorf("the lent one: %v", err)
	}
	all[2].discard(metrics.ServerFatal)
	wait(t, "balance", p.balanced)
	for _, c := range all {
		c.get()
		if _, err := c.query("select 1"); err != nil {
			t.Error(err)
		}
	}
	for _, c := range all {
		c.release()
	}
}

func TestLoginErrorsOfPostgresReachTheClientWithTheirSQLSTATE(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	for code, key := range map[string]Key{
		"3D000": {Cluster: "main", Role: "leader", Database: "nowhere", User: "app"},
		"28000": {Cluster: "main", Role: "leader", Database: "postgres", User: "nobody"},
	} {
		p, err := s.pools.Join(key, terms(2, 0), auth.Credentials{})
		if err != nil {
			t.Fatal(err)
		}
		c := s.client(p, 0)
		c.ask()
		if g := within(t, "an error", c.granted); g.err == nil || g.err.Code != code {
			t.Errorf("want %s: %+v", code, g)
		}
	}
}

func TestACancelledStatementIsCancelledAndNotTheNextOne(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	p := s.join(1, 0, "leader", "app")
	c, d := s.client(p, 0), s.client(p, 1)
	for range 30 {
		c.get()
		c.send("select pg_sleep(60)")
		wait(t, "it works", func() error {
			return until(superuser(t, pg, appBackends+" and state = 'active'") == 1)
		})
		if err := c.begin().Send(t.Context()); err != nil {
			t.Fatal(err)
		}
		if a := within(t, "the answer", c.answers); a.err == nil || !strings.Contains(a.err.Error(), wire.QueryCanceled) {
			t.Fatalf("%+v", a)
		}
		// A cancel request that comes too late hits nobody.
		sent := sendIn(t.Context(), c.begin())
		d.ask()
		c.release()
		d.wait()
		if _, err := d.query("select 1"); err != nil {
			t.Errorf("the next statement: %v", err)
		}
		d.release()
		within(t, "Send", sent)
	}
}

// dialUntil dials in a tight loop and tells when the server first let anybody in.
func dialUntil(ctx context.Context, dsn string) <-chan time.Time {
	in := make(chan time.Time, 1)
	go func() {
		for ctx.Err() == nil {
			conn, err := pgx.Connect(ctx, dsn)
			if err == nil {
				in <- time.Now()
				conn.Close(ctx)
				return
			}
		}
	}()
	return in
}

func TestAfterARestartServiceIsBackWhenThePostgresIs(t *testing.T) {
	t.Parallel()
	pg := ownServer(t)
	s := newStage(t, nil, pg.Address())
	p := s.join(5, 2, "leader", "app")
	for _, stop := range []func(){
		func() { pg.Stop(t.Context(), lab.Fast) },
		pg.Kill,
	} {
		var all []*client
		for i := range 10 {
			all = append(all, s.client(p, i%2))
		}
		all[0].get()
		stop()
		if _, err := all[0].query("select 1"); err == nil {
			t.Error("a dead server answered")
		}
		all[0].discard(metrics.ServerLost)
		p.noneIdle(t)
		for _, c := range all {
			c.ask()
		}
		tries := p.Metrics().Totals().Errors[metrics.ServerConnect]
		wait(t, "the slowest pace", func() error {
			return until(p.Metrics().Totals().Errors[metrics.ServerConnect] > tries+15)
		})
		direct := dialUntil(t.Context(), pg.DSN("app", "", "postgres"))
		started := make(chan error, 1)
		go func() { started <- pg.Start(context.Background()) }()
		all[0].wait()
		ours, theirs := time.Now(), within(t, "a direct login", direct)
		t.Logf("%v after the first direct login", ours.Sub(theirs))
		if late := ours.Sub(theirs); late > 10*time.Second {
			t.Errorf("%v late", late)
		}
		if err := within(t, "the start", started); err != nil {
			t.Fatal(err)
		}
		all[0].release()
		for _, c := range all[1:] {
			c.wait()
			c.release()
		}
		wait(t, "balance", p.balanced)
	}
}

// Suspended, the kernel still accepts for it, and nothing is answered.
func TestASuspendedPostgresIsUsedAgainWhenItGoesOn(t *testing.T) {
	t.Parallel()
	pg := ownServer(t)
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = 500 * time.Millisecond }, pg.Address())
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	pg.Suspend()
	c.ask()
	wait(t, "a few attempts", func() error { return until(p.Metrics().Totals().Errors[metrics.ServerConnect] > 2) })
	pg.Resume()
	c.wait()
	if _, err := c.query("select 1"); err != nil {
		t.Error(err)
	}
	c.release()
	wait(t, "balance", p.balanced)
}

func TestServersSpeakTLSWhereItIsAsked(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{TLS: true, Auth: "scram-sha-256", SQL: []string{"create role app login password 'secret'"}})
	for mode, want := range map[string]string{"disable": "f", "prefer": "t", "require": "t"} {
		c := config.Cluster{Name: "main", Discovery: "static", Hosts: []string{pg.Address()}}
		c.TLS.Mode = mode
		s := newStageOf(t, nil, c)
		p, err := s.pools.Join(Key{Cluster: "main", Role: "leader", Database: "postgres", User: "app"}, terms(1, 0), auth.Password("secret"))
		if err != nil {
			t.Fatal(err)
		}
		a, b := s.client(p, 0), s.client(p, 1)
		a.get()
		if row, err := a.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()"); row != want || err != nil {
			t.Errorf("%s: ssl %q, %v", mode, row, err)
		}
		if n, err := a.query("select repeat('x', 5000000)"); len(n) != 5000000 || err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		sent := sendIn(t.Context(), a.begin())
		a.release()
		b.get() // moves it to the other loop
		if err := within(t, "the cancel request", sent); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		if _, err := b.query("select 1"); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		b.release()
		superuser(t, pg, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app'")
		wait(t, "its death is noticed", func() error { idle, _, _ := p.counts(); return until(idle == 0) })
		wait(t, "balance", p.balanced)
	}
}
