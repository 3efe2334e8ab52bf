package proxy

import (
	"net"
	"time"
	"unique"

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
	c := &client{proxy: p, loop: p.quietest(), route: r, mode: modes[r.PoolMode], addr: addrPort(h.conn.RemoteAddr()),
		database: unique.Make(s.database), connected: secondsOf(loop.Clock()),
		carried: session.Rest{Settings: s.settings, Base: s.settings, Pinning: pinning(r)}}
	role := p.cfg.RouteRole(r, h.l.cfg)
	key := pool.Key{Cluster: r.Cluster, Group: r.Group, Role: role, MaxLag: r.RouteMaxLag(role), Mode: r.PoolMode, Database: r.DBName, User: s.user}
	if key.Database == "" {
		key.Database = s.database
	}
	if c.mode == modeSession {
		if c.startup = pool.NewStartup(s.given); !c.startup.FitsPacket(key) {
			return wire.Fatal(wire.ProtocolViolation, "startup parameters are too long")
		}
	}
	name, _ := s.settings.Get("application_name")
	key.Citus = pool.CitusOrigin(name)
	rest := h.stream.Buffered()
	var err error
	if c.pool, err = p.pools.JoinAs(s.database, key, r.PoolSize, r.MinPoolSize, credentials); err != nil {
		return err
	}
	if key.Citus != "" {
		c.pool.LogInAs(name)
	}
	p.clients.add(c)
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
