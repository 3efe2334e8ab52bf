package main

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// takeable is a Portero that another one can take over from.
func takeable(t *testing.T, postgres *lab.Postgres, more string) process {
	t.Helper()
	p := startProcess(t, lab.PorteroOptions{Config: "admin.takeover = \"takeover.sock\"\n" + configText(postgres.Address(), more)})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p process) succeed(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Succeed(ctx); err != nil {
		t.Fatalf("%v\n%s", err, p.LogTail(20))
	}
}

func TestClientsGoOnWithTheProcessThatTakesOver(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	p := takeable(t, postgres, "pool_size = 3")
	idle, busy := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, idle, "set timezone = 'Asia/Tokyo'; set work_mem = '5MB'", "")
	mustAsk(t, idle, "prepare x as select 'by name'", "")
	if _, err := idle.Prepare(t.Context(), "s", "select current_setting('timezone') || ' ' || current_setting('work_mem')", nil); err != nil {
		t.Fatal(err)
	}
	l := startStrain(t, p.Address, 20)
	l.more(t, 10)
	for i := range 5 {
		mustAsk(t, busy, fmt.Sprintf("begin; select %d", i), fmt.Sprint(i))
		ended := make(chan error, 1)
		go func() { ended <- p.Succeed(context.Background()) }()
		eventually(t, func() error {
			c, err := tryConnect(t, p.Address, "postgres")
			if err == nil {
				hangUp(c)
			}
			return err
		})
		mustAsk(t, busy, "commit", "") // only then the old one can end
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		mustAsk(t, busy, "select 'after'", "after")
		mustAsk(t, idle, "execute x", "by name")
		result := idle.ExecPrepared(t.Context(), "s", nil, nil, nil).Read()
		if result.Err != nil || string(result.Rows[0][0]) != "Asia/Tokyo 5MB" {
			t.Fatalf("%v, %v", result.Rows, result.Err)
		}
		l.more(t, 20)
	}
	l.end(t)
}

// A statement of a client that was taken over is cancelled by the key that it has had from
// the beginning.
func TestCancelKeysSurviveATakeover(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	client := connect(t, p.Address)
	mustAsk(t, client, "select 1", "1")
	p.succeed(t)
	done := make(chan error, 1)
	go func() {
		_, err := client.Exec(context.Background(), "select pg_sleep(600)").ReadAll()
		done <- err
	}()
	eventually(t, func() error { return sleeps(t, postgres) })
	if err := client.CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	var said *pgconn.PgError
	if err := <-done; !errors.As(err, &said) || said.Code != "57014" {
		t.Errorf("the statement ended with %v", err)
	}
}

// The cancel request comes to the new process while the client is still with the old one.
func TestAStatementAtTheOldProcessIsCancelledByTheNewOne(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	client := connect(t, p.Address)
	done := make(chan error, 1)
	go func() {
		_, err := client.Exec(context.Background(), "select pg_sleep(600)").ReadAll()
		done <- err
	}()
	eventually(t, func() error { return sleeps(t, postgres) })
	taken := make(chan error, 1)
	go func() { taken <- p.Succeed(t.Context()) }()
	var said *pgconn.PgError
	for cancelled := false; !cancelled; {
		client.CancelRequest(t.Context()) //nolint:errcheck // there is another
		select {
		case err := <-done:
			if !errors.As(err, &said) || said.Code != "57014" {
				t.Fatalf("the statement ended with %v\n%s", err, p.LogTail(20))
			}
			cancelled = true
		case <-t.Context().Done():
			return
		default:
		}
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	mustAsk(t, client, "select 1", "1")
}

func TestOrdersStandThroughATakeover(t *testing.T) {
	p := takeable(t, lab.PostgresForTest(t, lab.PostgresOptions{}), "")
	client := connect(t, p.Address)
	mustAsk(t, client, "select 1", "1")
	p.Signal(syscall.SIGUSR1)
	paused := func() error {
		if status, body := p.get(t, "/readyz"); status != 503 || !strings.Contains(body, "paused") {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	}
	eventually(t, paused)
	p.succeed(t)
	if err := paused(); err != nil {
		t.Errorf("PAUSE has ended with the process: %v", err)
	}
	p.Signal(syscall.SIGUSR2)
	mustAsk(t, client, "select 2", "2")
}

func TestFailoversAreRememberedThroughATakeover(t *testing.T) {
	a, b := twins(t)
	p := startProcess(t, lab.PorteroOptions{Config: "admin.takeover = \"takeover.sock\"\n" + configText(a.Address()+`", "`+b.Address(), "")})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	failOver(t, a, b, p.Address)
	var before string
	eventually(t, func() error {
		_, before = p.get(t, "/failovers")
		if !strings.Contains(before, `"released"`) {
			return fmt.Errorf("/failovers: %s", before)
		}
		return nil
	})
	for range 2 {
		p.succeed(t)
		if _, after := p.get(t, "/failovers"); after != before {
			t.Errorf("/failovers: %s\nbefore: %s", after, before)
		}
	}
}

// Passwords that a client has proved by SCRAM are not known to Portero, only the key that it
// saw; the process that takes over must log in by that.
func TestWhoHasProvedHimselfByScramNeedNotDoSoAgain(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{HBA: []string{"host all postgres all trust", "host all all all scram-sha-256"}, SQL: []string{
		"set password_encryption = 'scram-sha-256'", "create role hidden login password 'hush'"}})
	direct := connect(t, postgres.Address())
	verifier, err := ask(t.Context(), direct, "select rolpassword from pg_authid where rolname = 'hidden'")
	if err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, lab.PorteroOptions{Config: `
admin.takeover = "takeover.sock"
[log]
format = "json"
[[cluster]]
name = "local"
hosts = ["` + postgres.Address() + `"]
`})
	if err := p.WriteFile("userlist.txt", fmt.Sprintf("\"hidden\" %q\n", verifier)); err != nil {
		t.Fatal(err)
	}
	var client *pgconn.PgConn
	eventually(t, func() error {
		client, err = pgconn.Connect(t.Context(), p.DSN("hidden", "hush", "postgres"))
		return err
	})
	defer hangUp(client)
	mustAsk(t, client, "select 1", "1")
	p.succeed(t)
	mustAsk(t, client, "select current_user", "hidden")
}

func TestClientsThatCannotBePassedAreToldAtARestart(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	pinned, idle := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, pinned, "create temp table mine (n int)", "")
	mustAsk(t, idle, "select 1", "1")
	p.succeed(t)
	expectEnded(t, pinned, "57P01")
	mustAsk(t, idle, "select 1", "1")
}

// One that cannot start leaves everything to the one that runs.
func TestAProcessThatCannotTakeOverChangesNothing(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	client := connect(t, p.Address)
	mustAsk(t, client, "select 1", "1")
	if err := p.Configure("admin.takeover = \"takeover.sock\"\n" + configText(postgres.Address(), "") + "[[listener]]\naddress = \"192.0.2.1:5\"\n"); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A process of its own, which gives up its connection to the other with its end.
	trouble, status := runProcess(self, "serve", "--config", p.Path("proxy.toml"))
	if status != 1 || !strings.Contains(trouble, "192.0.2.1") {
		t.Errorf("status %d: %s", status, trouble)
	}
	mustAsk(t, client, "select 2", "2")
	mustAsk(t, connect(t, p.Address), "select 3", "3")
	if err := p.Configure("admin.takeover = \"takeover.sock\"\n" + configText(postgres.Address(), "")); err != nil {
		t.Fatal(err)
	}
	p.succeed(t) // and the next one may
	mustAsk(t, client, "select 4", "4")
}

// output is what a program prints, for several goroutines.
type output struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// pgbench of a version that gives up a client at its first error.
func TestPgbenchDoesNotNoticeTenRestarts(t *testing.T) {
	const clients, restarts = 200, 10
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	p := takeable(t, postgres, "")
	bin, err := lab.PostgresBin()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(p.Address)
	pgbench := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "pgbench"), append(args, "-h", host, "-p", port, "-U", "postgres", "postgres")...)
		cmd.Env = append(os.Environ(), "PGSSLMODE=disable")
		return cmd
	}
	if out, err := pgbench("-i", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, how := range [][]string{{"-M", "simple", "-N"}, {"-M", "prepared", "-S"}} { // it blocks while it prepares, also with others in transactions
		var out output
		run := pgbench(append([]string{"-n", "-c", fmt.Sprint(clients), "-j", "2", "-T", "600"}, how...)...)
		run.Stdout, run.Stderr = &out, &out
		if err := run.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- run.Wait() }()
		allThere := func() {
			eventually(t, func() error {
				if n := p.sum(t, "portero_clients"); n < clients {
					return fmt.Errorf("%d clients\n%s", n, out.String())
				}
				return nil
			})
		}
		for range restarts / 2 {
			allThere()
			p.succeed(t)
		}
		allThere()
		run.Process.Signal(os.Interrupt) //nolint:errcheck // it may have ended, and then the test fails
		if err := <-ended; err != nil && !strings.Contains(err.Error(), "interrupt") || strings.Contains(out.String(), "aborted") || strings.Contains(out.String(), "error") {
			t.Fatalf("%s: %v\n%s", how, err, out.String())
		}
	}
}

// The simple way: two processes at one address, of which one is told to end.
func TestTwoProcessesListenAtOneAddress(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	addresses := freeAddresses(t, 3)
	here := addresses[0]
	start := func(admin string) process {
		config := configText(postgres.Address(), "") + "[[listener]]\naddress = \"" + here + "\"\nreuse_port = true\n"
		p := startProcess(t, lab.PorteroOptions{Config: config, Admin: admin})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.WaitReady(ctx); err != nil {
			t.Fatal(err)
		}
		return p
	}
	first, second := start(addresses[1]), start(addresses[2])
	eventually(t, func() error { // the kernel shares them out by a hash of their addresses
		mustAsk(t, connect(t, here), "select 1", "1")
		if first.sum(t, "portero_clients") == 0 || second.sum(t, "portero_clients") == 0 {
			return errors.New("one of them has no client")
		}
		return nil
	})
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	mustAsk(t, connect(t, here), "select 2", "2")
}
