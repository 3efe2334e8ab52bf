package main

import (
	"context"
	"time"

	"portero/internal/lab"
)

// outcome is what an event meant to the database and to Portero's clients.
type outcome struct {
	event      *event
	what       string
	from, to   time.Time
	unwritable time.Duration  // longest gap between writes to any member directly
	paused     time.Duration  // longest gap between acknowledged rows of all writers
	worst      time.Duration  // longest gap between acknowledged rows of one writer
	errors     map[string]int // by SQLSTATE
	reconnects int
	lost       int // acknowledged rows that are not there
	twice      int
}

// measure fills in what the writers and the prober saw between from and to.
func (o *outcome) measure(l lab.Ledger, p *lab.Prober) {
	o.unwritable = lab.LongestGap(p.Writes(), o.from, o.to)
	o.paused, o.worst = l.Gaps(o.from, o.to)
	o.errors, o.reconnects = l.Troubles(o.from, o.to)
}

// charge enters the faults of an audit that belong to rows acknowledged between from and to.
func (o *outcome) charge(a lab.Audit) {
	count := func(rows []lab.Ack) (n int) {
		for _, row := range rows {
			if !row.Ended.Before(o.from) && !row.Ended.After(o.to) {
				n++
			}
		}
		return n
	}
	o.lost, o.twice = count(a.Lost), count(a.Twice)
}

// audit compares the ledger with the leader's rows, and charges each fault to its event.
func (d *demo) audit(ctx context.Context, l lab.Ledger, outcomes []*outcome) (lab.Audit, error) {
	leader, err := d.group.Leader(ctx)
	if err != nil {
		return lab.Audit{}, err
	}
	a, err := l.Audit(ctx, leader.SuperuserDSN("app"))
	for _, o := range outcomes {
		o.charge(a)
	}
	return a, err
}
