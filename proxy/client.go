package proxy

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"portero/loop"
	"portero/metrics"
	"portero/pool"
)

// mode is a pool mode: how long a client keeps its server.
type mode uint8

const (
	modeTransaction mode = iota
	modeSession
	modeStatement
)

var modes = map[string]mode{"transaction": modeTransaction, "session": modeSession, "statement": modeStatement}

// client is one client that has logged in. It is all that a client costs while
// it rests, so every field is weighed. It belongs to its loop.
type client struct {
	sock     loop.Socket
	loop     *loop.Loop
	proxy    *Proxy
	pool     *pool.Pool
	work     *work           // nil while the client rests
	settings pool.Settings   // what it has set
	ends     map[string]kind // its named statements that begin or end transactions; nil mostly
	addr     netip.AddrPort
	id       uint32 // the process ID in its cancel key
	secret   uint32 // the secret in its cancel key
	mode     mode
	greeted  bool // it has had its first ReadyForQuery
	live     bool // its loop has it, and it has not ended
}

// station is what the proxy keeps per loop. It belongs to that loop, but for
// the counter.
type station struct {
	proxy   *Proxy
	free    []*work
	clients atomic.Int32
}

// adopted gives the client to its loop and begins to greet it. rest is what it
// has sent beyond its login.
func (c *client) adopted(rest []byte) {
	l := c.loop
	c.live = true
	if err := c.sock.Attach(l); err != nil {
		c.proxy.log.Error("adopt client", "error", err)
		c.end(l, metrics.Internal)
		return
	}
	w := c.toWork(l)
	w.in.keep(l, rest)
	w.in.ready = len(rest) > 0
	w.clientReadable = true
}

// Ready implements loop.Handler.
func (c *client) Ready(l *loop.Loop, ev loop.Events) {
	w := c.work
	if w == nil {
		w = c.toWork(l)
	} else {
		l.Wake(w.task)
	}
	w.notice(ev)
}

// toWork gives a resting client a coroutine and buffers.
func (c *client) toWork(l *loop.Loop) *work {
	st := c.proxy.stations[l.ID]
	var w *work
	if n := len(st.free); n > 0 {
		w, st.free = st.free[n-1], st.free[:n-1]
	} else {
		w = &work{}
	}
	w.begin(c, l)
	c.work = w
	w.task = l.Start(w)
	return w
}

// maxFreeWorks bounds what a burst of clients leaves behind.
const maxFreeWorks = 1024

// toRest takes the coroutine and the buffers away again.
func (c *client) toRest(l *loop.Loop) {
	w := c.work
	c.work = nil
	c.sock.Watch(true)
	c.settings, c.ends = w.sess.settings, w.sess.ends
	w.rest()
	if st := c.proxy.stations[l.ID]; len(st.free) < maxFreeWorks {
		st.free = append(st.free, w)
	}
}

// end closes the client and takes it out of all books.
func (c *client) end(l *loop.Loop, why metrics.Reason) {
	c.live = false
	c.sock.Close()
	c.pool.Leave()
	c.proxy.stations[l.ID].clients.Add(-1)
	c.proxy.process.End(why)
	if c.proxy.cfg.Log.Connections {
		c.proxy.log.Info("client closed", "id", c.id, "address", c.addr, "user", c.pool.Key.User,
			"database", c.pool.Key.Database, "reason", why.String())
	}
	c.proxy.clients.remove(c)
}

// drain closes the client as soon as it is between two transactions. Any goroutine.
func (c *client) drain() {
	c.onLoop(func(l *loop.Loop) {
		if w := c.work; w != nil {
			l.Wake(w.task)
			return
		}
		c.sock.Write(errShutdown().Append(nil)) //nolint:errcheck // it is closed next
		c.end(l, metrics.Shutdown)
	})
}

// cut closes the client wherever it is. Any goroutine.
func (c *client) cut() {
	c.onLoop(func(l *loop.Loop) {
		w := c.work
		if w == nil {
			c.end(l, metrics.Shutdown)
			return
		}
		w.cut = true
		l.Wake(w.task)
	})
}

// onLoop runs fn on the client's loop if the client is there then: not before
// it is adopted, not after it has ended. Any goroutine.
func (c *client) onLoop(fn func(l *loop.Loop)) {
	c.loop.Post(func() {
		if c.live {
			fn(c.loop)
		}
	})
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
