package drivers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"portero/internal/lab"
)

// patience is for one program, all of its clients: a busy machine is slow, not wrong.
const patience = 2 * lab.Patience

// realServer is the PostgreSQL of this package's tests.
var realServer = lab.Share(func(ctx context.Context) (*lab.Postgres, error) {
	return lab.StartPostgres(ctx, lab.PostgresOptions{
		Auth:           "scram-sha-256",
		MaxConnections: 150,
		Settings:       map[string]string{"max_prepared_transactions": "20"},
		SQL: []string{
			"create role app login password 'app'", "create role low", "grant low to app",
			"create database app owner app", "create database dumps owner app",
		},
	})
})

// made is a directory for what is compiled: the program under test, and others.
var made string

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // what libpq and others would read
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			_ = os.Unsetenv(name)
		}
	}
	made = must(os.MkdirTemp("", "portero-drivers-"))
	code := m.Run()
	if err := errors.Join(realServer.Close(), os.RemoveAll(made)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func postgres(t *testing.T) *lab.Postgres {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a PostgreSQL")
	}
	return realServer.ForTest(t)
}

// routes lead to two databases in two pool modes each, all with their own servers. Whoever
// dumps in parallel holds several transactions at once, and so needs several servers.
const routes = `
[log]
connections = false

[[cluster]]
name = "local"
discovery = "static"
hosts = ["%s"]
[cluster.tls]
mode = "disable"

[auth]
method = "scram-sha-256"
users = "userlist.txt"

[[route]]
database = "app_transaction"
dbname = "app"
pool_mode = "transaction"
pool_size = 2

[[route]]
database = "app_session"
dbname = "app"
pool_mode = "session"
pool_size = 40

[[route]]
database = "dumps_transaction"
dbname = "dumps"
pool_mode = "transaction"
pool_size = 10

[[route]]
database = "dumps_session"
dbname = "dumps"
pool_mode = "session"
pool_size = 10
`

// portero compiles the program under test.
var portero = sync.OnceValues(func() (string, error) { return build("portero") })

// build compiles it under a name, with further flags.
func build(name string, flags ...string) (string, error) {
	binary := filepath.Join(made, name)
	args := slices.Concat([]string{"build", "-o", binary}, buildFlags, flags, []string{"portero/cmd/portero"})
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// startPortero starts the program before a server at an address.
func startPortero(t *testing.T, server string) *lab.Portero {
	t.Helper()
	return serve(t, portero, server)
}

// serve starts what has been built.
func serve(t *testing.T, built func() (string, error), server string) *lab.Portero {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return lab.ServingForTest(t, lab.PorteroOptions{Program: binary, Config: fmt.Sprintf(routes, server)})
}

// prepareDatabase gives a program's clients empty schemas, and the one that they share.
func prepareDatabase(t *testing.T, p program) {
	t.Helper()
	statements := []string{"set client_min_messages = warning"}
	schema := func(name string) {
		statements = append(statements, "drop schema if exists "+name+" cascade", "create schema "+name+" authorization app")
	}
	for n := range p.count() {
		schema(p.schema(n))
	}
	schema(p.common())
	statements = append(statements, "create table "+p.common()+".counter as select 0 as v", "alter table "+p.common()+".counter owner to app")
	if err := lab.RunSQL(t.Context(), postgres(t).SuperuserDSN(p.databaseName()), statements...); err != nil {
		t.Fatal(err)
	}
}

// direct are the transcripts of the first clients of a program without Portero.
func direct(t *testing.T, p program, count, rows int) []string {
	t.Helper()
	transcripts := runAll(t, p, count, client{address: postgres(t).Address(), route: p.databaseName(), rows: rows})
	for n, transcript := range transcripts {
		if strings.Contains(transcript, failed) {
			t.Fatalf("%s, client %d, directly:\n%s", p.name, n, transcript)
		}
	}
	return transcripts
}

// expectSame fails the test for each client whose transcript is not the one of the client
// with its number that was not behind Portero.
func expectSame(t *testing.T, p program, want, got []string) {
	t.Helper()
	for n := range got {
		for _, fault := range compare(want[n], got[n]) {
			t.Errorf("%s, client %d: %s", p.name, n, fault)
		}
	}
}

func TestDriversPrintTheSameAsDirectly(t *testing.T) {
	portero := startPortero(t, postgres(t).Address())
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			want := direct(t, p, p.count(), usual)
			keep(t, p.name, want[1])
			for _, mode := range []string{"session", "transaction"} {
				t.Run(mode, func(t *testing.T) {
					through := client{address: portero.Address, route: p.databaseName() + "_" + mode}
					expectSame(t, p, want, runAll(t, p, p.count(), through))
				})
			}
		})
	}
}

// keep writes a transcript into the directory TRANSCRIPTS, for who wants to read it.
func keep(t *testing.T, name, transcript string) {
	t.Helper()
	dir := os.Getenv("TRANSCRIPTS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(transcript), 0o600); err != nil {
		t.Fatal(err)
	}
}
