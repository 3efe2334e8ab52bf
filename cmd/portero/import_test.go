package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

// pgbouncerFolder makes a folder with a pgbouncer.ini before a PostgreSQL, and what it names,
// an included file with the databases among it.
func pgbouncerFolder(t *testing.T, postgres, listen string) (ini string) {
	t.Helper()
	host, port, err := net.SplitHostPort(postgres)
	if err != nil {
		t.Fatal(err)
	}
	_, ours, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	ini = writeFile(t, "pgbouncer.ini", fmt.Sprintf(`; as PgBouncer has it
%%include databases.ini
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = trust
auth_file = userlist.txt
pool_mode = transaction
server_tls_sslmode = disable
server_login_retry = 5
`, ours))
	for name, text := range map[string]string{
		"databases.ini": fmt.Sprintf("[databases]\nelsewhere = host=%s port=%s dbname=postgres pool_size=3\n", host, port),
		"userlist.txt":  "\"postgres\" \"\"\n",
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(ini), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return ini
}

// serveHere starts Portero within the test, with operators at an address that is free.
func serveHere(t *testing.T, path, admin string) *instance {
	t.Helper()
	p, ok := load(path, t.Output())
	if !ok {
		t.Fatal("the configuration is wrong")
	}
	p.cfg.Admin.Address = admin
	in := newInstance(path, &metrics.Process{})
	in.log = slog.New(slog.DiscardHandler)
	if err := in.start(p); err != nil {
		t.Fatal(err)
	}
	return in
}

func TestClientsOfPgBouncerAreServedByItsFile(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	free := freeAddresses(t, 2)
	ini := pgbouncerFolder(t, postgres.Address(), free[0])
	imported := filepath.Join(filepath.Dir(ini), "proxy.toml")
	if stdout, stderr, status := portero("import", ini, "-o", imported); status != 0 || stdout != "" || !strings.Contains(stderr, "server_login_retry") {
		t.Fatalf("import: exit status %d, %q, %q", status, stdout, stderr)
	}
	for _, path := range []string{ini, imported} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in := serveHere(t, path, free[1])
			defer stopHere(t, in, syscall.SIGINT)
			client, err := tryConnect(t, free[0], "elsewhere")
			if err != nil {
				t.Fatal(err)
			}
			mustAsk(t, client, "select current_database()", "postgres")
			if _, err := tryConnect(t, free[0], "postgres"); err == nil {
				t.Error("a database is served that is not in the file")
			}
		})
	}
}

// An included file is read again by itself, too.
func TestAFileOfPgBouncersIsReloaded(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	free := freeAddresses(t, 2)
	ini := pgbouncerFolder(t, postgres.Address(), free[0])
	included := filepath.Join(filepath.Dir(ini), "databases.ini")
	p, ok := load(ini, t.Output())
	if !ok {
		t.Fatal("the configuration is wrong")
	}
	for _, name := range []string{ini, included, filepath.Join(filepath.Dir(ini), "userlist.txt")} {
		if !slices.Contains(p.files, config.Look(name)) {
			t.Errorf("%s is not among the files that are watched: %v", name, p.files)
		}
	}
	in := serveHere(t, ini, free[1])
	defer stopHere(t, in, syscall.SIGINT)
	text, err := os.ReadFile(included)
	if err != nil {
		t.Fatal(err)
	}
	more := strings.Replace(string(text), "elsewhere", "anew", 1)
	if err := os.WriteFile(included, append(text, strings.TrimPrefix(more, "[databases]\n")...), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := tryConnect(t, free[0], "anew")
		return err
	})
	if err := os.WriteFile(included, []byte("[databases]\nelsewhere = host\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := in.reload("test"); err == nil || !strings.Contains(err.Error(), "databases.ini:2: elsewhere is no list of key=value") {
		t.Errorf("a wrong file is reloaded: %v", err)
	}
	if _, err := tryConnect(t, free[0], "anew"); err != nil {
		t.Errorf("a wrong file has changed something: %v", err)
	}
}

func TestAnImportNeverOverwrites(t *testing.T) {
	ini := pgbouncerFolder(t, "127.0.0.1:5432", "127.0.0.1:6432")
	out := writeFile(t, "proxy.toml", "mine")
	_, stderr, status := portero("import", "-o", out, ini)
	if status != 1 || !strings.Contains(stderr, out+" is there already") {
		t.Errorf("exit status %d, %q", status, stderr)
	}
	if text, _ := os.ReadFile(out); string(text) != "mine" {
		t.Errorf("it is now %q", text)
	}
}

// The file names of PgBouncer are found from where the output is to stand.
func TestAnImportNamesFilesFromItsOwnFolder(t *testing.T) {
	ini := pgbouncerFolder(t, "127.0.0.1:5432", "127.0.0.1:6432")
	dir := filepath.Dir(ini)
	for out, want := range map[string]string{
		filepath.Join(dir, "proxy.toml"):         `users = "userlist.txt"`,
		filepath.Join(t.TempDir(), "proxy.toml"): fmt.Sprintf("users = %q", filepath.Join(dir, "userlist.txt")),
	} {
		if _, stderr, status := portero("import", ini, "-o", out); status != 0 {
			t.Fatalf("exit status %d, %q", status, stderr)
		}
		text, err := os.ReadFile(out)
		if err != nil || !strings.Contains(string(text), "\n"+want) {
			t.Errorf("%s: %v, no %s in\n%s", out, err, want, text)
		}
		if stdout, stderr, status := portero("check", out); status != 0 {
			t.Errorf("check: exit status %d, %q, %q", status, stdout, stderr)
		}
		if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v: others can read the passwords in it", info.Mode(), err)
		}
	}
}

func TestCheckTellsTheLinesOfAFileOfPgBouncers(t *testing.T) {
	ini := pgbouncerFolder(t, "127.0.0.1:5432", "127.0.0.1:6432")
	stdout, stderr, status := portero("check", ini)
	if status != 0 || !strings.HasPrefix(stdout, ini+": ok\n") || !strings.Contains(stderr, ini+":11: server_login_retry: ") {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(ini), "userlist.txt")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := portero("check", "--config", ini); status != 1 || !strings.Contains(stderr, ini+":8: auth.users: cannot read ") {
		t.Errorf("without the user file: exit status %d, %q", status, stderr)
	}
	if err := os.WriteFile(ini, []byte("[databases]\na = host\n[pgbouncer]\npool_mode = x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, status = portero("check", ini)
	if status != 1 || !strings.Contains(stderr, ini+":2: a is no list of key=value") || !strings.Contains(stderr, ini+":4: pool_mode must be one of") {
		t.Errorf("with faults: exit status %d, %q", status, stderr)
	}
}

// A file of PgBouncer's need not be named *.ini: Kubernetes' and templates' are not.
func TestAFileOfPgBouncersIsKnownByWhatStandsInIt(t *testing.T) {
	ini := pgbouncerFolder(t, "127.0.0.1:5432", "127.0.0.1:6432")
	renamed := strings.TrimSuffix(ini, ".ini") + ".conf"
	if err := os.Rename(ini, renamed); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := portero("check", renamed); status != 0 {
		t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
	}
}

func TestImportOnTheCommandLine(t *testing.T) {
	ini := pgbouncerFolder(t, "127.0.0.1:5432", "127.0.0.1:6432")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		out    string
		err    string
	}{
		{"to standard output", []string{"import", ini}, 0, "[[route]]\ndatabase = \"elsewhere\"", ":11: server_login_retry: better left out"},
		{"no file", []string{"import"}, 2, "", "name a pgbouncer.ini"},
		{"a file that is not there", []string{"import", "/nowhere/pgbouncer.ini", ini}, 1, "", "/nowhere/pgbouncer.ini: cannot be read: no such file"},
		{"two of a kind", []string{"import", ini, ini}, 1, "", "second file of its kind"},
		{"help", []string{"import", "--help"}, 0, "", "-o"},
		{"an unknown flag", []string{"import", ini, "-x"}, 2, "", "-x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := portero(c.args...)
			if status != c.status || !strings.Contains(stdout, c.out) || c.out == "" && stdout != "" || !strings.Contains(stderr, c.err) {
				t.Errorf("exit status %d, %q, %q", status, stdout, stderr)
			}
		})
	}
}
