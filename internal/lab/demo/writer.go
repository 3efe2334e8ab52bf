package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	pause           = 5 * time.Millisecond  // between two rows of a writer
	redialPause     = 50 * time.Millisecond // between two attempts to connect
	unknownOutcome  = "08007"
	everyExplicit   = 4 // each fourth row is written by BEGIN, INSERT, COMMIT
	callItWaitingAt = 200 * time.Millisecond
)

// trouble is one error or reconnect, when it happened.
type trouble struct {
	at       time.Time
	sqlState string // of an error; "" for a reconnect
}

// writer writes rows (number, 1), (number, 2), ... through Portero, each until it is known to
// be written.
type writer struct {
	number int
	dsn    string
	began  atomic.Int64 // when the row at hand was begun, in Unix nanoseconds; 0 between rows

	client *client // owned by the goroutine of work
	dialed bool

	mu       sync.Mutex // guards what follows; nothing waits while it is held
	acked    []time.Time
	troubles []trouble
	doubts   int // rows of unknown outcome
	found    int // of those, rows that were there
}

// work writes until stop is closed, and then finishes the row at hand unless ctx ends.
func (w *writer) work(ctx context.Context, stop <-chan struct{}) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	defer w.hangUp()
	for seq := 1; ; seq++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		w.began.Store(time.Now().UnixNano())
		if !w.writeRow(ctx, seq) {
			return
		}
		w.began.Store(0)
		w.mu.Lock()
		w.acked = append(w.acked, time.Now())
		w.mu.Unlock()
	}
}

// writeRow tries until the row is written; false when ctx ended first.
func (w *writer) writeRow(ctx context.Context, seq int) bool {
	inDoubt := false
	for ctx.Err() == nil {
		if !w.ensureClient(ctx) {
			continue
		}
		var err error
		if inDoubt {
			var there bool
			if there, err = w.look(ctx, seq); err == nil {
				inDoubt = false
				w.resolve(there)
				if there {
					return true
				}
			}
		} else {
			if err = w.try(ctx, seq); err == nil {
				return true
			}
			inDoubt = w.client.IsClosed() || sqlState(err) == unknownOutcome
		}
		if err != nil && ctx.Err() == nil {
			w.failed(ctx, err)
		}
	}
	return false
}

// try writes the row once.
func (w *writer) try(ctx context.Context, seq int) error {
	insert := fmt.Sprintf("insert into written (writer, seq) values (%d, %d)", w.number, seq)
	switch {
	case seq%everyExplicit != 0 && w.number%2 == 0:
		_, _, err := w.client.exec(ctx, insert)
		return err
	case seq%everyExplicit != 0:
		return w.client.run(ctx, "insert into written (writer, seq) values ($1, $2)",
			strconv.Itoa(w.number), strconv.Itoa(seq))
	}
	for _, statement := range []string{"begin", insert, "commit"} {
		_, tag, err := w.client.exec(ctx, statement)
		if err != nil {
			return err
		}
		if statement == "commit" && tag != "COMMIT" {
			return errRolledBack
		}
	}
	return nil
}

func (w *writer) look(ctx context.Context, seq int) (bool, error) {
	n, _, err := w.client.exec(ctx, fmt.Sprintf(
		"select count(*) from written where writer = %d and seq = %d", w.number, seq))
	return n != "0", err
}

// failed notes an error and brings a living client out of its transaction.
func (w *writer) failed(ctx context.Context, err error) {
	w.note(sqlState(err))
	if !w.client.IsClosed() && w.client.TxStatus() != 'I' {
		if _, _, err := w.client.exec(ctx, "rollback"); err != nil {
			w.note(sqlState(err))
		}
	}
}

// ensureClient connects if there is no living client, and notes each time after the first.
func (w *writer) ensureClient(ctx context.Context) bool {
	if w.client != nil && !w.client.IsClosed() {
		return true
	}
	if w.dialed {
		w.note("")
	}
	c, err := dial(ctx, w.dsn)
	if err == nil {
		w.client, w.dialed = c, true
		return true
	}
	if ctx.Err() == nil {
		w.note(sqlState(err))
	}
	select {
	case <-ctx.Done():
	case <-time.After(redialPause):
	}
	return false
}

func (w *writer) hangUp() {
	if w.client != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = w.client.Close(ctx)
	}
}

// note records an error, or a reconnect when sqlState is empty.
func (w *writer) note(sqlState string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.troubles = append(w.troubles, trouble{time.Now(), sqlState})
}

// resolve records how a doubt ended.
func (w *writer) resolve(there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubts++
	if there {
		w.found++
	}
}

// waiting tells whether the row at hand takes noticeably long.
func (w *writer) waiting(now time.Time) bool {
	began := w.began.Load()
	return began != 0 && now.UnixNano()-began > int64(callItWaitingAt)
}

// lastAck is when the last row was acknowledged, and how many are.
func (w *writer) lastAck() (time.Time, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.acked) == 0 {
		return time.Time{}, 0
	}
	return w.acked[len(w.acked)-1], len(w.acked)
}
