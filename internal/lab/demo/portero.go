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
	"syscall"
	"time"

	"portero/internal/lab"
)

// portero is the program that is shown, as a process.
type portero struct {
	host, port string
	admin      string
	dir        string
	cmd        *exec.Cmd
	exited     chan struct{}
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
group = 0

[[route]]
database = "worker1"
cluster = "main"
group = 1
dbname = "app"

[auth]
method = "scram-sha-256"
users = "userlist.txt"
`

// startPortero starts it and returns once it accepts clients; etcd need not be there yet.
func startPortero(ctx context.Context, binary string, etcd []string) (*portero, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	ports, err := lab.ReservePorts(2)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "portero-demo-")
	if err != nil {
		return nil, err
	}
	p := &portero{
		host: "127.0.0.1", port: fmt.Sprint(ports[0]), dir: dir,
		admin: fmt.Sprintf("127.0.0.1:%d", ports[1]), exited: make(chan struct{}),
	}
	config := fmt.Sprintf(configText, p.admin, p.address(), strings.Join(etcd, `", "`))
	err = errors.Join(
		os.WriteFile(p.file("proxy.toml"), []byte(config), 0o600),
		os.WriteFile(p.file("userlist.txt"), []byte("\"app\" \"app\"\n"), 0o600),
	)
	if err == nil {
		err = p.start(binary)
	}
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if err := p.waitAccepting(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *portero) file(name string) string { return filepath.Join(p.dir, name) }
func (p *portero) address() string         { return net.JoinHostPort(p.host, p.port) }

func (p *portero) start(binary string) error {
	log, err := os.Create(p.file("portero.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(binary, "serve", "--config", p.file("proxy.toml"))
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := lab.StartChild(p.cmd); err != nil {
		return err
	}
	go p.reap()
	return nil
}

func (p *portero) reap() {
	_ = p.cmd.Wait() // its log tells why
	close(p.exited)
}

func (p *portero) waitAccepting(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return eventually(ctx, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		client, err := net.Dial("tcp", p.address())
		if err == nil {
			client.Close()
		}
		return err
	})
}

// alive is an error with the end of its log when Portero has ended.
func (p *portero) alive() error {
	select {
	case <-p.exited:
		return fmt.Errorf("portero ended by itself:\n%s", p.logTail())
	default:
		return nil
	}
}

func (p *portero) logTail() string {
	text, _ := os.ReadFile(p.file("portero.log"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

func (p *portero) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
	os.RemoveAll(p.dir)
}

// eventually asks until the answer is nil or ctx ends.
func eventually(ctx context.Context, ask func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, ctx.Err())
		case <-tick.C:
		}
	}
}
