package proxy_test

import (
	"net"
	"strings"
	"sync"
	"testing"

	"portero/internal/lab"
	"portero/wire"
)

// tap stands between Portero and the server, notes the statements that go to the server, and
// can hold back what the server says.
type tap struct {
	t       testing.TB
	address string

	mu     sync.Mutex // guards what follows
	flows  *sync.Cond
	said   []string // Queries, the texts of Parses, and the types of other frames
	holds  bool
	closed bool
}

// startTap starts one before the server of all tests.
func startTap(t testing.TB) *tap {
	t.Helper()
	x := &tap{t: t}
	x.flows = sync.NewCond(&x.mu)
	l := must(net.Listen("tcp", lab.AddressForTest(t)))(t)
	x.address = l.Addr().String()
	server := postgres(t).Address()
	var conns sync.WaitGroup
	t.Cleanup(func() {
		x.set(func() { x.closed, x.holds = true, false })
		l.Close()
		conns.Wait()
	})
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { x.serve(c, server) })
		}
	})
	return x
}

func (x *tap) set(change func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	change()
	x.flows.Broadcast()
}

// hold holds back what the server says until release.
func (x *tap) hold()    { x.set(func() { x.holds = true }) }
func (x *tap) release() { x.set(func() { x.holds = false }) }

// take returns what has gone to the server since the last call, in one line.
func (x *tap) take() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := strings.Join(x.said, " | ")
	x.said = nil
	return all
}

func (x *tap) has(words string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(strings.Join(x.said, " | "), words)
}

func (x *tap) serve(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		defer c.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := s.Read(b)
			if err != nil {
				return
			}
			x.mu.Lock()
			for x.holds {
				x.flows.Wait()
			}
			x.mu.Unlock()
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
	})
	x.forth(c, s)
	s.Close()
	back.Wait()
}

// forth passes on what Portero says. The first packet has no type.
func (x *tap) forth(c, s net.Conn) {
	var kept []byte
	b := make([]byte, 64<<10)
	for first := true; ; {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		if !first {
			kept = x.note(append(kept, b[:n]...))
		}
		first = false
		if _, err := s.Write(b[:n]); err != nil {
			return
		}
	}
}

// note notes whole frames and returns the rest.
func (x *tap) note(b []byte) []byte {
	for {
		f, ok, err := wire.Next(b)
		if err != nil || !ok || !f.Whole() {
			return b
		}
		text := string(f.Type)
		switch f.Type {
		case 'Q':
			text = strings.TrimSuffix(string(f.Body), "\x00")
		case 'P':
			_, rest, _ := wire.CutString(f.Body)
			sql, _, _ := wire.CutString(rest)
			text += "(" + string(sql) + ")"
		}
		x.set(func() { x.said = append(x.said, text) })
		b = b[wire.HeaderLen+f.Size:]
	}
}
