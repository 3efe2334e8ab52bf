package proxy

import (
	"encoding/binary"
	"time"

	"portero/loop"
	"portero/pool"
)

// Cancel serves a CancelRequest, in the goroutine of its own connection: key is what it has
// in it, and from who has sent it, for the log. It blocks until PostgreSQL has closed the
// connection to it, so that a driver which waits for the end, as libpq does, knows that the
// signal is on its way.
func (p *Proxy) Cancel(key []byte, from string) {
	if len(key) != 8 {
		return
	}
	pid, secret := binary.BigEndian.Uint32(key), key[4:]
	if c := p.clients.findConsole(pid, secret); c != nil {
		c.cancel()
		return
	}
	c := p.clients.find(pid, secret)
	if c == nil && p.Forward != nil {
		p.Forward(p.ctx, key)
	}
	if c == nil {
		return
	}
	over := p.clients.poolOf(c).AwaitCancel()
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
			p.log.Warn("cancel request", "address", from, "error", err)
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
	case !r.sess.Busy() && !r.sender.on && !r.moving:
		return pool.Cancel{}, false
	case r.claim.Server != nil && !r.asking:
		return r.claim.BeginCancel()
	}
	r.cancelled = true
	l.Wake(r.task)
	return pool.Cancel{}, false
}
