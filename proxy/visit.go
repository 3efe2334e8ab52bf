package proxy

import "portero/loop"

// A client at rest may go over to another loop (over.go). So who is not on its loop finds it
// by what stands here: Proxy.moving guards client.at, which the client's own loop alone writes,
// and reads without it. It is held for a Post at the most.

// onLoop runs fn on the client's loop if the client is there then: not before
// it is adopted, not after it has ended. Any goroutine.
func (c *client) onLoop(fn func(l *loop.Loop)) {
	c.visit(func(l *loop.Loop) {
		if c.live {
			fn(l)
		}
	})
}

// visit runs fn on the loop that the client belongs to then, even if it has ended. Any
// goroutine.
func (c *client) visit(fn func(l *loop.Loop)) {
	c.proxy.moving.RLock()
	defer c.proxy.moving.RUnlock()
	l := c.proxy.loops[c.at]
	l.Post(func() {
		if c.isAt(l) {
			fn(l)
		} else {
			c.visit(fn)
		}
	})
}

// home is the loop that the client belongs to at this moment. Any goroutine.
func (c *client) home() *loop.Loop {
	c.proxy.moving.RLock()
	defer c.proxy.moving.RUnlock()
	return c.proxy.loops[c.at]
}

// isAt reports whether the client belongs to l, which runs this: it remains there while
// that goes on. Nothing else of the client may be looked at before.
func (c *client) isAt(l *loop.Loop) bool {
	return c.home() == l
}
