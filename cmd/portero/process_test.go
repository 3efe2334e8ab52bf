package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// asProgram makes the test binary be portero, so that a test sees the real process: its
// arguments, signals, standard error and exit status.
const asProgram = "TEST_AS_PORTERO"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a Portero in a process of its own.
type process struct{ *lab.Portero }

// startProcess runs the program; it ends with the test at the latest.
func startProcess(t *testing.T, o lab.PorteroOptions) process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if o.Program == "" {
		o.Program = self
	}
	o.Env = append(o.Env, asProgram+"=1")
	return process{lab.PorteroForTest(t, o)}
}

// runProcess runs the program, which is this binary or starts it, to its end.
func runProcess(program string, args ...string) (stderr string, status int) {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	cmd.Run() //nolint:errcheck // the status tells
	return errs.String(), cmd.ProcessState.ExitCode()
}

// wait returns the exit status.
func (p process) wait(t *testing.T) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, err := p.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// readyLine is the line of the log that says that clients are served.
type readyLine struct {
	Listening []string `json:"listening"`
	Admin     string   `json:"admin"`
	Loops     int      `json:"loops"`
}

// readyLines are all such lines so far; there is to be one.
func (p process) readyLines() (ready []readyLine) {
	for line := range strings.Lines(p.Log()) {
		var entry struct {
			Msg string `json:"msg"`
			readyLine
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "ready" {
			ready = append(ready, entry.readyLine)
		}
	}
	return ready
}

// TestAsManyLoopsRunAsTheProcessHasCores, which Go takes from the cgroup's limit or from this variable.
func TestAsManyLoopsRunAsTheProcessHasCores(t *testing.T) {
	p := startProcess(t, lab.PorteroOptions{Config: configText("127.0.0.1:1", ""), Env: []string{"GOMAXPROCS=3"}})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	if ready := p.readyLines(); len(ready) != 1 || ready[0].Loops != 3 {
		t.Errorf("%+v, want 3 loops", ready)
	}
}

// serving starts Portero before a PostgreSQL and returns once it is ready.
func serving(t *testing.T, postgres *lab.Postgres, pool string) process {
	t.Helper()
	p := startProcess(t, lab.PorteroOptions{Config: configText(postgres.Address(), pool)})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	ready := p.readyLines()
	if len(ready) != 1 || !slices.Equal(ready[0].Listening, []string{p.Address}) || ready[0].Admin != p.Admin {
		t.Fatalf("ready: %+v, want the addresses %s and %s", ready, p.Address, p.Admin)
	}
	return p
}

func (p process) get(t *testing.T, path string) (status int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	status, body, err := p.Get(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

func TestServe(t *testing.T) {
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create table noted (what text)"}})
	t.Run("answers clients and operators", func(t *testing.T) { servesBoth(t, postgres) })
	t.Run("TERM lets a transaction finish", func(t *testing.T) { termWaits(t, postgres) })
	t.Run("TERM waits no longer than shutdown_timeout", func(t *testing.T) { termIsBounded(t, postgres) })
	t.Run("INT ends at once", func(t *testing.T) { intEnds(t, postgres, syscall.SIGINT) })
	t.Run("QUIT ends at once", func(t *testing.T) { intEnds(t, postgres, syscall.SIGQUIT) })
	t.Run("INT ends a TERM at once", func(t *testing.T) { intEnds(t, postgres, syscall.SIGTERM, syscall.SIGINT) })
}

func servesBoth(t *testing.T, postgres *lab.Postgres) {
	p := serving(t, postgres, "")
	client := connect(t, p.Address)
	mustAsk(t, client, "select 40 + 2", "42")
	mustAsk(t, client, "begin; insert into noted values ('served'); commit; select count(*) from noted where what = 'served'", "1")

	if status, body := p.get(t, "/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz: %d %q", status, body)
	}
	if status, body := p.get(t, "/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("/readyz: %d %q", status, body)
	}
	status, body := p.get(t, "/metrics")
	for _, want := range []string{
		"\nportero_clients 1\n", `portero_group_has_leader{cluster="local",group="0"} 1`,
		`portero_pool_transactions_total{cluster="local",database="postgres",group="0",mode="transaction",role="leader",user="postgres"} 2`,
		"\ngo_goroutines ", "\nprocess_open_fds ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics (%d) does not have %q", status, want)
		}
	}
	if status, body := p.get(t, "/"); status != http.StatusOK || !strings.HasSuffix(body, "</html>\n") {
		t.Errorf("status page: %d %q", status, body)
	}
	for path, want := range map[string]string{
		"/state":   `"leader":"` + postgres.Address() + `"`,
		"/clients": `"total":1,"matches":1,"states":{"idle":1}`,
		"/servers": fmt.Sprintf(`"address":%q,"member":%[1]q`, postgres.Address()),
	} {
		if status, body := p.get(t, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q, want %s", path, status, body, want)
		}
	}

	p.Signal(syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d after TERM", status)
	}
	if n := len(p.readyLines()); n != 1 {
		t.Errorf("%d lines say ready, want 1", n)
	}
	expectEnded(t, client, "57P01")
}

func termWaits(t *testing.T, postgres *lab.Postgres) {
	p := serving(t, postgres, "")
	idle, busy := connect(t, p.Address), connect(t, p.Address)
	mustAsk(t, busy, "begin; insert into noted values ('finished')", "")

	p.Signal(syscall.SIGTERM)
	expectEnded(t, idle, "57P01")
	eventually(t, func() error {
		late, err := net.Dial("tcp", p.Address)
		if err == nil {
			late.Close()
			return errors.New("new clients are still accepted")
		}
		return nil
	})
	if status, _ := p.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while it shuts down: %d", status)
	}
	mustAsk(t, busy, "select count(*) from noted where what = 'finished'", "1")
	if err := p.Alive(); err != nil {
		t.Fatalf("before the transaction: %v", err)
	}
	if _, err := ask(t.Context(), busy, "commit"); err != nil {
		t.Errorf("commit: %v", err)
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	expectRows(t, postgres, "finished", "1")
}

// late is well within the shutdown_timeout of one minute that goes without saying.
const late = 30 * time.Second

func termIsBounded(t *testing.T, postgres *lab.Postgres) {
	p := serving(t, postgres, `shutdown_timeout = "300ms"`)
	client := connect(t, p.Address)
	mustAsk(t, client, "begin; insert into noted values ('bounded')", "")
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took < 300*time.Millisecond || took > late {
		t.Errorf("it took %s", took)
	}
	expectRows(t, postgres, "bounded", "0")
}

// USR1 and USR2 are PAUSE and RESUME, as for PgBouncer.
func TestSignalsPauseAndResume(t *testing.T) {
	p := serving(t, lab.PostgresForTest(t, lab.PostgresOptions{}), "")
	client := connect(t, p.Address)
	mustAsk(t, client, "select 1", "1")
	p.Signal(syscall.SIGUSR1)
	eventually(t, func() error {
		if status, body := p.get(t, "/readyz"); status != 503 || !strings.Contains(body, "paused") {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	held := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), client, "select 2")
		held <- err
	}()
	eventually(t, func() error {
		if p.sum(t, "portero_pool_clients_waiting") == 0 {
			return errors.New("nobody waits")
		}
		return nil
	})
	p.Signal(syscall.SIGUSR2)
	if err := <-held; err != nil {
		t.Error(err)
	}
}

func intEnds(t *testing.T, postgres *lab.Postgres, signals ...syscall.Signal) {
	p := serving(t, postgres, "")
	client := connect(t, p.Address)
	mustAsk(t, client, "begin; insert into noted values ('cut')", "")
	began := time.Now()
	for _, sig := range signals {
		p.Signal(sig)
		eventually(t, func() error {
			if !strings.Contains(p.Log(), sig.String()) {
				return fmt.Errorf("%s is not in the log", sig)
			}
			return nil
		})
	}
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if took := time.Since(began); took > late {
		t.Errorf("it took %s", took)
	}
	if _, err := ask(t.Context(), client, "select 1"); err == nil {
		t.Error("the client is still served")
	}
	expectRows(t, postgres, "cut", "0")
}

// expectEnded is for a client that must be told, soon, why it is closed. Before, it is served.
func expectEnded(t *testing.T, client *pgconn.PgConn, code string) {
	t.Helper()
	var err error
	eventually(t, func() error {
		if _, err = ask(t.Context(), client, "select 1"); err == nil {
			return errors.New("the client is still served")
		}
		return nil
	})
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != code {
		t.Errorf("the client was told %v, want SQLSTATE %s", err, code)
	}
}

// expectRows asks PostgreSQL itself, as nobody may have written what was not committed.
func expectRows(t *testing.T, postgres *lab.Postgres, what, want string) {
	t.Helper()
	client := connect(t, postgres.Address())
	mustAsk(t, client, "select count(*) from noted where what = '"+what+"'", want)
}

func TestServeFailsWhereItCannotListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free := freeAddresses(t, 2)
	for _, c := range []struct{ name, listen, admin string }{
		{"for clients", taken.Addr().String(), free[0]},
		{"for operators", free[0], taken.Addr().String()},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := startProcess(t, lab.PorteroOptions{Config: configText(free[1], ""), Address: c.listen, Admin: c.admin})
			if status := p.wait(t); status != 1 {
				t.Errorf("exit status %d, want 1", status)
			}
			if text := p.Log(); !strings.Contains(text, taken.Addr().String()) || !strings.Contains(text, "address already in use") {
				t.Errorf("it printed %q", text)
			}
			if len(p.readyLines()) > 0 {
				t.Error("it says that it is ready")
			}
		})
	}
}
