package proxy

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"portero/metrics"
	"portero/wire"
)

// caller is a connection on which nobody has logged in yet. The gate may turn
// it out while its bytes are waited for, so it is read through this type.
type caller struct {
	net.Conn
	gate *gate
	high bool // its descriptor is one of those that are kept for others

	// The gate's lock guards what follows.
	late      bool // it is beyond the number of clients
	console   bool // it is one of the console's
	settled   bool // it has logged in there
	looksOn   bool // ... and is no admin
	index     int  // in the callers of its lobby
	doing     doing
	heard     bool      // at least a byte has come
	since     time.Time // it is waited for
	turnedOut bool
}

// doing is what a caller's handshake does.
type doing uint8

const (
	waiting  doing = iota // for the caller's bytes
	working               // on what has come
	answered              // waiting for the caller to go
)

// errTurnedOut ends the handshake of a caller that had to give way.
var errTurnedOut = errors.New("turned out, for another to come in")

// Read is conn's, and tells the gate who is being waited for.
func (c *caller) Read(b []byte) (int, error) {
	if !c.is(waiting, 0) {
		return 0, errTurnedOut
	}
	n, err := c.Conn.Read(b)
	if !c.is(working, n) {
		return 0, errTurnedOut
	}
	return n, err
}

// is notes what the handshake does now, n bytes having come. False: the caller
// has been turned out.
func (c *caller) is(now doing, n int) bool {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if now == waiting && c.heard {
		c.since = time.Now()
	}
	if c.doing != answered { // which it remains, whatever TLS reads
		c.doing = now
	}
	c.heard = c.heard || n > 0
	return !c.turnedOut
}

// tooMany is why a caller has been turned out.
func (c *caller) tooMany() (metrics.Reason, *wire.Error) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.late {
		return metrics.TooManyClients, errTooManyClients()
	}
	return metrics.TooManyLogins, errTooManyLogins()
}

// isLate reports whether it is beyond the number of clients.
func (c *caller) isLate() bool {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	return c.late
}

// SyscallConn makes the caller fit for a loop.Socket.
func (c *caller) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn() //nolint:wrapcheck // it is the connection's own
}

// descriptor is the number of conn's descriptor.
func descriptor(conn net.Conn) (number int) {
	control(conn, func(fd int) { number = fd })
	return number
}

// hasBytes reports whether something has come that nobody has read yet. On a
// busy machine that may take its goroutine a while.
func hasBytes(conn net.Conn) bool {
	n := 0
	control(conn, func(fd int) { n, _ = unix.IoctlGetInt(fd, unix.SIOCINQ) })
	return n > 0
}

// control runs fn with the descriptor of conn, unless that has been closed.
func control(conn net.Conn, fn func(fd int)) {
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { fn(int(fd)) }) //nolint:errcheck // a closed connection has none
	}
}
