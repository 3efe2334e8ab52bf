package failover

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// writer writes rows (number, 1), (number, 2), ... through one client, each
// until it is known to be written. It never connects again.
type writer struct {
	number int
	client *client

	mu     sync.Mutex // guards what follows
	acked  []ack
	errors map[string]int // by SQLSTATE
	broken error          // why it ended before its time
}

// ack is one acknowledged row: when it was begun and confirmed, and on which
// server and timeline it was written, as that server said itself.
type ack struct {
	began, ended time.Time
	port         int
	timeline     int64
}

const everyExplicit = 4 // each fourth row is written by BEGIN, INSERT, COMMIT

func (w *writer) work(ctx context.Context) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for seq := 1; ; seq++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		a := ack{began: time.Now()}
		place, err := w.write(ctx, seq)
		if err != nil {
			w.end(ctx, err)
			return
		}
		a.ended = time.Now()
		if place != "" {
			if err := a.parse(place); err != nil {
				w.end(ctx, err)
				return
			}
		}
		w.mu.Lock()
		w.acked = append(w.acked, a)
		w.mu.Unlock()
	}
}

func (a *ack) parse(place string) error {
	port, timeline, _ := strings.Cut(place, " ")
	var err error
	if a.port, err = strconv.Atoi(port); err == nil {
		a.timeline, err = strconv.ParseInt(timeline, 16, 64)
	}
	return err
}

func (w *writer) end(ctx context.Context, err error) {
	if ctx.Err() == nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.broken = err
	}
}

// write tries until the row is written and tells where; "" if it was found
// there after its outcome was in doubt.
func (w *writer) write(ctx context.Context, seq int) (string, error) {
	for ctx.Err() == nil {
		place, err := w.try(ctx, seq)
		if err == nil {
			return place, nil
		}
		if err := w.recover(ctx, err); err != nil {
			return "", err
		}
		if state(err) != "08007" {
			continue
		}
		there, err := w.look(ctx, seq)
		if err != nil || there {
			return "", err
		}
	}
	return "", ctx.Err()
}

// recover notes an error, which must be one that a client can handle on its
// living connection, and ends a failed transaction.
func (w *writer) recover(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	code := state(err)
	w.mu.Lock()
	w.errors[code]++
	w.mu.Unlock()
	switch {
	case w.client.IsClosed():
		return fmt.Errorf("the connection broke: %w", err)
	case code != "08006" && code != "08007" && code != "25P02":
		return fmt.Errorf("an error of no failover: %w", err)
	case w.client.TxStatus() == 'I':
		return nil
	}
	if tag, err := w.client.ask(ctx, "rollback"); err != nil || tag != "ROLLBACK" || w.client.TxStatus() != 'I' {
		return fmt.Errorf("rollback answered %q, status %c: %w", tag, w.client.TxStatus(), errors.Join(err))
	}
	return nil
}

const where = " returning inet_server_port() || ' ' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8)"

// try writes the row once.
func (w *writer) try(ctx context.Context, seq int) (string, error) {
	insert := fmt.Sprintf("insert into written (writer, seq) values (%d, %d)", w.number, seq) + where
	switch {
	case seq%everyExplicit == 0:
		return w.explicitly(ctx, insert)
	case w.number%2 == 0:
		return w.client.ask(ctx, insert)
	}
	return w.client.askExtended(ctx, "insert into written (writer, seq) values ($1, $2)"+where,
		strconv.Itoa(w.number), strconv.Itoa(seq))
}

func (w *writer) explicitly(ctx context.Context, insert string) (string, error) {
	if _, err := w.client.ask(ctx, "begin"); err != nil {
		return "", err
	}
	place, err := w.client.ask(ctx, insert)
	if err != nil {
		return "", err
	}
	tag, err := w.client.ask(ctx, "commit")
	if err == nil && tag != "COMMIT" {
		err = fmt.Errorf("commit answered %q without an error before", tag)
	}
	return place, err
}

// look asks whether a row in doubt is there.
func (w *writer) look(ctx context.Context, seq int) (bool, error) {
	for {
		n, err := w.client.ask(ctx, fmt.Sprintf("select count(*) from written where writer = %d and seq = %d", w.number, seq))
		if err == nil {
			return n != "0", nil
		}
		if err := w.recover(ctx, err); err != nil {
			return false, err
		}
	}
}

// progress is how many rows are acknowledged; an error if the writer has ended.
func (w *writer) progress() (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.acked), w.broken
}

// writers are all of them.
type writers []*writer

func startWriters(t testing.TB, n int, dsn string) writers {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	var all writers
	for i := range n {
		w := &writer{number: i, client: mustDial(t, dsn), errors: make(map[string]int)}
		all = append(all, w)
		working.Go(func() { w.work(ctx) })
	}
	t.Cleanup(func() {
		stop()
		working.Wait()
	})
	return all
}

// goOn waits until each writer has had some more rows acknowledged.
func (all writers) goOn(t testing.TB) {
	t.Helper()
	for _, w := range all {
		before, _ := w.progress()
		eventually(t, fmt.Sprintf("writer %d goes on", w.number), func() error {
			n, err := w.progress()
			if err != nil {
				t.Fatalf("writer %d: %v", w.number, err)
			}
			if n < before+10 {
				return fmt.Errorf("%d rows", n-before)
			}
			return nil
		})
	}
}

// troubles adds up what the writers were told since the last call.
func (all writers) troubles() map[string]int {
	sum := make(map[string]int)
	for _, w := range all {
		w.mu.Lock()
		for code, n := range w.errors {
			sum[code] += n
		}
		clear(w.errors)
		w.mu.Unlock()
	}
	return sum
}
