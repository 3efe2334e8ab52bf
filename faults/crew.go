package main

import (
	"context"
	"fmt"
	"time"

	"portero/internal/lab"
)

const (
	idleClients = 10
	readers     = 2                // on each of the two routes
	observed    = 3 * time.Second  // of undisturbed work before and after a fault
	lastRow     = 30 * time.Second // at the end, for the row at hand
	callItGoing = 3                // rows of each writer, of which a COPY takes a third of a second each
)

// crew are the clients of one run.
type crew struct {
	chain   *chain
	idle    *lab.Crowd
	writers *lab.Writers
	quick   int          // so many of the writers, the first, write without a pause
	leader  *lab.Writers // readers
	replica *lab.Writers
	prober  *lab.Prober

	unwatch context.CancelFunc
}

// work is what the writers of a crew do; the last is the COPY.
func work(named bool) []lab.Kind {
	kinds := []lab.Kind{
		lab.Simple, lab.Simple, lab.Simple, lab.Extended, lab.Extended,
		lab.Explicit, lab.Explicit, lab.Explicit,
	}
	if named {
		kinds = append(kinds, lab.Prepared, lab.Prepared)
	} else {
		kinds = append(kinds, lab.Simple, lab.Extended)
	}
	return append(kinds, lab.Copying)
}

// startCrew sends all clients off, and returns once they work. The caller stops it.
func startCrew(ctx context.Context, k *kind, c *chain, members []*lab.Member) (*crew, error) {
	watching, unwatch := context.WithCancel(ctx)
	todo := work(k.named)
	reading := make([]lab.Kind, readers)
	for i := range reading {
		reading[i] = lab.Reading
	}
	all := &crew{
		chain:   c,
		idle:    lab.StartCrowd(ctx, idleClients, c.leader),
		writers: lab.StartKinds(ctx, c.leader, todo...),
		quick:   len(todo) - 1,
		leader:  lab.StartKinds(ctx, c.leader, reading...),
		replica: lab.StartKinds(ctx, c.replica, reading...),
		prober:  lab.StartProber(watching, members),
		unwatch: unwatch,
	}
	if err := all.begin(ctx); err != nil {
		all.stop(ctx)
		all.idle.HangUp()
		return nil, err
	}
	return all, nil
}

// begin waits until all have been served.
func (all *crew) begin(ctx context.Context) error {
	if _, err := all.idle.Wait(); err != nil {
		return fmt.Errorf("idle clients: %w", err)
	}
	for _, writers := range all.workers() {
		if err := writers.GoOn(ctx, callItGoing); err != nil {
			return err
		}
	}
	return nil
}

func (all *crew) workers() []*lab.Writers {
	return []*lab.Writers{all.writers, all.leader, all.replica}
}

// settle waits until each worker has been served, and then for undisturbed work of a while.
func (all *crew) settle(ctx context.Context) error {
	if err := all.servedSince(ctx, time.Now()); err != nil {
		return err
	}
	return all.servedSince(ctx, time.Now().Add(observed))
}

// servedSince waits until each worker has had an answer after a moment.
func (all *crew) servedSince(ctx context.Context, moment time.Time) error {
	return lab.Poll(ctx, "wait for the clients", func() error {
		if err := all.chain.alive(); err != nil {
			return err
		}
		for _, writers := range all.workers() {
			for i, account := range writers.Ledger() {
				if last := account.Last(); last.Before(moment) {
					return fmt.Errorf("client %d has had no answer since %s", i, last.Format(time.TimeOnly))
				}
			}
		}
		return nil
	})
}

// stop lets the workers finish what they have at hand, and waits for their end; the idle
// clients stay.
func (all *crew) stop(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, lastRow)
	defer cancel()
	for _, writers := range all.workers() {
		writers.Stop(soon)
	}
	all.unwatch()
	all.prober.Wait()
}
