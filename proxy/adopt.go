package proxy

import (
	"net"
	"time"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/session"
	"portero/wire"
)

// adopt makes the client a socket on a loop.
func (h *handshake) adopt(s startup, r *config.Route, credentials auth.Credentials) error {
	p := h.proxy
	t := h.now.target(r, h.terms.cfg, s.database, s.user).as(s.replication)
	l := h.home()
	c := &client{at: uint16(l.ID), course: h.now.course(r, h.l), mode: modes[t.key.Mode], connected: secondsOf(loop.Clock()),
		carried: session.Rest{Settings: s.settings, Base: s.settings}}
	c.cameFrom(h.address())
	if c.mode == modeSession {
		st := s.startupOf()
		if !st.FitsPacket(t.key) {
			return wire.Fatal(wire.ProtocolViolation, "startup parameters are too long")
		}
		if st != (pool.Startup{}) {
			c.needRare().startup = st
		}
	}
	rest := h.stream.Buffered()
	if err := c.join(p, s.user, s.database, t, h.now.serverCredentials(r, credentials)); err != nil {
		return err
	}
	p.clients.add(c)
	if err := h.giveSocket(c); err != nil {
		c.leavePool()
		p.clients.remove(c)
		return err
	}
	c.sock.ForgetConn()
	hello := h.stream.Held()
	h.stream.Free()
	h.stream = nil
	p.gate.handedOver(h.caller)
	h.caller = nil
	p.stations[l.ID].load.Clients.Add(1)
	if h.onLoop() {
		c.adopted(l, rest, hello)
	} else {
		l.Post(func() { c.adopted(l, rest, hello) })
	}
	return nil
}

// home is the loop that the client will be on.
func (h *handshake) home() *loop.Loop {
	if h.onLoop() {
		return h.at.loop
	}
	return h.proxy.choose()
}

// giveSocket gives the connection to the client.
func (h *handshake) giveSocket(c *client) error {
	if h.isCut() {
		return net.ErrClosed // the proxy has ended meanwhile
	}
	if h.onLoop() {
		c.sock.TakeOver(&h.at.sock, c)
		return nil
	}
	if err := h.conn.SetDeadline(time.Time{}); err != nil {
		return err //nolint:wrapcheck // refuse tells the kinds apart
	}
	return c.sock.Open(h.conn, c) //nolint:wrapcheck // likewise
}

// join counts the client in at the pool that is its target, but for the kind of Citus'
// connections that it is of.
func (c *client) join(p *Proxy, user, database string, t target, credentials auth.Credentials) (err error) {
	if !t.key.Replicates() { // whose servers are opened with their own names
		t.key.Citus = pool.OriginOf(c.carried.Settings)
	}
	ofUser, ofDatabase, enter := c.by.cfg.User(user).MaxUserClientConnections, c.route.MaxDBClientConnections, p.pools.JoinAs
	if c.welcomed { // another process has passed it on: it has been let in before
		ofUser, ofDatabase, enter = 0, 0, p.pools.Rejoin
	}
	if c.identity, err = p.census.enter(user, database, realmOf(t.key), ofUser, ofDatabase); err != nil {
		return err
	}
	if c.pool, err = enter(database, t.key, t.terms, credentials); err != nil {
		p.census.leave(c.identity, realmOf(t.key))
		return err
	}
	c.joinSpread(t.terms, credentials)
	if !c.isStale() { // else it agrees to newer ones before its first transaction
		c.agree(t.terms)
	}
	return nil
}

// leavePool counts it out.
func (c *client) leavePool() {
	if sp := c.spread(); sp != nil {
		sp.Leave()
	}
	if c.pool.BetweenNodes() {
		c.pool.Exits(uint64(c.id))
	}
	c.pool.Leave()
	c.proxy.census.leave(c.identity, realmOf(c.pool.Key))
}

// adopted gives the client to its loop and begins to welcome it. rest is what it
// has sent beyond its login, hello what it has not been sent of that.
func (c *client) adopted(l *loop.Loop, rest, hello []byte) {
	c.live = true
	if err := c.sock.Attach(l); err != nil {
		c.proxy.log.Error("adopt client", "error", err)
		c.end(l, metrics.Internal)
		return
	}
	r := c.toWork(l)
	r.hello = hello
	r.in.keep(l, rest)
	r.in.ready = len(rest) > 0
	r.clientReadable = c.sock.IsTLS() // which may have read ahead; of others epoll tells
}
