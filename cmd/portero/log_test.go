package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portero/internal/lab"
)

// pipe is a log with a reader that the test is.
type pipe struct {
	r, w *os.File

	mu    sync.Mutex // guards lines
	lines []string
}

// newPipe is as small as the kernel makes them.
func newPipe(t *testing.T) *pipe {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return &pipe{r: r, w: w}
}

// fill leaves no room in the pipe.
func (p *pipe) fill(t *testing.T) {
	t.Helper()
	if _, err := p.w.WriteString(strings.Repeat("#", 4095) + "\n"); err != nil {
		t.Fatal(err)
	}
}

// read keeps the lines from now on.
func (p *pipe) read() {
	go func() {
		for lines := bufio.NewReader(p.r); ; {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			p.mu.Lock()
			p.lines = append(p.lines, line)
			p.mu.Unlock()
		}
	}()
}

// with are the lines that have a message, decoded.
func (p *pipe) with(message string) (entries []map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.lines {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) != nil {
			continue
		}
		if text, _ := entry["msg"].(string); strings.HasPrefix(text, message) {
			entries = append(entries, entry)
		}
	}
	return entries
}

// logging starts Portero before some PostgreSQL servers with the pipe for its outputs, and
// returns once it answers.
func logging(t *testing.T, log *pipe, hosts ...string) process {
	t.Helper()
	p := startProcess(t, lab.PorteroOptions{Config: configText(strings.Join(hosts, `", "`), ""), Output: log.w})
	log.w.Close()
	eventually(t, func() error {
		status, body, err := p.Get(t.Context(), "/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("/readyz: %d, %s", status, body)
		}
		return err
	})
	return p
}

// counted is the value of a metric without labels.
func (p process) counted(t *testing.T, name string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	series, err := p.Metrics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	n, ok := series[name]
	if !ok {
		t.Fatalf("no metric %s", name)
	}
	return int(n)
}

const linesLost = "portero_log_lines_lost_total"

func TestTheServiceOutlivesTheReaderOfItsLog(t *testing.T) {
	t.Parallel()
	postgres := lab.PostgresForTest(t, lab.PostgresOptions{})
	log := newPipe(t)
	p := logging(t, log, postgres.Address())
	client := connect(t, p.Address)
	log.r.Close()
	for range 10 {
		hangUp(connect(t, p.Address)) // each is a line or two
	}
	mustAsk(t, client, "select 40 + 2", "42")
	eventually(t, func() error {
		if n := p.counted(t, linesLost); n < 10 {
			return fmt.Errorf("%d lines counted as lost", n)
		}
		return nil
	})
	p.Signal(syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

func TestALogThatNobodyReadsHoldsUpNobody(t *testing.T) {
	a, b := twins(t)
	log := newPipe(t)
	p := logging(t, log, a.Address(), b.Address())
	client := connect(t, p.Address)
	p.chatter(t)

	mustAsk(t, client, "select 40 + 2", "42")
	failOver(t, a, b, p.Address)
	mustAsk(t, client, "select 40 + 3", "43")
	hangUp(connect(t, p.Address))

	log.read()
	eventually(t, func() error {
		told := 0.0
		for _, gap := range log.with("log lines lost") {
			told += gap["lines"].(float64)
		}
		if lost := p.counted(t, linesLost); int(told) != lost {
			return fmt.Errorf("told of %v lines, %d were lost", told, lost)
		}
		return nil
	})
	before := len(log.with("client logged in"))
	connect(t, p.Address)
	eventually(t, func() error {
		if len(log.with("client logged in")) == before {
			return errors.New("the log does not go on")
		}
		return nil
	})
	p.Signal(syscall.SIGTERM)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	eventually(t, func() error {
		if n := len(log.with("stopped")); n != 1 {
			return fmt.Errorf("%d lines say stopped", n)
		}
		return nil
	})
}

// chatter makes Portero say more than fits anywhere.
func (p process) chatter(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(patience); p.counted(t, linesLost) == 0; {
		if time.Now().After(end) {
			t.Fatal("no line of the log is lost")
		}
		for range 500 {
			conn, err := net.Dial("tcp", p.Address)
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // of an open connection
			io.WriteString(conn, "GET / HTTP/1.1\r\n") //nolint:errcheck // the answer tells
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("a client waits for the log")
			}
			conn.Close()
		}
	}
}

// twins are two servers that take each other's place: the same database, as after a copy.
func twins(t *testing.T) (a, b *lab.Postgres) {
	t.Helper()
	a, b = lab.PostgresForTest(t, lab.PostgresOptions{}), lab.PostgresForTest(t, lab.PostgresOptions{})
	for _, p := range []*lab.Postgres{a, b} {
		if err := p.Stop(t.Context(), lab.Fast); err != nil {
			t.Fatal(err)
		}
	}
	settings := filepath.Join(b.DataDir, "postgresql.conf")
	own, err := os.ReadFile(settings)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{{"rm", "-r", b.DataDir}, {"cp", "-a", a.DataDir, b.DataDir}} {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", c, err, out)
		}
	}
	if err := os.WriteFile(settings, own, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*lab.Postgres{a, b} {
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

// failOver kills the server that leads and waits until the other serves.
func failOver(t *testing.T, a, b *lab.Postgres, address string) {
	t.Helper()
	client := connect(t, address)
	port, err := ask(t.Context(), client, "show port")
	if err != nil {
		t.Fatal(err)
	}
	if port == strconv.Itoa(b.Port()) {
		a, b = b, a
	}
	a.Kill()
	eventually(t, func() error {
		port, err := ask(t.Context(), client, "show port")
		if err == nil && port != strconv.Itoa(b.Port()) {
			err = fmt.Errorf("port %s", port)
		}
		return err
	})
}

func TestALogThatNobodyReadsDoesNotKeepTheProcessFromEnding(t *testing.T) {
	free := freeAddresses(t, 2)
	taken, err := net.Listen("tcp", free[0])
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name string
		o    lab.PorteroOptions
	}{
		{"a fault of the configuration", lab.PorteroOptions{Config: "loops = 0\n"}},
		{"an address in use", lab.PorteroOptions{Config: configText(free[1], ""), Address: taken.Addr().String()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			log := newPipe(t)
			log.fill(t)
			c.o.Output = log.w
			p := startProcess(t, c.o)
			if status := p.wait(t); status != 1 {
				t.Errorf("exit status %d", status)
			}
		})
	}
	t.Run("TERM", func(t *testing.T) {
		log := newPipe(t)
		log.fill(t)
		p := logging(t, log, free[1])
		p.Signal(syscall.SIGTERM)
		if status := p.wait(t); status != 0 {
			t.Errorf("exit status %d", status)
		}
	})
}
