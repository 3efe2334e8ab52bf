package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"portero/internal/lab"
)

const (
	idleClients = 12
	observed    = 3 * time.Second  // of undisturbed work before and after an event
	lastRow     = 30 * time.Second // at the end, for the row at hand
	callItGoing = 3                // rows of each writer
)

// work is what the writers of a party do.
var work = []lab.Kind{lab.Simple, lab.Extended, lab.Prepared, lab.Explicit}

// party are the writers of one route.
type party struct {
	name     string
	database string   // as Portero's clients name it
	dbname   string   // as the servers do
	homes    []string // databases in which a row in doubt is looked for, if it may be in several
	group    int      // or anyGroup
}

// anyGroup is the group of a party whose rows may be in each.
const anyGroup = -1

// crew are the clients of one run.
type crew struct {
	stage   *stage
	idle    *lab.Crowd
	writers []*lab.Writers // of each of the parties
	probers []*lab.Prober  // of each group

	unwatch context.CancelFunc
}

// startCrew sends all clients off, and returns once they work. The caller stops it.
func (s *stage) startCrew(ctx context.Context) (*crew, error) {
	watching, unwatch := context.WithCancel(ctx)
	all := &crew{stage: s, unwatch: unwatch}
	var doors []string
	for _, p := range parties {
		doors = append(doors, s.dsn(p.database))
		var homes []string
		for _, database := range p.homes {
			homes = append(homes, s.dsn(database))
		}
		all.writers = append(all.writers, lab.StartSpread(ctx, s.dsn(p.database), homes, work...))
	}
	for _, g := range s.cluster.Groups {
		all.probers = append(all.probers, lab.StartProber(watching, g.Members))
	}
	all.idle = lab.StartCrowd(ctx, idleClients, doors...)
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
	for i, writers := range all.writers {
		if err := writers.GoOn(ctx, callItGoing); err != nil {
			return fmt.Errorf("%s: %w", parties[i].name, err)
		}
	}
	return nil
}

// settle waits until each writer has been served, and then for undisturbed work of a while.
func (all *crew) settle(ctx context.Context) error {
	if err := all.servedSince(ctx, time.Now()); err != nil {
		return err
	}
	return all.servedSince(ctx, time.Now().Add(observed))
}

// servedSince waits until each writer has had an answer after a moment.
func (all *crew) servedSince(ctx context.Context, moment time.Time) error {
	return lab.Poll(ctx, "wait for the clients", func() error {
		if err := all.stage.portero.Alive(); err != nil {
			return err
		}
		for p, writers := range all.writers {
			for i, account := range writers.Ledger() {
				if last := account.Last(); last.Before(moment) {
					return fmt.Errorf("writer %d of %s has had no answer since %s", i, parties[p].name, last.Format(time.TimeOnly))
				}
			}
		}
		return nil
	})
}

// underWay is for how long what was sent before an event may still be answered after it.
const underWay = time.Second

// takesWrites is an error if a group itself has taken no write since an event.
func (all *crew) takesWrites(group int, event time.Time) error {
	last, ok := all.probers[group].Last()
	if !ok || last.Before(event.Add(underWay)) {
		return fmt.Errorf("%s takes no writes", groupNames[group])
	}
	return nil
}

// database is the longest time in which none of a party's groups took a write itself.
func (all *crew) database(p *party, from, to time.Time) time.Duration {
	var taken []time.Time
	for i, prober := range all.probers {
		if p.group == i || p.group == anyGroup {
			taken = append(taken, prober.Writes()...)
		}
	}
	slices.SortFunc(taken, time.Time.Compare)
	return lab.LongestGap(taken, from, to)
}

// stop lets the writers finish what they have at hand, and waits for their end; the idle
// clients stay.
func (all *crew) stop(ctx context.Context) {
	soon, cancel := context.WithTimeout(ctx, lastRow)
	defer cancel()
	for _, writers := range all.writers {
		writers.Stop(soon)
	}
	all.unwatch()
	for _, p := range all.probers {
		p.Wait()
	}
}
