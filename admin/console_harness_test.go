package admin

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/proxy"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// desk is a console behind a real proxy, whose servers are out of reach. User dba is an admin,
// user monitor may look.
type desk struct {
	t       *testing.T
	address string // by TCP
	folder  string // of the Unix socket
	console *Console
	proxy   *proxy.Proxy
	log     *lines
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(what string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), what)
}

// openDesk opens a console for a test. Room for clients, logins and consoles is small.
func openDesk(t *testing.T, o ConsoleOptions) *desk {
	t.Helper()
	cfg := config.NoFile()
	d := &desk{t: t, folder: t.TempDir(), log: &lines{}}
	cfg.Listeners = []config.Listener{{Address: "127.0.0.1:0"}, {Address: "unix:" + d.folder}}
	cfg.Clusters[0].Hosts = []string{"127.0.0.1:1"}
	cfg.Admin.Users, cfg.Admin.StatsUsers = []string{"dba"}, []string{"monitor"}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	o.Log = log
	loops := []*loop.Loop{orFail(loop.New(0))(t)}
	report := config.NewReport()
	authenticator := auth.Load(cfg, report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
	cluster := orFail(discovery.Open(cfg.Clusters[0], log))(t)
	pools := orFail(pool.New(cfg, 10, map[string]*discovery.Cluster{"local": cluster}, loops, log))(t)
	d.proxy = proxy.New(cfg, proxy.Room{Clients: 2, Logins: 2, Late: 2, Consoles: 4}, pools, authenticator, loops, &metrics.Process{}, log)
	d.console = NewConsole(o)
	d.console.Start()
	d.proxy.Console = d.console.Serve
	go loops[0].Run()
	d.address = orFail(d.proxy.Listen(nil))(t)[0]
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		d.proxy.Shutdown(now)
		d.console.Close()
		pools.Close()
		cluster.Close()
		loops[0].Stop()
	})
	return d
}

func orFail[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func inTimeFor(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// seat is a client of the console.
type seat struct {
	*pgconn.PgConn
	t       *testing.T
	notices []*pgconn.Notice
}

func (d *desk) dsn(user string) string {
	host, port, _ := net.SplitHostPort(d.address)
	return fmt.Sprintf("host=%s port=%s user=%s dbname=pgbouncer sslmode=disable application_name=test", host, port, user)
}

// sit connects by a connection string.
func sit(t *testing.T, dsn string) (*seat, error) {
	s := &seat{t: t}
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { s.notices = append(s.notices, n) }
	s.PgConn, err = pgconn.ConnectConfig(inTimeFor(t), cfg)
	if err == nil {
		t.Cleanup(func() { s.Close(context.Background()) })
	}
	return s, err
}

func (d *desk) sit(user string) *seat {
	d.t.Helper()
	return orFail(sit(d.t, d.dsn(user)))(d.t)
}

// ask sends one text. rows are the values with | between them, NULL for NULL.
func (s *seat) ask(text string) (names []string, fields []pgconn.FieldDescription, rows []string, tag string, err error) {
	reader := s.Exec(inTimeFor(s.t), text)
	for reader.NextResult() {
		r := reader.ResultReader()
		for _, f := range r.FieldDescriptions() {
			names, fields = append(names, f.Name), append(fields, f)
		}
		for r.NextRow() {
			var values []string
			for _, v := range r.Values() {
				if v == nil {
					values = append(values, "NULL")
				} else {
					values = append(values, string(v))
				}
			}
			rows = append(rows, strings.Join(values, "|"))
		}
		done, _ := r.Close()
		tag = done.String()
	}
	return names, fields, rows, tag, reader.Close()
}

// rows are those of a SHOW command.
func (s *seat) rows(text string) []string {
	s.t.Helper()
	_, _, rows, tag, err := s.ask(text)
	if err != nil || tag != "SHOW" {
		s.t.Fatalf("%s: %q, %v", text, tag, err)
	}
	return rows
}

// says compares what a command answers: its tag, or "ERROR code message".
func (s *seat) says(text, want string) {
	s.t.Helper()
	_, _, _, got, err := s.ask(text)
	if err != nil {
		got = inWords(err)
	}
	if got != want {
		s.t.Errorf("%s: %s\nwant %s", text, got, want)
	}
}

func inWords(err error) string {
	if e, ok := err.(*pgconn.PgError); ok {
		return e.Severity + " " + e.Code + " " + e.Message
	}
	return err.Error()
}

// frontend speaks the protocol by hand.
func (d *desk) frontend(user string) *pgproto3.Frontend {
	d.t.Helper()
	conn := orFail(net.Dial("tcp", d.address))(d.t)
	d.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // of an open connection
	f := pgproto3.NewFrontend(conn, conn)
	f.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": user, "database": "pgbouncer"}})
	if err := f.Flush(); err != nil {
		d.t.Fatal(err)
	}
	return f
}

// hear is what comes up to ReadyForQuery, or the end of the connection.
func hear(t *testing.T, f *pgproto3.Frontend) (words []string) {
	t.Helper()
	for {
		m, err := f.Receive()
		if err != nil {
			return append(words, "end")
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			return append(words, "Z")
		case *pgproto3.ErrorResponse:
			words = append(words, m.Severity+" "+m.Code+" "+m.Message)
		case *pgproto3.ParameterStatus:
			words = append(words, m.Name+"="+m.Value)
		default:
			words = append(words, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
		}
	}
}

// until polls.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not yet: %s", what)
		}
	}
}

func unixDSN(folder, user string) string {
	return fmt.Sprintf("host=%s port=6432 user=%s dbname=portero", filepath.Clean(folder), user)
}
