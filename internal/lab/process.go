package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// command is what to run as a process of a site.
type command struct {
	path     string
	args     []string
	env      []string       // beside a plain environment
	dir      string         // working directory, below the site's: marks the process as the site's
	log      string         // takes what it prints
	out      *os.File       // takes it in place of log
	orphaned syscall.Signal // what the kernel sends when this program dies
	space    *space         // where it runs; nil: in no namespace of its own
}

// process is a direct child. It leads its own process group.
type process struct {
	cmd    *exec.Cmd
	log    string
	exited chan struct{} // closed once the process is gone and waited for
}

// start runs c as the site's owner.
func (s *site) start(c command) (*process, error) {
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Stdout, cmd.Stderr = log, log
	if c.out != nil {
		cmd.Stdout, cmd.Stderr = c.out, c.out
	}
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.dir, "LC_ALL=C.UTF-8", "TMPDIR=" + c.dir}, c.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:    true,
		Pdeathsig:  c.orphaned,
		Credential: s.owner.credential,
	}
	start := onStarterThread
	if c.space != nil {
		start = c.space.do // a thread that lives as long as what runs in the space
	}
	if err := start(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.path), err)
	}
	p := &process{cmd: cmd, log: c.log, exited: make(chan struct{})}
	s.startedMu.Lock()
	s.started = append(s.started, p)
	s.startedMu.Unlock()
	go p.reap()
	return p, nil
}

func (p *process) reap() {
	_ = p.cmd.Wait() // how it ended is in its log; who cares whether it did looks at exited
	close(p.exited)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// alive is an error with the end of its log when it has ended, after which Poll stops asking.
func (p *process) alive() error {
	if p.running() {
		return nil
	}
	return hopeless{errors.New(filepath.Base(p.cmd.Path) + " has ended\n" + tail(p.log))}
}

// waitListening waits until it accepts connections: who does so spares etcd's client a first
// failed dial, after which that waits a second.
func (p *process) waitListening(ctx context.Context, address string) error {
	return Poll(ctx, "wait for "+filepath.Base(p.cmd.Path)+" on "+address, func() error {
		if err := p.alive(); err != nil {
			return err
		}
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// signal sends sig to the process group. It is no error if it is gone.
func (p *process) signal(sig syscall.Signal) {
	if p != nil && p.running() {
		_ = syscall.Kill(-p.pid(), sig)
	}
}

// kill ends the process group with SIGKILL and waits for the process.
func (p *process) kill() {
	if p == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// run runs c to its end; what it printed is part of the error.
func (s *site) run(c command) error {
	c.orphaned = syscall.SIGKILL
	p, err := s.start(c)
	if err != nil {
		return err
	}
	<-p.exited
	if state := p.cmd.ProcessState; !state.Success() {
		return fmt.Errorf("%s: %s\n%s", filepath.Base(c.path), state, tail(c.log))
	}
	return nil
}

// onStarterThread calls f on the one OS thread that starts children and lives as long as the
// program: the kernel takes the end of the thread that started a child for the parent's death.
func onStarterThread(f func() error) error {
	done := make(chan error, 1)
	starterThread() <- func() { done <- f() }
	return <-done
}

var starterThread = sync.OnceValue(func() chan<- func() {
	calls := make(chan func())
	go serveStarterThread(calls)
	return calls
})

func serveStarterThread(calls <-chan func()) {
	runtime.LockOSThread()
	for f := range calls {
		f()
	}
}

// tail is the end of a log, for error messages; without what a Witness says there.
func tail(path string) string {
	const lines = 15
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	all = slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, witnessed) })
	return path + ":\n  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}
