package lab

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Writers are clients that write, and keep a ledger of what they are told. Their methods are
// for any goroutine.
type Writers struct {
	all     []*writer
	giveUp  context.CancelFunc
	stop    chan struct{} // closed: no further row is begun
	stopped sync.Once
	working sync.WaitGroup
}

// StartWriters starts n writers of kind Mixed at dsn, where WriterTable has been run. They work
// until Stop, or ctx ends; the caller stops them.
func StartWriters(ctx context.Context, n int, dsn string) *Writers {
	return StartKinds(ctx, dsn, make([]Kind, n)...)
}

// StartKinds is StartWriters with one writer of each of the kinds, in their order.
func StartKinds(ctx context.Context, dsn string, kinds ...Kind) *Writers {
	return StartSpread(ctx, dsn, nil, kinds...)
}

// StartSpread is StartKinds where each transaction at dsn may go to another database: a row in
// doubt may be in any of those at homes, and is looked for in all. So a writer in doubt waits
// for those that are away.
func StartSpread(ctx context.Context, dsn string, homes []string, kinds ...Kind) *Writers {
	ctx, giveUp := context.WithCancel(ctx)
	all := &Writers{giveUp: giveUp, stop: make(chan struct{})}
	for i, kind := range kinds {
		w := &writer{number: i, kind: kind, dsn: dsn, homes: homes}
		all.all = append(all.all, w)
		all.working.Go(func() { w.work(ctx, all.stop) })
	}
	return all
}

// Stop lets the writers finish the rows at hand, until ctx ends, and waits for their end.
func (all *Writers) Stop(ctx context.Context) {
	all.stopped.Do(func() { close(all.stop) })
	defer context.AfterFunc(ctx, all.giveUp)()
	all.working.Wait()
	all.giveUp()
}

// Ledger is taken without a copy of the rows.
func (all *Writers) Ledger() Ledger {
	ledger := make(Ledger, len(all.all))
	for i, w := range all.all {
		ledger[i] = w.copy()
	}
	return ledger
}

// Waiting counts the writers whose row at hand was begun that long ago.
func (all *Writers) Waiting(now time.Time, longerThan time.Duration) (n int) {
	for _, w := range all.all {
		if began := w.began.Load(); began != 0 && now.UnixNano()-began > int64(longerThan) {
			n++
		}
	}
	return n
}

// GoOn waits until each writer has had so many more rows acknowledged.
func (all *Writers) GoOn(ctx context.Context, rows int) error {
	before := all.Ledger()
	return Poll(ctx, fmt.Sprintf("wait for %d rows of each writer", rows), func() error {
		for i, now := range all.Ledger() {
			if n := len(now.Acked) - len(before[i].Acked); n < rows {
				return fmt.Errorf("writer %d has %d", i, n)
			}
		}
		return nil
	})
}
