package proxy

import (
	"portero/loop"
	"portero/metrics"
)

// end closes the client and takes it out of all books: the one place where a
// client that has logged in ends.
func (c *client) end(l *loop.Loop, why metrics.Reason) {
	c.sock.Close()
	if c.relay != nil {
		c.carried = c.relay.sess.Rest()
	}
	c.leaveBooks(l, why)
}

func (c *client) leaveBooks(l *loop.Loop, why metrics.Reason) {
	c.live = false
	if h := c.seldom().hearer; h != nil {
		c.pool.Deafen(h)
	}
	c.carried.End()
	c.leavePool()
	c.proxy.stations[l.ID].load.Clients.Add(-1)
	c.proxy.process.End(why)
	if c.proxy.config().Log.Connections {
		c.proxy.log.Info("client closed", "id", c.id, "address", c.address(), "user", c.person.name,
			"database", c.pool.Key.Database, "reason", why.String())
	}
	c.proxy.gate.clientLeft()
	c.proxy.clients.remove(c)
}

// finish ends a client at work, whose server is cleaned and given back first.
func (r *relay) finish(why metrics.Reason) {
	c := r.c
	c.live = false
	c.sock.Close() // at once; cleaning the server may take a while
	r.stopWatch()
	if r.claim.Server != nil {
		r.clean(why)
	}
	r.flow = flow{}
	r.unpin()
	c.end(r.loop, why)
	c.relay = nil
	r.letGo()
	if st := c.proxy.stations[r.loop.ID]; len(st.free) < maxFreeRelays {
		st.free = append(st.free, r)
	}
}

// abandon ends a client whose coroutine cannot go on: after a panic, or when
// Portero waits no longer. It never parks, and the relay is not used again.
func (r *relay) abandon(why metrics.Reason) {
	c := r.c
	if c == nil {
		return
	}
	r.catchUp()
	r.unpin()
	r.stopWatch()
	last := errShutdown
	if why == metrics.Shutdown && r.killed {
		why, last = metrics.Killed, errKilled
	}
	if why == metrics.Killed && r.claim.Server != nil && (r.sess.Working() || r.sender.works()) {
		r.at.Abort(&r.claim, why)
	}
	r.at.Abandon(&r.claim, why)
	if (why == metrics.Shutdown || why == metrics.Killed) && r.out.passing == 0 { // else in the middle of a message
		r.tell(last())
	}
	c.end(r.loop, why)
	c.relay = nil
}

// drain closes the client as soon as it is between two transactions, or passes it to who
// takes our place. Any goroutine.
func (c *client) drain() {
	c.onLoop(func(l *loop.Loop) {
		if r := c.relay; r != nil {
			l.Wake(r.task)
			return
		}
		if c.pass(l) {
			return
		}
		c.sock.Write(errShutdown().Append(nil)) //nolint:errcheck // it is closed next
		c.end(l, metrics.Shutdown)
	})
}

// cut closes the client wherever it is. Any goroutine.
func (c *client) cut() {
	c.onLoop(func(l *loop.Loop) {
		r := c.relay
		if r == nil {
			c.sock.Write(errShutdown().Append(nil)) //nolint:errcheck // it is closed next
			c.end(l, metrics.Shutdown)
			return
		}
		r.cut = true
		l.Wake(r.task)
	})
}
