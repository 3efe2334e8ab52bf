package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// portero runs the program with args and returns what it printed and its exit status.
func portero(args ...string) (stdout, stderr string, status int) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return out.String(), errs.String(), status
}

// writeFile makes a file in a folder of the test's own and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCheckReportsEveryFaultWithItsPlace(t *testing.T) {
	path := writeFile(t, "proxy.toml", `loops = 0
[admin]
address = "127.0.0.1"
[pool]
pool_mode = "sometimes"
colour = "red"
server_lifetime = 3600
[[cluster]]
name = "main"
discovery = "patroni"
[[route]]
cluster = "other"
[auth]
method = "trust"
`)
	stdout, stderr, status := portero("check", "--config", path)
	if status != 1 || stdout != "" {
		t.Errorf("exit status %d, standard output %q; want 1 and nothing", status, stdout)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, want := range []string{
		":1: loops: ", ":3: admin.address: ", ":5: pool.pool_mode: ", ":6: pool.colour: ", ":7: pool.server_lifetime: ",
		":8: cluster[1].scope: ", ":8: cluster[1].etcd.endpoints: ", ":12: route[1].cluster: ",
	} {
		if !hasPrefix(lines, path+want) {
			t.Errorf("no line begins with %q in:\n%s", path+want, stderr)
		}
	}
	if len(lines) != 8 {
		t.Errorf("%d faults, want 8:\n%s", len(lines), stderr)
	}
}

func hasPrefix(lines []string, prefix string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func TestCheckReadsTheFilesThatTheConfigurationNames(t *testing.T) {
	path := writeFile(t, "proxy.toml", "[auth]\nusers = \"userlist.txt\"\n[pool]\nmax_client_conn = 100\n")
	users := filepath.Join(filepath.Dir(path), "userlist.txt")

	if _, stderr, status := portero("check", "--config", path); status != 1 || !strings.Contains(stderr, path+":2: auth.users: ") {
		t.Errorf("without the user file: exit status %d, %q", status, stderr)
	}
	if err := os.WriteFile(users, []byte("\"app\" \"secret\"\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := portero("check", "--config", path); status != 1 || !strings.Contains(stderr, "userlist.txt:2") {
		t.Errorf("with a fault in the user file: exit status %d, %q", status, stderr)
	}
	if err := os.WriteFile(users, []byte("\"app\" \"secret\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := portero("check", "--config", path); status != 0 || !strings.HasPrefix(stdout, path+": ok\n") || stderr != "" {
		t.Errorf("with all in order: exit status %d, %q, %q", status, stdout, stderr)
	}
}

func TestCheckReportsTheFaultsOfAllFilesTogether(t *testing.T) {
	path := writeFile(t, "proxy.toml", "loops = 0\n[auth]\nhba_file = \"pg_hba.conf\"\nident_file = \"pg_ident.conf\"\nusers = \"userlist.txt\"\n")
	dir := filepath.Dir(path)
	for name, text := range map[string]string{
		"pg_hba.conf":   "# rules\nlocal all all trust\nhost all +staff all md5\nhost all all all gss\n",
		"pg_ident.conf": "m root",
		"userlist.txt":  "app secret",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stdout, stderr, status := portero("check", "--config", path)
	if status != 1 || stdout != "" {
		t.Errorf("exit status %d, standard output %q; want 1 and nothing", status, stdout)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for _, want := range []string{
		path + ":1: loops: ", dir + "/pg_hba.conf:3: +staff ", dir + "/pg_hba.conf:4: authentication method \"gss\" ",
		dir + "/pg_ident.conf:1: missing entry", dir + "/userlist.txt:1: user name: ",
	} {
		if !hasPrefix(lines, want) {
			t.Errorf("no line begins with %q in:\n%s", want, stderr)
		}
	}
	if len(lines) != 5 {
		t.Errorf("%d faults, want 5:\n%s", len(lines), stderr)
	}
}

func TestTheExampleIsInOrder(t *testing.T) {
	text, err := os.ReadFile("../../proxy.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, "proxy.toml", string(text))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "userlist.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, stderr, status := portero("check", "--config", path); status != 0 {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

func TestServeRefusesAWrongConfiguration(t *testing.T) {
	path := writeFile(t, "proxy.toml", "loops = 0\n[pool]\npool_size = 0\n[auth]\nmethod = \"trust\"\n")
	stdout, stderr, status := portero("serve", "--config", path)
	if status != 1 || stdout != "" {
		t.Errorf("exit status %d, standard output %q; want 1 and nothing", status, stdout)
	}
	for _, want := range []string{":1: loops: ", ":3: pool.pool_size: "} {
		if !strings.Contains(stderr, path+want) {
			t.Errorf("no %q in %q", path+want, stderr)
		}
	}
	if strings.Contains(stderr, "ready") {
		t.Errorf("it says that it is ready: %q", stderr)
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		status int
		out    string // in standard output
		err    string // in standard error
	}{
		{name: "version", args: []string{"version"}, out: "portero "},
		{name: "help", args: []string{"--help"}, out: "portero serve [--config proxy.toml]"},
		{name: "nothing", status: 2, err: "portero serve [--config proxy.toml]"},
		{name: "unknown command", args: []string{"server"}, status: 2, err: `unknown command "server"`},
		{name: "unknown flag", args: []string{"serve", "--configuration", "x"}, status: 2, err: "-configuration"},
		{name: "argument too many", args: []string{"serve", "proxy.toml", "more.toml"}, status: 2, err: `unexpected argument "more.toml"`},
		{name: "help of a command", args: []string{"serve", "--help"}, err: "-config"},
		{name: "check without a file", args: []string{"check"}, out: "environment: ok"},
		{name: "check of no file", args: []string{"check", "--config", "/nowhere/proxy.toml"}, status: 1, err: "/nowhere/proxy.toml: cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			stdout, stderr, status := portero(c.args...)
			if status != c.status {
				t.Errorf("exit status %d, want %d", status, c.status)
			}
			if !strings.Contains(stdout, c.out) || c.out == "" && stdout != "" {
				t.Errorf("standard output %q, want %q in it", stdout, c.out)
			}
			if !strings.Contains(stderr, c.err) || c.err == "" && stderr != "" {
				t.Errorf("standard error %q, want %q in it", stderr, c.err)
			}
		})
	}
}

func TestCheckReadsTheEnvironment(t *testing.T) {
	t.Setenv("PORTERO_POOL_SIZE", "0")
	t.Setenv("PORTERO_POOLMODE", "session")
	_, stderr, status := portero("check")
	want := "PORTERO_POOL_SIZE: must be at least 1\nenvironment: warning: PORTERO_POOLMODE: there is no such setting; did you mean PORTERO_POOL_MODE?\n"
	if status != 1 || stderr != want {
		t.Errorf("%d:\ngot  %s\nwant %s", status, stderr, want)
	}
	t.Setenv("PORTERO_POOL_SIZE", "1")
	if stdout, _, status := portero("check"); status != 0 || !strings.HasPrefix(stdout, "environment: ok\n") {
		t.Errorf("%d: %s", status, stdout)
	}
}
