package main

import (
	"context"
	"sync"
	"time"

	"portero/internal/lab"
)

const probeEvery = 5 * time.Millisecond

// prober writes to each member directly, so as to know what the database itself could do.
type prober struct {
	done sync.WaitGroup

	mu    sync.Mutex // guards acked; nothing waits while it is held
	acked []time.Time
}

// startProber starts a goroutine per member; all end with ctx.
func startProber(ctx context.Context, members []*lab.Member) *prober {
	p := &prober{}
	for _, m := range members {
		p.done.Go(func() { p.probe(ctx, m.SuperuserDSN("app")) })
	}
	return p
}

// probe writes to one member for as long as it is one that takes writes.
func (p *prober) probe(ctx context.Context, dsn string) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var c *lab.Client
	for {
		select {
		case <-ctx.Done():
			if c != nil {
				c.HangUp()
			}
			return
		case <-tick.C:
		}
		if c == nil || c.IsClosed() {
			c = p.dial(ctx, dsn)
			continue
		}
		if _, err := c.Ask(ctx, "insert into probe values (clock_timestamp())"); err == nil {
			p.mu.Lock()
			p.acked = append(p.acked, time.Now())
			p.mu.Unlock()
		}
	}
}

// dial connects, and keeps a replica's many refusals out of its log.
func (p *prober) dial(ctx context.Context, dsn string) *lab.Client {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := lab.Dial(ctx, dsn)
	if err != nil {
		return nil
	}
	_, _ = c.Ask(ctx, "set log_min_messages = panic")
	return c
}

// writes are the times at which a write was acknowledged, in order.
func (p *prober) writes() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.acked...)
}
