package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// idleCost is what one idle client costs a chain, in bytes of its processes.
type idleCost struct {
	chain     string
	encrypted bool // clients use TLS
	clients   int
	base      float64 // bytes of all without clients, with a full pool
	fresh     float64 // logged in, nothing asked yet
	used      float64 // after one transaction each
	kernel    float64 // beside that, what the kernel keeps for one end of a connection; 0 if that is not known
}

// most is what a client costs when it costs most.
func (c idleCost) most() float64 { return max(c.fresh, c.used) }

// fewerEncrypted is by what the clients with TLS are fewer: their ends, which are this
// program's, cost it time and memory too.
const fewerEncrypted = 5

// measureMemory measures the chains one after the other, each freshly started: what a
// process keeps from an earlier load would hide what clients cost.
func (r *report) measureMemory(ctx context.Context, b *builder, p plan, names []string) error {
	for _, encrypted := range []bool{false, true} {
		for _, name := range names {
			// An idle client is a process where there is no proxy; HAProxy takes TLS through.
			if name == directName || encrypted && name == haproxyName {
				continue
			}
			wanted := p.idle
			if encrypted {
				wanted = max(1, wanted/fewerEncrypted)
			}
			cost, err := idleClients(ctx, b, name, door{encrypted: encrypted}, b.idleRoom(name, wanted))
			if err != nil {
				return err
			}
			progress("memory: %-18s %6d clients, TLS %-5t %6.0f bytes each, %6.0f after one transaction, %5.0f of the kernel",
				label(name), cost.clients, encrypted, cost.fresh, cost.used, cost.kernel)
			r.memory = append(r.memory, cost)
		}
	}
	return nil
}

// idleClients starts a chain with a door and opens n clients through it.
func idleClients(ctx context.Context, b *builder, name string, d door, n int) (cost idleCost, err error) {
	c, err := b.start(ctx, name, d)
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
	kernelBefore, err := socketMemory()
	if err != nil {
		return cost, err
	}
	clients := make([]client, n)
	defer func() { closeAll(clients) }()
	if err := c.seat(ctx, clients); err != nil {
		return cost, err
	}
	fresh, err := settledMemory(ctx, c)
	if err != nil {
		return cost, err
	}
	if err := inParallel(ctx, n, func(i int) error { return clients[i].query() }); err != nil {
		return cost, fmt.Errorf("%w\n%s", err, c.outputs())
	}
	used, err := settledMemory(ctx, c)
	if err != nil {
		return cost, err
	}
	kernel, err := socketMemory()
	each := func(held int64) float64 { return float64(held-before) / float64(n) }
	return idleCost{
		chain: name, encrypted: d.encrypted, clients: n, base: float64(before), fresh: each(fresh), used: each(used),
		kernel: float64(kernel-kernelBefore) / float64(n*b.ends(name)),
	}, err
}

// ends is how many ends of connections a client of a chain has on this machine, its own included.
func (b *builder) ends(name string) int {
	if name == haproxyName {
		return 4
	}
	return 2
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
