package admin

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// MaxConnections is how many HTTP connections there are at once: a scraper that forgets to
// close them must not use up the descriptors of the process.
const MaxConnections = 16

// connections keeps the number within MaxConnections. Whoever comes takes the place of the
// one that has been of no use for longest; requests being answered are not cut, and bounded by
// the server's timeouts.
type connections struct {
	mu   sync.Mutex // guards open
	open map[net.Conn]connection
}

type connection struct {
	busy  bool      // a request of it is being read or answered
	since time.Time // it has been, or has not been
}

// changed is the server's ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if gone := c.note(conn, state); gone != nil {
		gone.Close() //nolint:errcheck // the server's own goroutine notices
	}
}

// note returns the connection that has to go, nil mostly.
func (c *connections) note(conn net.Conn, state http.ConnState) (gone net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if len(c.open) >= MaxConnections {
			if gone = c.uselessLocked(); gone == nil {
				return conn
			}
			delete(c.open, gone)
		}
		c.open[conn] = connection{since: time.Now()}
	case http.StateActive, http.StateIdle:
		if _, known := c.open[conn]; known {
			c.open[conn] = connection{busy: state == http.StateActive, since: time.Now()}
		}
	default:
		delete(c.open, conn)
	}
	return gone
}

// uselessLocked is the connection that has been without a request for longest, nil if there
// is none.
func (c *connections) uselessLocked() (oldest net.Conn) {
	for conn, of := range c.open {
		if !of.busy && (oldest == nil || of.since.Before(c.open[oldest].since)) {
			oldest = conn
		}
	}
	return oldest
}
