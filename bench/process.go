package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"portero/internal/lab"
)

// startTimeout is for one server to come up, stopTimeout for it to go before it is killed.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
)

// process is one server that this program started; whoever started it calls stop.
type process struct {
	name   string
	cmd    *exec.Cmd
	cancel context.CancelFunc
	output *output
	done   chan struct{} // closed when it has ended
}

// startProcess starts argv and returns at once. It ends with stop, or with ctx, or, should
// this program be killed, with this program.
func startProcess(ctx context.Context, dir string, as *syscall.Credential, end syscall.Signal, argv ...string) (*process, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &process{name: argv[0], cancel: cancel, output: &output{}, done: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Dir = dir
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(end) }
	p.cmd.WaitDelay = stopTimeout
	// A group of its own: an interrupt from the terminal reaches us alone, and we stop it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true, Pdeathsig: end}
	if err := p.cmd.Start(); err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", argv[0], err)
	}
	go p.wait()
	return p, nil
}

func (p *process) wait() {
	_ = p.cmd.Wait() // how it ended matters only while it is needed, and then alive notices
	close(p.done)
}

// stop ends the process and waits until it is gone.
func (p *process) stop() {
	p.cancel()
	<-p.done
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// until polls ready until it returns nil; it gives up when the process has ended, ctx is done
// or startTimeout has passed, and then says what the process wrote last.
func (p *process) until(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.name, err, p.output)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.name, err, p.output)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// runTool runs a program to its end and returns what it wrote; the error carries it too.
func runTool(ctx context.Context, dir string, as *syscall.Credential, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, out)
	}
	return string(out), err
}

// output keeps the end of what a process writes.
type output struct {
	mu   sync.Mutex // guards kept
	kept []byte
}

func (o *output) Write(b []byte) (int, error) {
	const most = 8 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, b...)
	if excess := len(o.kept) - most; excess > 0 {
		o.kept = append(o.kept[:0], o.kept[excess:]...)
	}
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.kept)
}

// freePort is a port that no other lab on this machine takes, below the range out of which
// thousands of clients will be given theirs.
func freePort() (int, error) {
	ports, err := lab.ReservePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
