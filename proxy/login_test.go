package proxy_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// authBy sets the method and a user file with these lines.
func authBy(t *testing.T, method string, lines ...string) func(*config.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "userlist.txt")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Auth = config.Auth{Method: method, Users: file} }
}

func user(name, secret string) string { return fmt.Sprintf("%q %q", name, secret) }

// storedSecret is what the real server keeps of a user's password.
func storedSecret(t *testing.T, name string) string {
	return superuser(t, "select rolpassword from pg_authid where rolname = $1", name)
}

// sqlState logs in by the driver and returns the error's code, "" for none.
func (w *world) sqlState(user, password string, options ...string) string {
	w.t.Helper()
	ctx := bounded(w.t)
	conn, err := pgx.Connect(ctx, w.dsn(user, password, options...))
	if err == nil {
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "select 1")
	}
	var said *pgconn.PgError
	switch {
	case errors.As(err, &said):
		return said.Code
	case err != nil:
		return err.Error()
	}
	return ""
}

// psql runs psql through the proxy.
func (w *world) psql(env []string, args ...string) (string, error) {
	w.t.Helper()
	host, port, _ := strings.Cut(w.address(), ":")
	cmd := exec.CommandContext(bounded(w.t), "psql", append([]string{"-X", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"}, args...)...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGDATABASE=app", "PGUSER=app")
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func TestLoginByEachMethod(t *testing.T) {
	postgres(t)
	cases := []struct{ name, method, user, secret string }{
		{"password", "password", "clear", "secret"},
		{"password, to a server that wants SCRAM", "password", "scrammer", "secret"},
		{"password against a hash", "password", "hasher", storedSecret(t, "hasher")},
		{"password against a verifier", "password", "scrammer", storedSecret(t, "scrammer")},
		{"md5", "md5", "hasher", "secret"},
		{"md5 against a hash", "md5", "hasher", storedSecret(t, "hasher")},
		{"md5 against a verifier is SCRAM", "md5", "scrammer", storedSecret(t, "scrammer")},
		{"SCRAM", "scram-sha-256", "scrammer", "secret"},
		{"SCRAM passed through", "scram-sha-256", "scrammer", storedSecret(t, "scrammer")},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := start(t, authBy(t, c.method, user(c.user, c.secret), user("other", "x")))
			for range 2 {
				if code := w.sqlState(c.user, "secret"); code != "" {
					t.Errorf("login: %s", code)
				}
			}
			if out, err := w.psql([]string{"PGUSER=" + c.user, "PGPASSWORD=secret"}, "-c", "select current_user"); err != nil || out != c.user {
				t.Errorf("psql: %s, %v", out, err)
			}
			for _, wrong := range [][2]string{{c.user, "wrong"}, {"nobody", "secret"}, {"other", "secret"}} {
				if code := w.sqlState(wrong[0], wrong[1]); code != "28P01" {
					t.Errorf("%s with password %s: %q", wrong[0], wrong[1], code)
				}
			}
		})
	}
}

func TestUnknownUserSeesTheSameExchange(t *testing.T) {
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		w := start(t, authBy(t, method, user("known", "x")))
		var asked []string
		for _, name := range []string{"known", "unknown"} {
			r := w.plug()
			r.startup("user", name)
			asked = append(asked, fmt.Sprintf("%T", r.receive()))
			r.send(&pgproto3.PasswordMessage{Password: "wrong"})
			if method != "scram-sha-256" {
				r.expect("E(FATAL_28P01)")
			}
			r.conn.Close()
		}
		if asked[0] != asked[1] {
			t.Errorf("%s: %v", method, asked)
		}
	}
}

func TestServersRefusalsArePassedOn(t *testing.T) {
	w := start(t, authBy(t, "password", user("clear", "guess"), user("app", "x")))
	if code := w.sqlState("clear", "guess"); code != "28P01" {
		t.Errorf("wrong password on the server: %q", code)
	}
	if code := w.sqlState("app", "x", "dbname=nowhere"); code != "3D000" {
		t.Errorf("no such database: %q", code)
	}
	if code := w.sqlState("app", "x"); code != "" {
		t.Errorf("others: %q", code)
	}
}

func TestVerifierThatTheServerDoesNotHaveGivesAnError(t *testing.T) {
	other := "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + strings.Repeat("A", 43) + "=:" + strings.Repeat("A", 43) + "="
	w := start(t, authBy(t, "scram-sha-256", user("scrammer", other)))
	if code := w.sqlState("scrammer", "secret"); code != "28P01" {
		t.Errorf("%q", code)
	}
}

func TestNoRoute(t *testing.T) {
	w := start(t, func(c *config.Config) { c.Routes[0].Database = "app" })
	r := w.plug()
	r.startup("user", "app", "database", "elsewhere")
	r.expect("E(FATAL_3D000)")
	r.ended()
	w.dial().ask(answer, q("select 1"))
}

func TestRouteNamesTheServersDatabase(t *testing.T) {
	w := start(t, func(c *config.Config) { c.Routes[0].DBName = "app" })
	if got := w.dial("database", "alias").value("select current_database()"); got != "app" {
		t.Error(got)
	}
}

func TestUnixSocketListener(t *testing.T) {
	dir := t.TempDir()
	w := start(t, func(c *config.Config) {
		c.Listeners = append(c.Listeners, config.Listener{Address: "unix:" + dir, TLS: config.ListenerTLS{Mode: "prefer"}})
	})
	if out, err := w.psql([]string{"PGHOST=" + dir, "PGPORT=6432"}, "-c", "select 'unix'"); err != nil || out != "unix" {
		t.Errorf("%s, %v", out, err)
	}
	if want := "unix:" + dir + "/.s.PGSQL.6432"; w.addresses[1] != want {
		t.Errorf("listening on %s, want %s", w.addresses[1], want)
	}
	w.close()
	if _, err := os.Stat(dir + "/.s.PGSQL.6432"); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

// Nothing of what a client sends reaches a server before the client has proved
// who it is: its options cannot work on anything (CVE-2025-12819 in PgBouncer).
func TestNothingReachesAServerBeforeTheClientIsProved(t *testing.T) {
	sideBySide(t)
	f := startFake(t, settingUp((*fakeConn).isSet))
	w := startBefore(t, f.address, authBy(t, "password", user("app", "right")))
	startup := []string{"user", "app", "options", "-c search_path=evil", "application_name", "x", "work_mem", "1"}
	r := w.plug()
	r.startup(startup...)
	r.receive() // asks for a password
	leaves := w.plug()
	leaves.startup(startup...)
	leaves.receive()
	leaves.conn.Close()
	r.ask("E(FATAL_28P01)", &pgproto3.PasswordMessage{Password: "wrong"})
	r.ended()
	eventually(t, "both are gone", func() bool { return w.process.LoginsInFlight.Load() == 0 })
	if n := f.logins.Load(); n != 0 || len(w.pools.States()) != 0 {
		t.Errorf("%d servers were opened, %d pools made", n, len(w.pools.States()))
	}
	proved := w.plug()
	proved.startup(startup...)
	proved.receive()
	proved.send(&pgproto3.PasswordMessage{Password: "right"})
	proved.upToReady()
	if n := f.logins.Load(); n != 1 {
		t.Errorf("%d servers were opened for one who has", n)
	}
}

// A password that has expired is PostgreSQL's to refuse, whenever a server is
// opened: Portero has no query of its own that would have to heed VALID UNTIL.
func TestAnExpiredPasswordOpensNoServer(t *testing.T) {
	onServer(t, "alter role clear valid until '2020-01-01'")
	defer onServer(t, "alter role clear valid until 'infinity'")
	w := start(t, authBy(t, "password", user("clear", "secret")))
	if code := w.sqlState("clear", "secret"); code != "28P01" {
		t.Errorf("refused with %q", code)
	}
}
