package proxy

import (
	"errors"
	"syscall"

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
	*identity            // who it is to us, and the proxy
	pool                 *pool.Pool
	*course                           // where it came in, and is led to
	relay                *relay       // nil while the client rests
	carried              session.Rest // what its session must know the next time
	rare                 *rare        // nil mostly
	id                   uint32       // its number
	secret               uint32       // the secret in its cancel key
	rested               uint32       // when it came to rest, by atRest
	connected, requested seconds      // when it had logged in, and came to its last work
	from4                from4        // where it came from, if by TCP and IPv4
	at                   uint16       // the number of its loop; see visit.go
	mode                 mode
	welcomed             bool // it has had its first ReadyForQuery
	live                 bool // its loop has it, and it has not ended
	tied                 bool // it has been told the process ID of its server; the registry's
}

// isReset reports whether the peer has broken the connection off.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
