package drivers

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// splitter forwards connections to an address, both ways, and writes each byte by itself, so
// that whoever reads finds every message cut at every place.
type splitter struct {
	listener net.Listener
	target   string
	bytes    atomic.Int64 // forwarded

	mu      sync.Mutex // guards what follows
	conns   []net.Conn
	closed  bool
	running sync.WaitGroup
}

// split starts a splitter that ends with the test.
func split(t *testing.T, target string) *splitter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &splitter{listener: l, target: target}
	s.running.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *splitter) address() string { return s.listener.Addr().String() }

func (s *splitter) accept() {
	for {
		from, err := s.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", s.target)
		if err != nil {
			_ = from.Close()
			continue
		}
		if s.keep(from, to) {
			s.running.Go(func() { s.forward(from.(*net.TCPConn), to.(*net.TCPConn)) })
			s.running.Go(func() { s.forward(to.(*net.TCPConn), from.(*net.TCPConn)) })
		}
	}
}

// keep remembers connections for close. After it, it closes them and is false.
func (s *splitter) keep(conns ...net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	s.conns = append(s.conns, conns...)
	return true
}

// forward ends when from does, and passes its end on. Go's connections do not wait to send
// more at once (TCP_NODELAY).
func (s *splitter) forward(from, to *net.TCPConn) {
	defer func() { _ = to.CloseWrite() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		for i := range n {
			if _, err := to.Write(buffer[i : i+1]); err != nil {
				_ = from.Close() // nobody reads any more: so its writer learns of it
				return
			}
			s.bytes.Add(1)
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				_ = to.Close()
			}
			return
		}
	}
}

func (s *splitter) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func TestDriversPrintTheSameOneByteAtATime(t *testing.T) {
	toServer := split(t, postgres(t).Address())
	portero := startPortero(t, toServer.address())
	toPortero := split(t, portero.Address)
	without := []string{"large"} // millions of writes
	const count = 2
	for _, p := range append(pgxPrograms(), program{name: "pq", run: runPQ}, program{name: "psql", run: runPsql}) {
		t.Run(p.name, func(t *testing.T) {
			through := client{address: toPortero.address(), route: "app_transaction", leftOut: without}
			want := direct(t, p, count)
			before := min(toServer.bytes.Load(), toPortero.bytes.Load())
			expectSame(t, p, want, runAll(t, p, count, through), without)
			if min(toServer.bytes.Load(), toPortero.bytes.Load()) == before {
				t.Error("nothing has been split")
			}
		})
	}
}
