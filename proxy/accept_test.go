package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portero/config"
	"portero/loop"
	"portero/metrics"
)

// poor is a listener that is out of descriptors every other time.
type poor struct {
	net.Listener
	calls, end int
}

func (l *poor) Accept() (net.Conn, error) {
	switch l.calls++; {
	case l.calls > l.end:
		return nil, net.ErrClosed
	case l.calls%2 == 0:
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	conn, far := net.Pipe()
	far.Close()
	return conn, nil
}

func (l *poor) Addr() net.Addr { return &net.TCPAddr{} }

func TestWantOfDescriptorsIsNotSaidEachTime(t *testing.T) {
	var log bytes.Buffer
	process := &metrics.Process{}
	p := New(config.Default(), Room{Clients: 100, Logins: 100, Late: 1}, nil, nil, nil, process, slog.New(slog.NewTextHandler(&log, nil)))
	p.accepting.Add(1)
	l := &listener{Listener: &poor{end: 100}}
	l.terms.Store(&terms{cfg: &p.config().Listeners[0]})
	p.accept(l)
	p.handshakes.Wait()
	if n := process.ClientsAccepted.Load(); n != 50 {
		t.Errorf("%d connections were accepted, want 50", n)
	}
	if n := strings.Count(log.String(), "msg=accept"); n < 1 || n > 3 {
		t.Errorf("it is said %d times:\n%s", n, log.String())
	}
}

// lines is a log that is read as it is written.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default: // nobody reads so many
	}
	return len(b), nil
}

func TestDoorWhereNothingCanBeAcceptedPausesLongerEachTimeAndCloses(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0) // it does not listen
	if err != nil {
		t.Fatal(err)
	}
	on, err := loop.New(0)
	if err != nil {
		t.Fatal(err)
	}
	go on.Run()
	defer on.Stop()
	log := make(lines, 100)
	p := New(config.Default(), Room{Clients: 1, Logins: 1, Late: 1}, nil, nil, []*loop.Loop{on}, &metrics.Process{},
		slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	d := &door{number: fd, address: &net.TCPAddr{}, gone: make(chan struct{})}
	d.sock.Adopt(fd, d)
	p.accepting.Add(1)
	d.open(p, &listener{Listener: d})
	loud := 0
	for range 4 {
		line := <-log
		if !strings.Contains(line, "msg=accept") {
			t.Errorf("it is said: %s", line)
		}
		loud += strings.Count(line, "level=ERROR")
	}
	d.Close()
	p.accepting.Wait()
	if loud != 1 || d.nextTime < 8*time.Millisecond {
		t.Errorf("%d loud lines, and a pause of %s behind the fourth time", loud, d.nextTime)
	}
	if err := (*rawDoor)(d).Control(func(uintptr) {}); err != net.ErrClosed {
		t.Errorf("a closed one is passed on: %v", err)
	}
}

// In a takeover the socket lives on in another process, whose clients are not ours.
func TestAClosedDoorHearsNothingOfASocketThatWasPassedOn(t *testing.T) {
	on, err := loop.New(0)
	if err != nil {
		t.Fatal(err)
	}
	go on.Run()
	defer on.Stop()
	p := New(config.Default(), Room{Clients: 1, Logins: 1, Late: 1}, nil, nil, []*loop.Loop{on}, &metrics.Process{}, slog.New(slog.DiscardHandler))
	under, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDoor(under.(*net.TCPListener))
	if err != nil {
		t.Fatal(err)
	}
	passed, err := unix.Dup(d.number)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(passed)
	p.accepting.Add(1)
	d.open(p, &listener{Listener: d})
	d.Close()
	var of unix.Stat_t
	if err := unix.Fstat(passed, &of); err != nil {
		t.Fatal(err)
	}
	infos, err := filepath.Glob("/proc/self/fdinfo/*") // of epoll: what it watches (proc(5))
	if err != nil || len(infos) == 0 {
		t.Fatal(infos, err)
	}
	for _, path := range infos {
		info, _ := os.ReadFile(path) // closed meanwhile
		if strings.Contains(string(info), fmt.Sprintf(" ino:%x ", of.Ino)) {
			t.Errorf("it is watched: %s", info)
		}
	}
}
