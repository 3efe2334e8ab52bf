package proxy

import (
	"encoding/binary"
	"net"
	"time"

	"portero/loop"
	"portero/pool"
)

// cancel serves a CancelRequest, in the goroutine of its own connection. That
// is kept open until PostgreSQL has closed the one to it, so that a driver
// which waits for the end, as libpq does, knows that the signal is on its way.
func (p *Proxy) cancel(conn net.Conn, body []byte) {
	if len(body) != 8 {
		return
	}
	pid, secret := binary.BigEndian.Uint32(body), body[4:]
	if c := p.clients.findConsole(pid, secret); c != nil {
		c.cancel()
		return
	}
	c := p.clients.find(pid, secret)
	if c == nil {
		return
	}
	over := c.pool.AwaitCancel()
	mayGo := p.takeTurn()
	over()
	if !mayGo {
		return
	}
	defer func() { <-p.cancels }()
	found := make(chan pool.Cancel, 1)
	c.loop.Post(func() {
		defer close(found)
		if !c.live || c.relay == nil {
			return
		}
		if x, ok := c.relay.cancel(c.loop); ok {
			found <- x
		}
	})
	select {
	case <-p.ctx.Done():
	case x, ok := <-found:
		if !ok {
			return
		}
		if err := x.Send(p.ctx); err != nil {
			p.log.Warn("cancel request", "address", conn.RemoteAddr().String(), "error", err)
		}
	}
}

// takeTurn waits until the request may have a connection to a server, of which
// there are only so many for cancel requests. False: its time is over.
func (p *Proxy) takeTurn() bool {
	late := time.NewTimer(p.config().Pool.CancelWaitTimeout)
	defer late.Stop()
	select {
	case p.cancels <- struct{}{}:
		return true
	case <-late.C:
	case <-p.ctx.Done():
	}
	return false
}

// cancel ties the request to the server, if one works for the client. A client
// that waits for a server, or for a server to be made ready, is told by us.
func (r *relay) cancel(l *loop.Loop) (pool.Cancel, bool) {
	switch {
	case !r.sess.Busy():
		return pool.Cancel{}, false
	case r.claim.Server != nil && !r.asking:
		return r.claim.BeginCancel()
	}
	r.cancelled = true
	l.Wake(r.task)
	return pool.Cancel{}, false
}
