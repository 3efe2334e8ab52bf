package loop

import (
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

const patience = 60 * time.Second

// startLoop runs a loop until the test ends.
func startLoop(t testing.TB, id int) *Loop {
	t.Helper()
	l, err := New(id)
	if err != nil {
		t.Fatal(err)
	}
	l.OnPanic = func(v any, stack []byte) { t.Errorf("panic on the loop: %v\n%s", v, stack) }
	go l.Run()
	t.Cleanup(l.Stop)
	return l
}

// do runs fn on the loop and waits for its end.
func do(t testing.TB, l *Loop, fn func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(func() {
		defer close(done)
		fn()
	})
	await(t, done, "a posted function")
}

func await(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		buf := make([]byte, 1<<16)
		t.Fatalf("%s has not ended\n%s", what, buf[:runtime.Stack(buf, true)])
	}
}

// eventually asks until it is told true.
func eventually(t testing.TB, what string, ask func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for !ask() {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
		<-time.After(100 * time.Microsecond) // the loop may need the processor
	}
}

type runnerFunc func(t *Task)

func (f runnerFunc) Run(t *Task) { f(t) }

// journal is a list of words that several goroutines write.
type journal struct {
	mu    sync.Mutex
	words []string
}

func (j *journal) add(word string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.words = append(j.words, word)
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.words...)
}

// tcpPair returns two ends of one TCP connection.
func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	far.SetDeadline(time.Now().Add(patience))
	t.Cleanup(func() { far.Close() })
	return near, far
}

// peer is a Handler that hands its events to a Task, as clients and servers do.
type peer struct {
	sock Socket
	task *Task
	ev   Events
	seen int // calls of Ready
}

func (p *peer) Ready(l *Loop, ev Events) {
	p.seen++
	p.ev |= ev
	if p.task != nil {
		l.Wake(p.task)
	}
}

// adopt gives one end of a new connection to a loop and returns the other.
func adopt(t testing.TB, l *Loop) (*peer, net.Conn) {
	t.Helper()
	near, far := tcpPair(t)
	p := &peer{}
	if err := p.sock.Open(near, p); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() {
		if err := p.sock.Attach(l); err != nil {
			t.Error(err)
		}
	})
	return p, far
}

func descriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
