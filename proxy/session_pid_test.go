package proxy_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

func TestInSessionModeTheProcessIDIsTheServers(t *testing.T) {
	w := start(t, mode("session"), size(3), loops(2))
	for range 3 {
		a, b := w.dial(), w.superuser()
		for _, r := range []*raw{a, b} {
			if got := r.value("select pg_backend_pid()"); got != fmt.Sprint(r.id) {
				t.Errorf("told %d, is %s", r.id, got)
			}
		}
		a.send(q("select pg_sleep(60)"))
		asleep(t, fmt.Sprint(a.id))
		b.ask("T D(t) C(SELECT_1) Z(I)", q(fmt.Sprintf("select pg_cancel_backend(%d)", a.id)))
		a.expect("T E(ERROR_57014) Z(I)")
		b.ask("T D(t) C(SELECT_1) Z(I)", q(fmt.Sprintf("select pg_terminate_backend(%d)", a.id)))
		a.expect("E(FATAL_57P01)")
		a.ended()
		b.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
		b.quit()
	}
}

func TestInSessionModeACancelRequestFindsItsClient(t *testing.T) {
	w := start(t, mode("session"), size(2))
	a, b := w.dial(), w.dial()
	for _, r := range []*raw{a, b} {
		r.send(q("select pg_sleep(60)"))
		asleep(t, fmt.Sprint(r.id))
	}
	w.cancel(&raw{id: a.id, secret: b.secret})
	w.cancel(&raw{id: a.id, secret: []byte{1, 2, 3, 4}})
	w.cancel(&raw{id: a.id, secret: append([]byte{0}, a.secret...)})
	w.cancel(b)
	b.expect("T E(ERROR_57014) Z(I)")
	w.cancel(a)
	a.expect("T E(ERROR_57014) Z(I)")
	gone := *b
	b.quit()
	next := w.dial() // it has the same server
	if next.id != gone.id {
		t.Fatalf("another server")
	}
	next.send(q("select pg_sleep(60)"))
	asleep(t, fmt.Sprint(next.id))
	w.cancel(&gone)
	asleep(t, fmt.Sprint(next.id))
	w.cancel(next)
	next.expect("T E(ERROR_57014) Z(I)")
}

// Servers of two hosts may have one process ID at the same time.
func TestInSessionModeTheSecretTellsClientsOfOneProcessIDApart(t *testing.T) {
	answer := func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && ask.String == "hang" {
			return true
		}
		c.complete("DONE", 'I')
		return true
	}
	east, west := startFake(t, answer), startFake(t, answer)
	w := startBefore(t, east.address, mode("session"), func(c *config.Config) {
		other := c.Clusters[0]
		other.Name, other.Hosts = "west", []string{west.address}
		c.Clusters = append(c.Clusters, other)
		route := c.Routes[0]
		route.Database, route.Cluster = "west", "west"
		c.Routes = append([]config.Route{route}, c.Routes...)
	})
	a, b := w.dial("database", "east"), w.dial("database", "west")
	if a.id != 1 || b.id != 1 {
		t.Fatalf("process IDs %d and %d", a.id, b.id)
	}
	for _, r := range []*raw{a, b} {
		r.send(q("hang"))
	}
	cancelled := func(f *fake, r *raw, n int32) {
		t.Helper()
		eventually(t, "the request has arrived", func() bool { // it may come before the statement
			w.cancel(r)
			return f.cancels.Load() > n
		})
	}
	cancelled(west, b, 0)
	if n := east.cancels.Load(); n != 0 {
		t.Errorf("%d requests have gone to the other host", n)
	}
	before := west.cancels.Load()
	cancelled(east, a, 0)
	if n := west.cancels.Load(); n != before {
		t.Errorf("%d requests have gone to the other host", n-before)
	}
}

// As pgx's own tests do it.
func TestInSessionModeADriverSeesItsServerTerminated(t *testing.T) {
	w := start(t, mode("session"))
	conn, other := w.pgx(), w.superuser()
	other.ask("T D(t) C(SELECT_1) Z(I)", q(fmt.Sprintf("select pg_terminate_backend(%d)", conn.PgConn().PID())))
	_, err := conn.Exec(bounded(t), "select 1")
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != "57P01" {
		t.Errorf("%v", err)
	}
	if !conn.IsClosed() {
		t.Error("the driver takes it for open")
	}
}
