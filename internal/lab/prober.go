package lab

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	probeEvery  = 5 * time.Millisecond
	probeWriter = -1
	// probeLimit is for one answer: a host that is off the network gives none, and its connections
	// come back long after it has, as they send again ever more seldom.
	probeLimit = time.Second
)

// Prober writes to each member directly, so as to know what the database itself could do.
type Prober struct {
	done sync.WaitGroup

	mu    sync.Mutex // guards acked; nothing waits while it is held
	acked []time.Time
}

// StartProber starts a goroutine per member; all end with ctx. WriterTable has been run.
func StartProber(ctx context.Context, members []*Member) *Prober {
	p := &Prober{}
	for _, m := range members {
		p.done.Go(func() { p.probe(ctx, m.SuperuserDSN("app")) })
	}
	return p
}

// Wait waits for the end that comes with the context.
func (p *Prober) Wait() { p.done.Wait() }

// Writes are the times at which a write was acknowledged, in order.
func (p *Prober) Writes() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]time.Time(nil), p.acked...)
}

// Last is when the last write was acknowledged; false before the first.
func (p *Prober) Last() (at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.acked) == 0 {
		return at, false
	}
	return p.acked[len(p.acked)-1], true
}

// probe writes to one member for as long as it is one that takes writes.
func (p *Prober) probe(ctx context.Context, dsn string) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	var c *Client
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
			c = dialProbe(ctx, dsn)
			continue
		}
		write := fmt.Sprintf("insert into written values (%d, 0, %d)", probeWriter, time.Now().UnixMicro())
		if err := askSoon(ctx, c, write); err == nil {
			p.mu.Lock()
			p.acked = append(p.acked, time.Now())
			p.mu.Unlock()
		}
	}
}

// askSoon ends the connection if there is no answer in time.
func askSoon(ctx context.Context, c *Client, sql string) error {
	ctx, cancel := limit(ctx, probeLimit)
	defer cancel()
	_, err := c.Ask(ctx, sql)
	return err
}

// dialProbe connects, and keeps a replica's many refusals out of its log, but not what a
// Witness writes there.
func dialProbe(ctx context.Context, dsn string) *Client {
	ctx, cancel := limit(ctx, probeLimit)
	defer cancel()
	c, err := Dial(ctx, dsn)
	if err != nil {
		return nil
	}
	_, _ = c.Ask(ctx, "set log_min_messages = log")
	return c
}
