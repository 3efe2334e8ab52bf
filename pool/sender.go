package pool

import (
	"sync"
	"sync/atomic"
)

// A notification has the process ID of the backend that sent it, and clients know
// themselves and each other by the ones that they were told at their login. So it
// is looked up who had the backend.

// backend is a server's process, as far as we can tell one from another.
type backend struct {
	address string
	pid     uint32
}

// backends is all servers of all pools, by their processes. Safe for concurrent use.
type backends struct{ servers sync.Map }

func (b *backends) add(s *Server)    { b.servers.Store(backend{s.address, s.pid}, s) }
func (b *backends) remove(s *Server) { b.servers.CompareAndDelete(backend{s.address, s.pid}, s) }

// senderOf is the process ID that the sender of a notification was told, if it is
// a client whom a server was lent for a transaction; else that of its backend.
func (b *backends) senderOf(address string, pid uint32) uint32 {
	if s, ok := b.servers.Load(backend{address, pid}); ok {
		if client := s.(*Server).sender.Load(); client != 0 {
			return client
		}
	}
	return pid
}

// sender is the client that has worked on a server last.
type sender struct{ atomic.Uint32 }

// SentBy says that what the server notifies of from now on is the doing of the
// client with this process ID.
func (s *Server) SentBy(client uint32) {
	if s.sender.Load() != client {
		s.sender.Store(client)
	}
}

// Sender is the client that a notification by the backend pid is the doing of,
// heard on s. Only the holder may ask.
func (s *Server) Sender(pid uint32) uint32 { return s.pool.owner.backends.senderOf(s.address, pid) }
