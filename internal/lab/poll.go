package lab

import (
	"context"
	"fmt"
	"time"
)

const (
	firstPoll  = time.Millisecond // the pause doubles from here ...
	pollEvery  = 20 * time.Millisecond
	startLimit = 60 * time.Second // for a start whose context has no deadline of its own
	askLimit   = 2 * time.Second  // for one question to a server that may be dead
)

// Patience is how long Eventually waits: a busy machine is slow, not wrong, and what has not
// come by then does not come.
const Patience = 90 * time.Second

// Poll asks until ask answers nil, and fails when ctx ends with the last answer before that. An
// answer of Portero.Alive ends it at once.
func Poll(ctx context.Context, what string, ask func() error) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	var before error
	for pause := firstPoll; ; pause = min(2*pause, pollEvery) {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil && before != nil {
			err = before // what ctx has cut off says nothing
		}
		before = err
		if _, ok := err.(hopeless); ok {
			return fmt.Errorf("%s: %w", what, err)
		}
		tick.Reset(pause)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (%w)", what, err, ctx.Err())
		case <-tick.C:
		}
	}
}

// Eventually is Poll for tests: it waits as long as Patience, and then fails the test.
func Eventually(t TB, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := Poll(ctx, what, ask); err != nil {
		t.Fatalf("%v", err)
	}
}

// hopeless marks an answer that no waiting changes.
type hopeless struct{ error }

func (h hopeless) Unwrap() error { return h.error }

// limit is ctx with a deadline of d, unless its own is nearer.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
