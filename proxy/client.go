package proxy

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unique"

	"portero/loop"
	"portero/pool"
	"portero/session"
)

// mode is a pool mode: how long a client keeps its server.
type mode uint8

const (
	modeTransaction mode = iota
	modeSession
	modeStatement
)

var modes = map[string]mode{"transaction": modeTransaction, "session": modeSession, "statement": modeStatement,
	pool.LogicalReplication: modeSession, pool.PhysicalReplication: modeSession}

// client is one client that has logged in. It is all that a client costs while
// it rests, so every field is weighed. It belongs to its loop.
type client struct {
	sock                 loop.Socket
	loop                 *loop.Loop // see visit.go
	*person                         // who it is to us, and the proxy: all clients of a user share them
	pool                 *pool.Pool
	*course                           // where it came in, and is led to
	relay                *relay       // nil while the client rests
	carried              session.Rest // what its session must know the next time
	hearer               *pool.Hearer // nil until it listens by the pool's ear
	addr                 netip.AddrPort
	database             unique.Handle[string] // as it names it
	startup              pool.Startup          // what its server is opened with; session mode only
	id                   uint32                // its number
	backend              uint32                // the process ID of its server, once it has been told that; session mode only
	secret               uint32                // the secret in its cancel key
	rested               uint32                // when it came to rest, by atRest
	connected, requested seconds               // when it had logged in, and came to its last work
	mode                 mode
	pinsTold             session.Pins // why it was pinned, as far as the log has been told
	welcomed             bool         // it has had its first ReadyForQuery
	live                 bool         // its loop has it, and it has not ended
}

// addrPort is the client's address; the zero value for a Unix socket.
func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

// isReset reports whether the peer has broken the connection off.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
