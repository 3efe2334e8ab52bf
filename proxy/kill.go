package proxy

import (
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// KillClient closes the client of a number, wherever it is; false: there is none. It does not
// wait for that. Any goroutine.
func (p *Proxy) KillClient(id uint64) bool {
	c := p.clients.numbered(id)
	if c == nil {
		return false
	}
	p.log.Info("order", "command", "KILL_CLIENT", "id", id)
	c.kill()
	return true
}

// Kill closes all clients and servers of a database and holds its clients from then on, until
// pool.Pools.Resume; "" means all databases. It does not wait for that. Any goroutine.
func (p *Proxy) Kill(database string) error {
	if err := p.pools.Kill(database); err != nil {
		return err
	}
	p.clients.each(func(c *client) {
		if p.clients.poolOf(c).Serves(database) {
			c.kill()
		}
	})
	return nil
}

// kill closes the client wherever it is. What its server is at is cancelled. Any goroutine.
func (c *client) kill() {
	c.onLoop(func(l *loop.Loop) {
		r := c.relay
		if r == nil {
			c.sock.Write(errKilled().Append(nil)) //nolint:errcheck // it is closed next
			c.end(l, metrics.Killed)
			return
		}
		r.cut, r.killed = true, true
		l.Wake(r.task)
	})
}

// errKilled is what PostgreSQL says to whom pg_terminate_backend ends.
func errKilled() *wire.Error {
	return wire.Fatal(wire.AdminShutdown, "terminating connection due to administrator command")
}
