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
	if x, ok := p.tie(c); ok {
		switch err := x.Send(p.ctx); {
		case err == nil:
		case p.ctx.Err() != nil: // by us, at the end of the process; the client may go on in another
			p.log.Debug("cancel request broken off", "address", from, "error", err)
		default:
			p.log.Warn("cancel request", "address", from, "error", err)
		}
	}
}

// tied is what a client's loop says to a cancel request.
type tied struct {
	cancel pool.Cancel
	ok     bool // there is a server for it
	early  bool // what the server is at is not the client's yet: ask again
}

// nameTakes is after how long one asks again: a server takes some 0.1 ms for a name.
const nameTakes = time.Millisecond

// tie ties the request to the client's server. It waits while that is at what goes ahead of the
// client's own (session.GoesAhead), as the signal would hit that in place of it.
func (p *Proxy) tie(c *client) (x pool.Cancel, ok bool) {
	late := time.NewTimer(p.config().Pool.CancelWaitTimeout)
	defer late.Stop()
	for {
		answer := make(chan tied, 1)
		c.visit(func(l *loop.Loop) {
			var t tied
			if c.live && c.relay != nil {
				t = c.relay.cancel(l)
			}
			answer <- t
		})
		select {
		case <-p.ctx.Done():
			return x, false
		case t := <-answer:
			if !t.early {
				return t.cancel, t.ok
			}
		}
		again := time.NewTimer(nameTakes)
		select {
		case <-again.C:
		case <-late.C:
			again.Stop()
			return x, false
		case <-p.ctx.Done():
			again.Stop()
			return x, false
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
func (r *relay) cancel(l *loop.Loop) (t tied) {
	switch {
	case !r.sess.Busy() && !r.sender.on && !r.moving:
	case r.claim.Server != nil && !r.asking && r.sess.GoesAhead():
		t.early = true
	case r.claim.Server != nil && !r.asking:
		t.cancel, t.ok = r.claim.BeginCancel()
	default:
		r.cancelled = true
		l.Wake(r.task)
	}
	return t
}
