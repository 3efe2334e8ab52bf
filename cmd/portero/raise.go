package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portero/passage"
)

// A Portero that runs can be asked to start its own program anew: a package has put a new
// version in its place, say. What it starts takes over as any other process does. Under
// systemd it so is a process of the same service, with the same rights.

// raising is the start of an heir by this process.
type raising struct {
	mu       sync.Mutex    // guards what follows
	arrivals chan arrival  // buffered; nil: nobody has asked for an heir
	told     chan struct{} // closed when who has asked knows what has become of it; nil: likewise
	heir     int           // the process that has asked for our place last
}

// arrival is what has become of a process that has asked for our place.
type arrival struct {
	pid     int
	version string
	err     error // nil: it has our place
}

// begin returns nil if an heir has been asked for already.
func (r *raising) begin() <-chan arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.arrivals != nil {
		return nil
	}
	r.arrivals, r.told = make(chan arrival, 1), make(chan struct{})
	return r.arrivals
}

func (r *raising) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.told)
	r.arrivals, r.told = nil, nil
}

// tellLimit is for who has asked for an heir to be told of it, before this process ends.
const tellLimit = time.Second

// awaitTold waits until whoever has asked for an heir has been told what has become of it.
func (r *raising) awaitTold() {
	r.mu.Lock()
	told := r.told
	r.mu.Unlock()
	if told == nil {
		return
	}
	select {
	case <-told:
	case <-time.After(tellLimit):
	}
}

// comes notes that a process, whoever has started it, asks for our place.
func (r *raising) comes(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.heir = pid
}

// came notes what has become of that.
func (r *raising) came(version string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.arrivals <- arrival{r.heir, version, err}:
	default: // nobody has asked
	}
}

// hasCome reports whether a process has asked for our place, and no other after it.
func (r *raising) hasCome(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heir == pid
}

// upgrade is a goroutine: it starts an heir for an operator, and tells what has become of it. It
// ends within raiseLimit.
func (in *instance) upgrade(operator passage.Conn) {
	defer operator.Close()
	operator.SetDeadline(time.Time{}) //nolint:errcheck // a closed connection fails at its first use
	arrivals := in.raising.begin()
	if arrivals == nil {
		operator.Send(message{Kind: failed, Reason: "another upgrade is under way"}, -1) //nolint:errcheck // nobody waits for it
		return
	}
	defer in.raising.end()
	operator.Send(message{Kind: starting, Version: version(), PID: os.Getpid()}, -1) //nolint:errcheck // it is done all the same
	answer := message{Kind: serves}
	next, err := in.raise(arrivals)
	if err != nil {
		in.log.Error("not upgraded", "error", err)
		answer = message{Kind: failed, Reason: err.Error()}
	}
	answer.Version, answer.PID = next.version, next.pid
	operator.Send(answer, -1) //nolint:errcheck // the log has it
}

const (
	// raiseLimit is for an heir to take our place, from its start. It is longer than
	// takeoverLimit, after which it gives up by itself.
	raiseLimit = takeoverLimit + 10*time.Second
	// endLimit is for one that does not to end by itself.
	endLimit = 5 * time.Second
)

// raise starts an heir and waits until it, or another process, has our place. An error: nobody
// has, and the heir has ended.
func (in *instance) raise(arrivals <-chan arrival) (arrival, error) {
	if err := checkHeir(); err != nil {
		return arrival{}, err
	}
	heir, err := startHeir()
	if err != nil {
		return arrival{}, err
	}
	in.log.Info("successor started", "program", ownProgram(), "pid", heir.pid)
	go heir.awaitEnd()
	next, err := in.awaitArrival(heir, arrivals)
	if err != nil {
		heir.end()
	}
	return next, err
}

func (in *instance) awaitArrival(heir *heir, arrivals <-chan arrival) (arrival, error) {
	late := time.NewTimer(raiseLimit)
	defer late.Stop()
	for {
		select {
		case next := <-arrivals:
			if next.err == nil || next.pid == heir.pid {
				return next, next.err
			}
		case <-heir.ended:
			if in.raising.hasCome(heir.pid) { // then it has said why
				next := <-arrivals
				return next, next.err
			}
			return arrival{}, fmt.Errorf("%s serve has ended: the log says why", ownProgram())
		case <-late.C:
			return arrival{}, fmt.Errorf("%s serve did not take over within %s", ownProgram(), raiseLimit)
		}
	}
}

// checkLimit is for the new program to read the configuration.
const checkLimit = 20 * time.Second

// checkHeir has the new program judge the configuration before anything is changed.
func checkHeir() error {
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	check := exec.CommandContext(ctx, ownProgram(), slices.Concat([]string{"check"}, os.Args[2:])...)
	check.Env = heirsEnvironment()
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("%s check (%w): %s", ownProgram(), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// heir is a process that was started to take our place. It is no child of ours.
type heir struct {
	pid   int
	fd    int           // pidfd_open(2); -1 on kernels before 5.3
	ended chan struct{} // closed at its end
}

// startHeir starts our own program as we were started. It has our standard input, output and
// error and no other descriptor, and leads a process group of its own, so that a signal for
// ours is not for it. Its parent is ours: systemd ends a main process that is nobody's child
// of its own with KILL right behind the TERM, and learns late of its end.
func startHeir() (*heir, error) {
	// What we have inherited ourselves is not for it either. Kernels before 5.11 cannot do that.
	unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) //nolint:errcheck // see above
	h := &heir{fd: -1, ended: make(chan struct{})}
	var err error
	// Not by package os, whose files would make the descriptors block, which the journal's
	// reader may have us share.
	h.pid, err = syscall.ForkExec(ownProgram(), os.Args, &syscall.ProcAttr{
		Env:   heirsEnvironment(),
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Cloneflags: syscall.CLONE_PARENT, PidFD: &h.fd},
	})
	if errors.Is(err, syscall.EINVAL) && os.Getpid() == 1 {
		err = errors.New("process 1, with whose end a container ends, can have no successor")
	}
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", ownProgram(), err)
	}
	return h, nil
}

// awaitEnd is a goroutine that ends with the heir, or with this process.
func (h *heir) awaitEnd() {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}, -1)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	close(h.ended)
}

// end waits for the end of an heir that does not take over, and sees to it.
func (h *heir) end() {
	if h.fd < 0 {
		return // it gives up by itself, after takeoverLimit
	}
	defer unix.Close(h.fd)
	late := time.NewTimer(endLimit)
	defer late.Stop()
	select {
	case <-h.ended:
	case <-late.C:
		unix.PidfdSendSignal(h.fd, unix.SIGKILL, nil, 0) //nolint:errcheck // it has ended just now
		<-h.ended
	}
}

// ownProgram is the path by which we were started: a package, or a symbolic link, may lead it
// to another file by now.
func ownProgram() string {
	if filepath.IsAbs(os.Args[0]) {
		return os.Args[0]
	}
	path, err := os.Executable() // as it was at our start
	if err != nil {
		return os.Args[0]
	}
	return path
}

// raisedBy tells an heir who has started it: it must not serve if nobody is left to take over from.
const raisedBy = "SUCCEED_PID"

// heirsEnvironment is ours, but for what is meant for this process alone (sd_listen_fds(3)).
func heirsEnvironment() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return slices.Contains([]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", raisedBy}, name)
	})
	return append(env, raisedBy+"="+strconv.Itoa(os.Getpid()))
}

// left is an error where nobody runs whose place we could take, although somebody did who has
// started us for that: he was told to end meanwhile, and so are we.
func left() error {
	if pid := os.Getenv(raisedBy); pid != "" {
		return errors.New("take over: process " + pid + ", which has started this one, has ended")
	}
	return nil
}

// tellFailure says why we do not take over after all; the other one goes on.
func (h *inheritance) tellFailure(err error) {
	if err != nil && h.isLeft() {
		h.from.Send(message{Kind: failed, Reason: err.Error()}, -1) //nolint:errcheck // it sees our end
	}
}
