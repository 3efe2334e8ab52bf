package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
	"portero/wire"
)

// Whoever may log in may name any database, and under trust any user. None of
// what a client makes up may stay: in memory, in the metrics, or in the way of
// others.

// scrape is the series that Prometheus gets of pools, and the text of all.
func (w *world) scrape() (ofPools int, text string) {
	w.t.Helper()
	c := metrics.NewCollector(w.process, w.pools.States, w.pools.Candidates,
		func() []metrics.GroupState { return nil }, w.proxy.Clients, w.proxy.Routes)
	var b strings.Builder
	for _, f := range must(metrics.NewRegistry("1", c).Gather())(w.t) {
		for _, m := range f.Metric {
			fmt.Fprintln(&b, f.GetName(), m)
		}
		if strings.HasPrefix(f.GetName(), "portero_pool_") {
			ofPools += len(f.Metric)
		}
	}
	return ofPools, b.String()
}

// refusal logs in and returns the error that it is refused with.
func (w *world) refusal(user, database string) *pgconn.PgError {
	w.t.Helper()
	ctx := bounded(w.t)
	conn, err := pgx.Connect(ctx, w.dsn(user, "", "dbname="+database))
	if err == nil {
		conn.Close(ctx)
		w.t.Errorf("%s was let into %s", user, database)
		return &pgconn.PgError{}
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) {
		w.t.Fatalf("%s, %s: %v", user, database, err)
	}
	return said
}

func TestLoginsThatPostgresRefusesLeaveNothing(t *testing.T) {
	sideBySide(t)
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{
		HBA: []string{"host all banned 127.0.0.1/32 reject"},
		SQL: []string{
			"create role app login", "create role banned login", "create role group_only nologin",
			"create database private", "revoke connect on database private from public",
		},
	})
	w := startBefore(t, pg.Address())
	w.pgxTo("postgres")
	before, _ := w.scrape()
	for _, c := range []struct{ user, database, code, message string }{
		{"app", "nowhere", "3D000", `database "nowhere" does not exist`},
		{"nobody", "postgres", "28000", `role "nobody" does not exist`},
		{"group_only", "postgres", "28000", `role "group_only" is not permitted to log in`},
		{"banned", "postgres", "28000", `pg_hba.conf rejects connection for host "127.0.0.1", user "banned", database "postgres", no encryption`},
		{"app", "private", "42501", `permission denied for database "private"`},
	} {
		for range 5 { // by the server, and from memory
			if e := w.refusal(c.user, c.database); e.Code != c.code || e.Message != c.message || e.Severity != "FATAL" {
				t.Errorf("%s, %s: %v", c.user, c.database, e)
			}
		}
		if after, text := w.scrape(); after != before || strings.Contains(text, c.database+`"`) && c.database != "postgres" || strings.Contains(text, c.user+`"`) && c.user != "app" {
			t.Errorf("%s, %s: it is in the metrics", c.user, c.database)
		}
	}
	got := w.pools.Candidates()
	byServer := got.Errors[metrics.ServerLogin]
	if got.Pools != 0 || byServer < 5 || byServer == 25 {
		t.Errorf("%d candidates, %d of 25 clients refused by the server", got.Pools, byServer)
	}
	eventually(t, "the others are counted", func() bool { return w.process.Refused()[metrics.ServerLogin] == 25-byServer })
}

// pgxTo connects the driver to a database through the proxy, as user app.
func (w *world) pgxTo(database string) *pgx.Conn {
	w.t.Helper()
	conn := must(pgx.Connect(bounded(w.t), w.dsn("app", "", "dbname="+database)))(w.t)
	w.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestWhatIsCreatedAfterARefusalIsThereSoon(t *testing.T) {
	sideBySide(t)
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login"}})
	w := startBefore(t, pg.Address())
	w.refusal("app", "shop")
	w.refusal("keeper", "postgres")
	if err := lab.RunSQL(t.Context(), pg.SuperuserDSN("postgres"), "create database shop", "create role keeper login"); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"app", "shop"}, {"keeper", "postgres"}} {
		eventually(t, "let in", func() bool { return w.sqlState(c[0], "", "dbname="+c[1]) == "" })
	}
	if _, text := w.scrape(); !strings.Contains(text, `"shop"`) || !strings.Contains(text, `"keeper"`) {
		t.Error("they have no metrics")
	}
}

// picky is a server that knows user app, and the databases app and late.
type picky struct {
	*fake
	mu     sync.Mutex
	logins map[string]int // that it refused, by database and user
}

func startPicky(t *testing.T) *picky {
	p := &picky{fake: startFake(t, honest), logins: make(map[string]int)}
	p.admit = p.judge
	return p
}

func (p *picky) judge(user, database string) *wire.Error {
	if user == "app" && (database == "app" || database == "late") {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logins[database+" "+user]++
	if user != "app" {
		return wire.Fatal(wire.InvalidAuthorization, "role %q does not exist", user)
	}
	return wire.Fatal(wire.UndefinedDatabase, "database %q does not exist", database)
}

func TestAStormOfInventedNamesLeavesNothingBehind(t *testing.T) {
	p := startPicky(t)
	w := startBefore(t, p.address, loops(2), limits(func(l *config.Pool) { l.MaxPools = 100 }))
	bystander := w.dial()
	bystander.ask(answer, q("select 1"))
	series, _ := w.scrape()
	before := w.heap()

	const names, attackers = 5000, 50
	next := make(chan int)
	var running sync.WaitGroup
	for range attackers {
		running.Go(func() {
			for i := range next {
				user, database := "app", fmt.Sprintf("no_such_database_%d", i)
				if i%2 == 0 {
					user, database = fmt.Sprintf("no_such_user_%d", i), "app"
				}
				if code := knock(w.address(), user, database); code != "28000" && code != "3D000" {
					t.Errorf("%s, %s: %s", user, database, code)
				}
			}
		})
	}
	most := 0
	for i := range names {
		next <- i
		if i%100 == 0 {
			bystander.conn.SetDeadline(time.Now().Add(patience)) // the whole may take longer
			bystander.ask(answer, q("select 1"))
			n, _ := w.scrape()
			most = max(most, n)
		}
		if i == names/2 { // a pool that is new, and real
			late := w.dial("database", "late")
			late.ask(answer, q("select 1"))
			late.quit()
		}
	}
	close(next)
	running.Wait()
	eventually(t, "only the bystander is left", func() bool { return w.proxy.Clients() == 1 })
	if most > 2*series {
		t.Errorf("%d series during it, %d for one pool", most, series)
	}
	if after, text := w.scrape(); after != 2*series || strings.Contains(text, "no_such") {
		t.Errorf("%d series after it, want %d", after, 2*series)
	}
	eventually(t, "nothing is opened", func() bool { return w.pools.Candidates().Pools == 0 })
	if grown := int64(w.heap()) - int64(before); grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes, %d a name", grown, grown/names)
	} else {
		t.Logf("the heap has grown by %d bytes", grown)
	}
}

// An application that is given a wrong name asks again and again.
func TestAStormForOneNameIsNotPassedOn(t *testing.T) {
	p := startPicky(t)
	w := startBefore(t, p.address)
	const clients = 500
	began := time.Now()
	for range clients {
		if code := knock(w.address(), "app", "typo"); code != "3D000" {
			t.Fatal(code)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if most := 1 + int(time.Since(began)/(2*time.Second)); p.logins["typo app"] > most {
		t.Errorf("%d logins at the server for %d clients, at most %d", p.logins["typo app"], clients, most)
	}
}

func TestTooManyPools(t *testing.T) {
	sideBySide(t)
	p := startPicky(t)
	w := startBefore(t, p.address, limits(func(l *config.Pool) { l.MaxPools = 1 }))
	w.dial().ask(answer, q("select 1"))
	r := w.plug()
	r.startup("user", "app", "database", "late")
	r.expect("R E(FATAL_53300)")
	r.ended()
	eventually(t, "counted", func() bool { return w.process.Refused()[metrics.TooManyPools] == 1 })
	w.dial().ask(answer, q("select 1"))
}

// knock logs in and returns the code that it is refused with.
func knock(address, user, database string) string {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * patience))
	fe := pgproto3.NewFrontend(conn, conn)
	fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": database}})
	fe.Flush() //nolint:errcheck // Receive says it again
	for {
		m, err := fe.Receive()
		switch m := m.(type) {
		case *pgproto3.ErrorResponse:
			io.Copy(io.Discard, conn) //nolint:errcheck // to the end
			return m.Code
		case *pgproto3.ReadyForQuery:
			return "let in"
		}
		if err != nil {
			return err.Error()
		}
	}
}

// heap is what lives after a collection, without what the test keeps of the log.
func (w *world) heap() uint64 {
	w.log.forget()
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
