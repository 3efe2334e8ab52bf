package session

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/internal/lab"
	"portero/wire"
)

// TestTranscriptsAreTrue plays the transcripts again, with a real server that
// must answer as theirs do, up to what is marked as imagined.
func TestTranscriptsAreTrue(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	server := lab.PostgresForTest(t, lab.PostgresOptions{
		Settings: map[string]string{"timezone": "UTC", "max_prepared_transactions": "5", "lc_messages": "C"},
		SQL: []string{
			"create role app login", "create role other", "grant other to app",
			"create database app owner app",
		},
	})
	for _, file := range transcripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := lab.RunSQL(t.Context(), server.SuperuserDSN("app"), setUp...); err != nil {
				t.Fatal(err)
			}
			real := &realServer{t: t, pg: server}
			defer real.close()
			playTranscript(t, string(text), real)
		})
	}
}

// setUp makes what the transcripts talk about.
var setUp = []string{
	"drop schema public cascade", "create schema public", "grant all on schema public to app",
	"create table t (a int)", "grant all on t to app",
	"create table refusing (a int)", "grant all on refusing to app",
	`create function refuse() returns trigger language plpgsql as $$ begin raise 'refused' using errcode = 'P0001'; end $$`,
	"create trigger refuse before insert on refusing for each statement execute function refuse()",
	"create table parent (a int primary key)", "create table child (a int references parent deferrable initially deferred)",
	"grant all on parent, child to app",
	"create function assign_distributed_transaction_id(int, bigint, timestamptz) returns void language sql as ''",
	"select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'",
}

// realServer is a login on a real server. A nil one agrees to everything.
type realServer struct {
	t    testing.TB
	pg   *lab.Postgres
	conn net.Conn
	in   *wire.Stream
}

func (r *realServer) open() {
	conn, err := net.Dial("tcp", r.pg.Address())
	if err != nil {
		r.t.Fatal(err)
	}
	r.conn, r.in = conn, wire.NewStream(conn)
	hello := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app", "database": "app"}}
	if err := r.in.Write(hello); err != nil {
		r.t.Fatal(err)
	}
	for r.read().Type != 'Z' {
	}
}

func (r *realServer) send(f wire.Frame) {
	if r == nil {
		return
	}
	if r.conn == nil {
		r.open()
	}
	if _, err := r.conn.Write(append(header(f.Type, len(f.Body)), f.Body...)); err != nil {
		r.t.Fatal(err)
	}
}

func (r *realServer) read() wire.Frame {
	r.conn.SetReadDeadline(time.Now().Add(lab.Patience)) //nolint:errcheck // the read says it
	f, err := r.in.Read(1 << 20)
	if err != nil {
		r.t.Fatalf("the real server: %v", err)
	}
	return f
}

// expect reads one message. A 57P01 must be provoked first.
func (r *realServer) expect(want string) {
	if r == nil {
		return
	}
	r.t.Helper()
	if strings.Contains(want, "57P01") {
		r.terminate()
	}
	if got := answerText(r.t, r.read(), false); got != want {
		r.t.Fatalf("the real server says %s, the transcript has it say %s", got, want)
	}
}

func (r *realServer) terminate() {
	if r.conn == nil {
		r.open()
	}
	if err := lab.RunSQL(r.t.Context(), r.pg.SuperuserDSN("app"), "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"); err != nil {
		r.t.Fatal(err)
	}
}

// silent checks that the server has said all it had to say.
func (r *realServer) silent() {
	if r == nil || r.conn == nil {
		return
	}
	r.conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond)) //nolint:errcheck // the read says it
	if f, err := r.in.Read(1 << 20); err == nil {
		r.t.Fatalf("the real server has more to say: %s", answerText(r.t, f, false))
	}
}

func (r *realServer) close() {
	if r != nil && r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

func header(t byte, size int) []byte {
	n := size + 4
	return []byte{t, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}
}
