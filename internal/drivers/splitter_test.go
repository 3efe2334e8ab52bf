package drivers

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// splitter forwards connections to an address, both ways. What is first, a login, comes byte
// by byte to whoever reads; the rest as it is.
type splitter struct {
	listener net.Listener
	target   string
	bytes    atomic.Int64 // that have come one by one
	fail     func(error)

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
	s := &splitter{listener: l, target: target, fail: func(err error) { t.Error(err) }}
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

// login is how many bytes of each way a splitter takes apart: those of a start and SCRAM, and
// more. From then on a Portero that reads and writes by single bytes does it itself.
const login = 600

// forward ends when from does, and passes its end on.
func (s *splitter) forward(from, to *net.TCPConn) {
	defer func() { _ = to.CloseWrite() }()
	err := s.takeApart(from, to)
	if err == nil {
		_, err = io.Copy(to, from)
	}
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET):
		_, _ = from.Close(), to.Close() // nobody reads or writes any more: so the other one learns of it
	case err != nil && !errors.Is(err, io.EOF):
		s.fail(err)
	}
}

// takeApart forwards a login. What comes while nobody reads is one piece to who reads then: so
// each byte waits until the one before has been read.
func (s *splitter) takeApart(from, to *net.TCPConn) error {
	reader, err := askAbout(to)
	if err != nil {
		return err
	}
	defer reader.close()
	buffer := make([]byte, login)
	for sent := 0; sent < login; {
		n, err := from.Read(buffer[sent:])
		for range n {
			if _, err := to.Write(buffer[sent : sent+1]); err != nil {
				return err
			}
			sent++
			s.bytes.Add(1)
			reader.await(uint64(sent))
		}
		if err != nil {
			return err
		}
	}
	return nil
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

// Whoever reads from a splitter reads one byte, however late, and both ways.
func TestASplitterGivesOneByteToEachRead(t *testing.T) {
	const text = "what is written in one piece"
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := split(t, server.Addr().String())
	client, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	behind, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	for _, way := range []struct {
		name     string
		from, to net.Conn
	}{{"to the server", client, behind}, {"to the client", behind, client}} {
		if _, err := io.WriteString(way.from, text); err != nil {
			t.Fatal(err)
		}
		var got []byte
		for buffer := make([]byte, 100); len(got) < len(text); {
			n, err := way.to.Read(buffer)
			if err != nil || n != 1 {
				t.Fatalf("%s: read %q behind %q, %v", way.name, buffer[:n], got, err)
			}
			got = append(got, buffer[0])
		}
		if string(got) != text {
			t.Errorf("%s: %q", way.name, got)
		}
	}
}

// Portero reads and writes one byte at a time, of clients and of servers, and so do they in turn
// at a login, which Portero reads and writes elsewhere.
func TestDriversPrintTheSameOneByteAtATime(t *testing.T) {
	toServer := split(t, postgres(t).Address())
	portero := serve(t, narrow, toServer.address())
	toPortero := split(t, portero.Address)
	const clients, rows = 1, 40 // a byte costs what a message does
	for _, p := range programs() {
		t.Run(p.name, func(t *testing.T) {
			through := client{address: toPortero.address(), route: p.databaseName() + "_transaction", rows: rows}
			want := direct(t, p, clients, rows)
			before := calls(t, portero)
			expectSame(t, p, want, runAll(t, p, clients, through))
			calls(t, portero).since(before).expectNarrow(t)
		})
	}
	if min(toPortero.bytes.Load(), toServer.bytes.Load()) == 0 {
		t.Error("no login has been taken apart")
	}
}
