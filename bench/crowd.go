package main

import (
	"context"
	"fmt"

	"portero/internal/page"
)

// crowdWorkers are the clients that work, whether others stand about or not.
const crowdWorkers = 200

// crowd is what those who work have, alone and among clients at rest.
type crowd struct {
	idle         int // clients at rest
	alone, among figures
}

// measureCrowd drives two Porteros in turn; through one of them clients at rest are logged in.
func (r *report) measureCrowd(ctx context.Context, b *builder, p plan, names []string) error {
	chains, err := startAll(ctx, b, only([]string{porteroName, porteroName}, names...), door{})
	defer stopAll(chains)
	if err != nil || len(chains) == 0 {
		return err
	}
	empty, full := chains[0], chains[1]
	clients := make([]client, b.idleRoom(porteroName, p.idle)-crowdWorkers)
	defer func() { closeAll(clients) }()
	if err := full.seat(ctx, clients); err != nil {
		return err
	}
	var alone, among []figures
	err = r.inRounds(ctx, p, func(round string) error {
		for _, one := range []struct {
			through *chain
			runs    *[]figures
		}{{empty, &alone}, {full, &among}} {
			got, err := measure(ctx, b, one.through, load{mode: "simple", clients: crowdWorkers, seconds: p.seconds})
			if err != nil {
				return err
			}
			idle := 0
			if one.through == full {
				idle = len(clients)
			}
			progress("%s: %d clients beside %5d at rest: %6.0f tps %6.1f µs CPU  p50 %6.0f  p99 %6.0f",
				round, crowdWorkers, idle, got.tps, got.cpu, got.p50, got.p99)
			*one.runs = append(*one.runs, got)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.crowd = &crowd{idle: len(clients), alone: medianFigures(alone), among: medianFigures(among)}
	return nil
}

// seat logs clients in through the chain; the caller closes those that are, also beside an error.
func (c *chain) seat(ctx context.Context, clients []client) error {
	err := inParallel(ctx, len(clients), func(i int) (err error) {
		clients[i], err = c.login(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, c.outputs())
	}
	return nil
}

func (r report) crowdTable() string {
	rows := [][]string{{"clients that work", "clients at rest", "tps", "CPU µs/tx", "p50 µs", "p99 µs"}}
	for _, one := range []struct {
		idle int
		figures
	}{{0, r.crowd.alone}, {r.crowd.idle, r.crowd.among}} {
		rows = append(rows, []string{fmt.Sprint(crowdWorkers), fmt.Sprint(one.idle),
			number(one.tps, 0), number(one.cpu, 1), number(one.p50, 0), number(one.p99, 0)})
	}
	return page.Table(rows, "rrrrrr")
}
