package failover

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// patience bounds every wait of these tests: a busy machine is slow, not wrong.
const patience = 90 * time.Second

// portero is the program as a process.
type portero struct {
	t       testing.TB
	address string
	admin   string
	dir     string
	cmd     *exec.Cmd
	exited  chan struct{}
}

const configText = `[admin]
address = %q

[log]
connections = false

[[listener]]
address = %q

[[cluster]]
name = "main"
discovery = "patroni"
etcd = { endpoints = ["%s"] }
namespace = "/service"
scope = "demo"
citus = true

[[route]]
database = "app"
cluster = "main"
pool_size = 5

[[route]]
database = "reader"
dbname = "app"
cluster = "main"
role = "replica"
pool_size = 2

[auth]
method = "scram-sha-256"
users = "userlist.txt"
`

// buildPortero compiles the program that is tested.
func buildPortero(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "portero")
	args := append([]string{"build", "-o", binary}, buildFlags...)
	out, err := exec.CommandContext(t.Context(), "go", append(args, "portero/cmd/portero")...).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// startPortero starts it and returns once it says that it serves clients. It ends with the test.
func startPortero(t testing.TB, etcd []string) *portero {
	t.Helper()
	ports, err := lab.ReservePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	p := &portero{
		t: t, dir: t.TempDir(), exited: make(chan struct{}),
		address: fmt.Sprintf("127.0.0.1:%d", ports[0]), admin: fmt.Sprintf("127.0.0.1:%d", ports[1]),
	}
	p.write("proxy.toml", fmt.Sprintf(configText, p.admin, p.address, strings.Join(etcd, `", "`)))
	p.write("userlist.txt", "\"app\" \"app\"\n")
	log, err := os.Create(filepath.Join(p.dir, "portero.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd = exec.Command(buildPortero(t), "serve", "--config", filepath.Join(p.dir, "proxy.toml"))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := lab.StartChild(p.cmd); err != nil {
		t.Fatal(err)
	}
	go p.reap()
	t.Cleanup(p.stop)
	eventually(t, "portero says that it is ready", func() error {
		if !strings.Contains(p.log(), "msg=ready ") {
			return errors.New("it has not")
		}
		return nil
	})
	return p
}

func (p *portero) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *portero) reap() {
	_ = p.cmd.Wait() // stop tells what is wrong with its end
	close(p.exited)
}

// stop ends it in good order, and shows its log if the test has failed.
func (p *portero) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		if !p.cmd.ProcessState.Success() {
			p.t.Errorf("portero: %v", p.cmd.ProcessState)
		}
	case <-time.After(20 * time.Second):
		p.t.Error("portero does not stop")
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	text := p.log()
	for _, bad := range []string{"msg=panic", "DATA RACE"} {
		if strings.Contains(text, bad) {
			p.t.Errorf("portero's log has %q", bad)
		}
	}
	if p.t.Failed() {
		lines := strings.Split(text, "\n")
		p.t.Log(strings.Join(lines[max(0, len(lines)-200):], "\n"))
	}
}

func (p *portero) log() string {
	text, _ := os.ReadFile(filepath.Join(p.dir, "portero.log"))
	return string(text)
}

func (p *portero) dsn(database string) string {
	return fmt.Sprintf("postgres://app:app@%s/%s?sslmode=disable", p.address, database)
}

// eventually asks until the answer is nil.
func eventually(t testing.TB, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-tick.C:
		}
	}
}
