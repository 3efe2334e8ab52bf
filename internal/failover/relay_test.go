package failover

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is a way to a server that can be cut off and comes back: what goes this way
// sees it gone, and nobody else does.
type relay struct {
	address string // of its own
	to      string // the server's

	listener net.Listener
	working  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	down  bool
	conns map[net.Conn]struct{}
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: l.Addr().String(), to: to, listener: l, conns: make(map[net.Conn]struct{})}
	r.working.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.cut()
		r.working.Wait()
	})
	return r
}

func (r *relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.to)
		if err != nil {
			conn.Close()
			continue
		}
		if r.keep(conn, server) {
			r.working.Go(func() { r.pass(conn, server) })
			r.working.Go(func() { r.pass(server, conn) })
		}
	}
}

// keep remembers both ends of a connection, or closes them if the way is cut off.
func (r *relay) keep(a, b net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down {
		a.Close()
		b.Close()
		return false
	}
	r.conns[a], r.conns[b] = struct{}{}, struct{}{}
	return true
}

func (r *relay) pass(from, to net.Conn) {
	io.Copy(to, from) //nolint:errcheck // however it ends, both end
	from.Close()
	to.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, from)
}

// cut ends what is there and lets nothing through until mend.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for c := range r.conns {
		c.Close()
	}
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}
