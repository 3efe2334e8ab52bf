package lab

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// space is a network namespace of its own, held by a thread: with that thread, the last
// process and the last socket in it the namespace ends. It needs root.
type space struct {
	inside chan func() // run in the namespace
	ended  chan struct{}
}

// newSpace makes a namespace that nothing leads to. The caller closes it.
func newSpace() (*space, error) {
	s := &space{inside: make(chan func()), ended: make(chan struct{})}
	began := make(chan error, 1)
	go s.live(began)
	if err := <-began; err != nil {
		return nil, fmt.Errorf("network namespace (as root only): %w", err)
	}
	return s, nil
}

// live runs what is to be done in the namespace. The thread ends with it.
func (s *space) live(began chan<- error) {
	defer close(s.ended)
	runtime.LockOSThread()
	err := unix.Unshare(unix.CLONE_NEWNET)
	began <- err
	if err != nil {
		return
	}
	for f := range s.inside {
		f()
	}
}

// do runs f in the namespace. A process that f starts is in it too.
func (s *space) do(f func() error) error {
	done := make(chan error, 1)
	s.inside <- func() { done <- f() }
	return <-done
}

// ip runs the program ip in the namespace.
func (s *space) ip(args ...string) error {
	return s.do(func() error { return ip(args...) })
}

// forwardNothing keeps a host from answering for addresses that it has not.
func (s *space) forwardNothing() error {
	return s.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0) })
}

// thread is by what the program ip knows the namespace.
func (s *space) thread() string {
	thread := 0
	s.do(func() error { thread = unix.Gettid(); return nil }) //nolint:errcheck // cannot fail
	return strconv.Itoa(thread)
}

// close ends the thread.
func (s *space) close() {
	close(s.inside)
	<-s.ended
}

// ip runs the program ip where the calling thread is.
func ip(args ...string) error {
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
