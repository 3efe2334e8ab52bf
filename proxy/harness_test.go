package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/internal/lab"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/proxy"
)

// patience is how long a test waits for what must come.
const patience = lab.Patience

// realServer is the one of this package's tests.
var realServer = lab.Share(func(ctx context.Context) (*lab.Postgres, error) {
	return lab.StartPostgres(ctx, lab.PostgresOptions{
		TLS:      true,
		HBA:      []string{"host all scrammer 127.0.0.1/32 scram-sha-256", "host all hasher 127.0.0.1/32 md5", "host all clear 127.0.0.1/32 password"},
		Settings: map[string]string{"max_prepared_transactions": "200"},
		SQL: []string{
			"create role app login", "create database app owner app", "create role follower", "grant follower to app",
			"create role lonely login connection limit 1", "create role listener login", "create role cyrillic login", "alter role cyrillic set client_encoding = 'KOI8R'",
			"create role scrammer login password 'secret'", "create role clear login password 'secret'",
			"set password_encryption = 'md5'", "create role hasher login password 'secret'",
		},
	})
})

func TestMain(m *testing.M) {
	lab.SideBySide(4)
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil { // so that the runtime has what it watches sockets with
		_ = l.Close()
	}
	leaked := leaksFromNow(1) // the one by which lab starts programs
	code := m.Run()
	if err := errors.Join(realServer.Close(), publisher.Close(), citusNodes.Close(), leaked()); err != nil {
		fmt.Fprintln(os.Stderr, "at the end:", err)
		code = 1
	}
	os.Exit(code)
}

// postgres is the one real server of this package's tests. User app and
// database app are for all; each of the other users has a login of its own
// kind, with the password "secret".
func postgres(t testing.TB) *lab.Postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	return realServer.ForTest(t)
}

// world is a Portero inside of the test's process.
type world struct {
	t         testing.TB
	cfg       *config.Config
	proxy     *proxy.Proxy
	pools     *pool.Pools
	process   *metrics.Process
	addresses []string
	log       *logged

	fds      int // open before it was
	loops    []*loop.Loop
	clusters map[string]*discovery.Cluster
	closed   sync.Once
}

// start opens a Portero before the real server. It is closed at the end of
// the test, which fails if it leaves goroutines or descriptors behind.
func start(t testing.TB, edits ...func(*config.Config)) *world {
	t.Helper()
	return startBefore(t, postgres(t).Address(), edits...)
}

// startBefore opens a Portero before the server at an address.
func startBefore(t testing.TB, server string, edits ...func(*config.Config)) *world {
	t.Helper()
	cfg := config.NoFile()
	cfg.Loops = 1
	cfg.Listeners[0].Address = "127.0.0.1:0"
	cfg.Clusters[0].Hosts = []string{server}
	cfg.Clusters[0].TLS.Mode = "disable"
	for _, edit := range edits {
		edit(cfg)
	}
	w := &world{t: t, cfg: cfg, process: &metrics.Process{}, log: &logged{}, clusters: make(map[string]*discovery.Cluster)}
	checkLeaks(t)
	w.fds = openFiles()
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.t.Helper()
	report := config.NewReport()
	authenticator := auth.Load(w.cfg, report)
	if err := report.Err(); err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range int(w.cfg.Loops) {
		w.loops = append(w.loops, must(loop.New(i))(w.t))
	}
	for _, c := range w.cfg.Clusters {
		w.clusters[c.Name] = must(discovery.Open(c, log))(w.t)
	}
	w.pools = must(pool.New(w.cfg, 10_000, w.clusters, w.loops, log))(w.t)
	w.proxy = proxy.New(w.cfg, room(w.cfg), w.pools, authenticator, w.loops, w.process, log)
	w.proxy.ByNumber()
	for _, l := range w.loops {
		go l.Run()
	}
	w.addresses = must(w.proxy.Listen(nil))(w.t)
}

// close ends everything, from the top down, and looks at what has gone wrong.
func (w *world) close() {
	w.closed.Do(func() {
		watchdog := time.AfterFunc(patience, func() { panic("Portero does not stop\n" + stacks()) })
		defer watchdog.Stop()
		w.awaitServersFree()
		at, cancel := context.WithCancel(context.Background())
		cancel()
		w.proxy.Shutdown(at)
		w.pools.Close()
		for _, d := range w.clusters {
			d.Close()
		}
		w.awaitServersClosed()
		for _, l := range w.loops {
			l.Stop()
		}
	})
	if n := w.process.Panics.Load(); n != 0 {
		w.t.Errorf("%d panics", n)
	}
	if w.t.Failed() {
		w.t.Logf("log:\n%s", w.log.text())
	}
}

// awaitServersFree waits, if all clients have gone, until none holds a server:
// whatever a client has left open, its server is not lost to the others.
func (w *world) awaitServersFree() {
	if w.t.Failed() {
		return
	}
	var held int
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(time.Millisecond) {
		if held = 0; w.proxy.Clients() > 0 {
			return // the test has not closed them, and Shutdown will
		}
		for _, s := range w.pools.States() {
			held += s.ServersActive
		}
		if held == 0 {
			return
		}
	}
	w.t.Errorf("%d servers are held by clients that have gone", held)
}

// awaitServersClosed waits until the loops have closed the servers' sockets: they have none,
// or, if nobody else opens any, there are only the loops' own two each beyond those of before.
func (w *world) awaitServersClosed() {
	alone := !isBeside(w.t)
	for end := time.Now().Add(10 * time.Second); w.sockets() > 0 && time.Now().Before(end); {
		if alone && openFiles() <= w.fds+2*len(w.loops) {
			return
		}
		<-time.After(time.Millisecond)
	}
}

// sockets is how many the loops have; one that has moved is still in the list of the loop
// that it was on before.
func (w *world) sockets() int {
	var n atomic.Int32
	for _, l := range w.loops {
		done := make(chan struct{})
		l.Post(func() {
			defer close(done)
			l.Walk(0, math.MaxInt, func(loop.Handler) { n.Add(1) })
		})
		<-done
	}
	return int(n.Load())
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// room is what the configuration asks for, and a few late ones.
func room(c *config.Config) proxy.Room {
	return proxy.Room{Clients: c.Pool.MaxClientConn, Logins: c.Pool.MaxLogins, Late: 16}
}

// Edits of the configuration.

func size(n int) func(*config.Config) {
	return func(c *config.Config) { c.Routes[0].PoolSize = n }
}

func mode(m string) func(*config.Config) {
	return func(c *config.Config) { c.Routes[0].PoolMode = m }
}

func loops(n int) func(*config.Config) {
	return func(c *config.Config) { c.Loops = config.Loops(n) }
}

func limits(edit func(*config.Pool)) func(*config.Config) {
	return func(c *config.Config) { edit(&c.Pool) }
}

func (w *world) address() string { return w.addresses[0] }

// dsn is a connection string of a user through the proxy.
func (w *world) dsn(user, password string, options ...string) string {
	host, port, _ := strings.Cut(w.address(), ":")
	s := fmt.Sprintf("host=%s port=%s user=%s dbname=app sslmode=disable", host, port, user)
	if password != "" {
		s += " password=" + password
	}
	return strings.Join(append([]string{s}, options...), " ")
}

// pgx connects the driver through the proxy.
func (w *world) pgx(options ...string) *pgx.Conn {
	w.t.Helper()
	conn := must(pgx.Connect(bounded(w.t), w.dsn("app", "", options...)))(w.t)
	w.t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// superuser asks the real server itself for one value.
func superuser(t testing.TB, query string, args ...any) string {
	t.Helper()
	ctx := bounded(t)
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")))(t)
	defer conn.Close(ctx)
	var value *string
	if err := conn.QueryRow(ctx, "select ("+query+")::text", args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if value == nil {
		return "NULL"
	}
	return *value
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	lab.Eventually(t, what, func() error {
		if ok() {
			return nil
		}
		return errors.New("not yet")
	})
}

// dialServer connects to the real server itself.
func dialServer(t testing.TB) net.Conn {
	t.Helper()
	return must(net.Dial("tcp", postgres(t).Address()))(t)
}
