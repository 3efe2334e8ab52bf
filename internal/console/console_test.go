package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// realServer is the PostgreSQL of this package's tests.
var realServer = lab.Share(func(ctx context.Context) (*lab.Postgres, error) {
	return lab.StartPostgres(ctx, lab.PostgresOptions{
		Auth: "scram-sha-256",
		SQL:  []string{"create role app login password 'app'", "create database app owner app"},
	})
})

// made is a directory for what is compiled.
var made string

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // what libpq and others would read
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
	var err error
	if made, err = os.MkdirTemp("", "portero-console-"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := errors.Join(realServer.Close(), os.RemoveAll(made)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

var portero = sync.OnceValues(func() (string, error) { return build("portero", ".", "portero/cmd/portero") })

// build compiles a program of the module that is in a directory.
func build(name, dir, path string) (string, error) {
	binary := filepath.Join(made, name)
	cmd := exec.Command("go", "build", "-o", binary, path)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", path, err, out)
	}
	return binary, nil
}

// atConsole is how a client gets to a console as role app, which is an admin there.
type atConsole struct{ host, port string }

func (a atConsole) dsn() string {
	return fmt.Sprintf("host=%s port=%s user=app password=app dbname=pgbouncer sslmode=disable", a.host, a.port)
}

func (a atConsole) url() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword("app", "app"), Host: net.JoinHostPort(a.host, a.port), Path: "/pgbouncer", RawQuery: "sslmode=disable"}
	return u.String()
}

// env is what libpq's clients read.
func (a atConsole) env() []string {
	return append(os.Environ(), "PGHOST="+a.host, "PGPORT="+a.port, "PGUSER=app", "PGPASSWORD=app", "PGDATABASE=pgbouncer", "PGSSLMODE=disable")
}

// run runs one of libpq's clients and returns what it has printed.
func (a atConsole) run(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = a.env()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is run, of which nothing may go wrong.
func (a atConsole) must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := a.run(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// busy is the console of a Portero that has served a client, and has another one in a
// transaction.
func busy(t *testing.T) (atConsole, *lab.Portero) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	binary, err := portero()
	if err != nil {
		t.Fatal(err)
	}
	p := lab.ServingForTest(t, lab.PorteroOptions{
		Program: binary, Operators: "users = [\"app\"]\npgbouncer_metrics = true",
		Config: fmt.Sprintf("[[cluster]]\nname = \"local\"\nhosts = [%q]\n[auth]\nusers = \"userlist.txt\"\n", realServer.ForTest(t).Address()),
	})
	client, err := lab.Dial(t.Context(), p.DSN("app", "app", "app"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.HangUp)
	client.Expect(t, "begin; select 41 + 1", "42")
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		t.Fatal(err)
	}
	return atConsole{host, port}, p
}

// genuine is the console of the PgBouncer of the system.
func genuine(t *testing.T) atConsole {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PgBouncer")
	}
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // where Debian puts daemons
	}
	addresses, err := lab.ReserveAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(addresses[0])
	dir := openDir(t)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	config := write("pgbouncer.ini", fmt.Sprintf("[databases]\napp = host=127.0.0.1 port=1\n[pgbouncer]\nlisten_addr = %s\nlisten_port = %s\nunix_socket_dir =\nauth_type = plain\nauth_file = %s\nadmin_users = app\n",
		host, port, write("users", `"app" "app"`+"\n")))
	cmd := exec.Command(program, "-q", config)
	if os.Getuid() == 0 { // which it refuses to run as
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	runBeside(t, cmd)
	at := atConsole{host, port}
	lab.Eventually(t, "pgbouncer answers", func() error {
		conn, err := pgconn.Connect(t.Context(), at.dsn())
		if err == nil {
			err = conn.Close(t.Context())
		}
		return err
	})
	return at
}

// openDir is a directory that any user can read.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "portero-console-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// runBeside starts a program, which ends with the test.
func runBeside(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}
