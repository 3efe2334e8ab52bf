package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// idleCost is what one idle client costs a chain, in bytes of its processes.
type idleCost struct {
	chain   string
	clients int
	fresh   float64 // logged in, nothing asked yet
	used    float64 // after one transaction each
}

// measureMemory measures the chains one after the other, each freshly started: what a
// process keeps from an earlier load would hide what clients cost.
func measureMemory(ctx context.Context, b *builder, wanted int, names []string) ([]idleCost, error) {
	var costs []idleCost
	for _, name := range names {
		if name == directName {
			continue // an idle client is a process there; no proxy to measure
		}
		cost, err := idleClients(ctx, b, name, b.idleRoom(name, wanted))
		if err != nil {
			return nil, fmt.Errorf("idle clients: %w", err)
		}
		progress("memory: %-18s %6d clients, %5.0f bytes each, %5.0f after one transaction",
			label(name), cost.clients, cost.fresh, cost.used)
		costs = append(costs, cost)
	}
	return costs, nil
}

// idleClients starts a chain and opens n clients through it.
func idleClients(ctx context.Context, b *builder, name string, n int) (cost idleCost, err error) {
	c, err := b.start(ctx, name)
	if err != nil {
		return cost, err
	}
	defer c.stop()
	// Fill the pool and touch the code, so that neither is counted as a client's.
	if _, err := pgbench(ctx, b, c, load{mode: "simple", clients: poolSize, seconds: 1}); err != nil {
		return cost, err
	}
	before, err := settledMemory(ctx, c)
	if err != nil {
		return cost, err
	}
	clients := make([]client, n)
	defer func() { closeAll(clients) }()
	err = inParallel(ctx, n, func(i int) (err error) {
		clients[i], err = login(ctx, c.port)
		return err
	})
	if err != nil {
		return cost, fmt.Errorf("%w\n%s", err, c.outputs())
	}
	fresh, err := settledMemory(ctx, c)
	if err != nil {
		return cost, err
	}
	if err := inParallel(ctx, n, func(i int) error { return clients[i].query() }); err != nil {
		return cost, fmt.Errorf("%w\n%s", err, c.outputs())
	}
	used, err := settledMemory(ctx, c)
	each := func(held int64) float64 { return float64(held-before) / float64(n) }
	return idleCost{chain: name, clients: n, fresh: each(fresh), used: each(used)}, err
}

func closeAll(clients []client) {
	for _, c := range clients {
		if c.conn != nil {
			_ = c.conn.Close() // nothing was pending
		}
	}
}

// settledMemory waits until a chain's memory has moved by less than 1 % for a while, because
// runtimes hand memory back late; it does not wait for ever.
func settledMemory(ctx context.Context, c *chain) (int64, error) {
	const (
		interval = 500 * time.Millisecond
		quiet    = 7 // readings within 1 %, so 3 s
		most     = 60
	)
	var readings []int64
	for range most {
		held, err := c.memory()
		if err != nil {
			return 0, err
		}
		readings = append(readings, held)
		if last := readings[max(0, len(readings)-quiet):]; len(last) == quiet &&
			float64(slices.Max(last)-slices.Min(last)) < 0.01*float64(held) {
			break
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(interval):
		}
	}
	return readings[len(readings)-1], nil
}
