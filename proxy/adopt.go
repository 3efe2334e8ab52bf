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
func (h *handshake) adopt(s startup, r *config.Route, credentials auth.Credentials, stop func() bool) error {
	p := h.proxy
	c := &client{proxy: p, loop: p.quietest(), at: h.now, listener: h.l, route: r, mode: modes[r.PoolMode], addr: addrPort(h.conn.RemoteAddr()),
		carried: session.Rest{Settings: s.settings, Base: s.settings, Pinning: pinning(r)}}
	key := h.now.key(r, h.l, s.database, s.user)
	c.database = s.database
	if c.mode == modeSession {
		if c.startup = pool.NewStartup(s.given); !c.startup.FitsPacket(key) {
			return wire.Fatal(wire.ProtocolViolation, "startup parameters are too long")
		}
	}
	rest := h.stream.Buffered()
	if err := c.join(key, credentials); err != nil {
		return err
	}
	p.clients.add(c)
	var err error
	if !stop() {
		err = net.ErrClosed // the proxy has ended meanwhile
	} else if err = h.conn.SetDeadline(time.Time{}); err == nil {
		err = c.sock.Open(h.conn, c)
	}
	if err != nil {
		c.pool.Leave()
		p.clients.remove(c)
		return err
	}
	p.gate.handedOver(h.caller)
	h.caller = nil
	p.stations[c.loop.ID].clients.Add(1)
	c.loop.Post(func() { c.adopted(rest) })
	return nil
}

// join counts the client in at the pool of a key, but for the kind of Citus' connections
// that it is of.
func (c *client) join(key pool.Key, credentials auth.Credentials) (err error) {
	name, _ := c.carried.Settings.Get("application_name")
	key.Citus = pool.CitusOrigin(name)
	if c.pool, err = c.proxy.pools.Join(key, c.route.PoolSize, c.route.MinPoolSize, credentials); err != nil {
		return err
	}
	if key.Citus != "" {
		c.pool.LogInAs(name)
	}
	return nil
}

// quietest is the loop with the fewest clients.
func (p *Proxy) quietest() *loop.Loop {
	best := p.loops[0]
	for _, l := range p.loops[1:] {
		if p.stations[l.ID].clients.Load() < p.stations[best.ID].clients.Load() {
			best = l
		}
	}
	return best
}

// adopted gives the client to its loop and begins to welcome it. rest is what it
// has sent beyond its login.
func (c *client) adopted(rest []byte) {
	l := c.loop
	c.live = true
	if err := c.sock.Attach(l); err != nil {
		c.proxy.log.Error("adopt client", "error", err)
		c.end(l, metrics.Internal)
		return
	}
	r := c.toWork(l)
	r.in.keep(l, rest)
	r.in.ready = len(rest) > 0
	r.clientReadable = true
}
