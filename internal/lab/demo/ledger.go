package main

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
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
func (o *outcome) measure(writers []*writer, p *prober) {
	o.unwritable = longestGap(p.writes(), o.from, o.to)
	o.errors = make(map[string]int)
	var all []time.Time
	for _, w := range writers {
		w.mu.Lock()
		acked := slices.Clone(w.acked)
		for _, t := range w.troubles {
			switch {
			case t.at.Before(o.from) || t.at.After(o.to):
			case t.sqlState == "":
				o.reconnects++
			default:
				o.errors[t.sqlState]++
			}
		}
		w.mu.Unlock()
		o.worst = max(o.worst, longestGap(acked, o.from, o.to))
		all = append(all, acked...)
	}
	slices.SortFunc(all, time.Time.Compare)
	o.paused = longestGap(all, o.from, o.to)
}

// longestGap is the longest time between two neighbours that lies, in part, after from and
// before to; times are in order.
func longestGap(times []time.Time, from, to time.Time) time.Duration {
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		if times[i].Before(from) || times[i-1].After(to) {
			continue
		}
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest
}

// tally is the truth about all rows, asked of the leader directly.
type tally struct {
	acknowledged int
	lost, twice  int
	doubts       int // rows whose outcome a writer did not know
	found        int // of those, rows that had been written
}

// count compares what is in the table with what was acknowledged, and charges each fault to
// the event in which the row was acknowledged.
func count(ctx context.Context, dsn string, writers []*writer, outcomes []*outcome) (tally, error) {
	there, err := rowsThere(ctx, dsn)
	if err != nil {
		return tally{}, err
	}
	var sum tally
	for _, w := range writers {
		sum.doubts += w.doubts
		sum.found += w.found
		sum.acknowledged += len(w.acked)
		for i, at := range w.acked {
			n := there[row{w.number, int64(i + 1)}]
			if n == 1 {
				continue
			}
			lost, twice := 0, 1
			if n == 0 {
				lost, twice = 1, 0
			}
			sum.lost += lost
			sum.twice += twice
			for _, o := range outcomes {
				if !at.Before(o.from) && !at.After(o.to) {
					o.lost += lost
					o.twice += twice
				}
			}
		}
	}
	return sum, nil
}

type row struct {
	writer int
	seq    int64
}

// rowsThere is how often each row is in the table.
func rowsThere(ctx context.Context, dsn string) (map[row]int, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select writer, seq, count(*) from written group by writer, seq")
	if err != nil {
		return nil, err
	}
	there := make(map[row]int)
	var r row
	var n int
	_, err = pgx.ForEachRow(rows, []any{&r.writer, &r.seq, &n}, func() error {
		there[r] = n
		return nil
	})
	return there, err
}
