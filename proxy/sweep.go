package proxy

import (
	"time"

	"portero/config"
	"portero/loop"
	"portero/metrics"
)

// sweepEvery is how often the proxy looks after what no event tells of.
const sweepEvery = time.Second

// sweep is the goroutine that does so, from Listen to Shutdown.
func (p *Proxy) sweep() {
	defer p.sweeping.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		p.keepOpen()
		p.lookAtLoops()
		for _, l := range p.loops {
			l.TrimTasks()
		}
		if endsIdle(p.config()) {
			for _, l := range p.loops {
				l.Post(func() { p.endIdle(l, 0) })
			}
		}
		select {
		case <-p.ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// endsIdle reports whether some client may rest only for so long.
func endsIdle(cfg *config.Config) bool {
	for i := range cfg.Users {
		if cfg.Users[i].ClientIdleTimeout > 0 {
			return true
		}
	}
	return cfg.Pool.ClientIdleTimeout > 0
}

// sweptAtOnce is how many sockets are looked at before others have their turn.
const sweptAtOnce = 4096

// endIdle closes the clients of a loop that have rested for client_idle_timeout,
// from a place among its sockets on. On the loop. A client at rest has no alarm of
// its own: that would cost each as much memory as the client itself.
func (p *Proxy) endIdle(l *loop.Loop, from int) {
	next := l.Walk(from, sweptAtOnce, func(h loop.Handler) {
		if c, ok := h.(*client); ok {
			c.endIfIdle(l)
		}
	})
	if next > 0 {
		l.Post(func() { p.endIdle(l, next) })
	}
}

func (c *client) endIfIdle(l *loop.Loop) {
	if c.relay != nil || !c.live {
		return
	}
	limit := c.user().ClientIdleTimeout
	if limit <= 0 || c.restedFor(l) < limit {
		return
	}
	c.sock.Write(errExpired(metrics.ClientIdle, limit).Append(nil)) //nolint:errcheck // it is closed next
	c.end(l, metrics.ClientIdle)
}

// atRest is the time, in milliseconds, modulo 2^32: enough for 49 days, in four bytes.
func atRest(l *loop.Loop) uint32 { return uint32(l.Now() / int64(time.Millisecond)) }

// restedFor is how long a client has been at rest.
func (c *client) restedFor(l *loop.Loop) time.Duration {
	return time.Duration(atRest(l)-c.rested) * time.Millisecond
}
