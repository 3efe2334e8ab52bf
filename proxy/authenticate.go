package proxy

import (
	"context"
	"time"

	"portero/auth"
	"portero/config"
)

// authenticate has the client prove itself. What is asked of others for that,
// among them the leader that the route leads to, they may take as long for as the
// client would wait for a server.
func (h *handshake) authenticate(c *auth.Arrival, r *config.Route) (auth.Credentials, error) {
	cancel := func() {}
	defer func() { cancel() }()
	c.Home = h.proxy.home(c, r)
	c.Blocks = func() {
		if c.Context == nil {
			h.leave()
			c.Context, cancel = h.asking()
		}
	}
	return h.now.auth.Client(h.stream, c)
}

// asking ends with query_wait_timeout, and a moment before the client's time to log
// in: it is to hear why it could not.
func (h *handshake) asking() (context.Context, context.CancelFunc) {
	limits := &h.now.cfg.Pool
	end := h.until.Add(-min(time.Second, limits.ClientLoginTimeout/10))
	if wait := limits.QueryWaitTimeout; wait > 0 && time.Now().Add(wait).Before(end) {
		end = time.Now().Add(wait)
	}
	return context.WithDeadline(h.proxy.ctx, end)
}

// home is where a route leads a client to; nil for none.
func (p *Proxy) home(c *auth.Arrival, r *config.Route) *auth.Home {
	if r == nil {
		return nil
	}
	home := homeOf(c, r)
	home.Ask = func(ctx context.Context, q auth.Question) (auth.Answer, error) {
		return p.pools.Ask(ctx, home.Cluster, home.Group, q)
	}
	return home
}

// homeOf is home without anybody to be asked there.
func homeOf(c *auth.Arrival, r *config.Route) *auth.Home {
	home := &auth.Home{Cluster: r.Cluster, Group: r.HomeGroup(), Database: r.DBName}
	switch {
	case home.Database != "":
	case c.Physical: // it is in none; that one is meant for such as ask (PostgreSQL documentation, "initdb")
		home.Database = "postgres"
	default:
		home.Database = c.Database
	}
	return home
}
