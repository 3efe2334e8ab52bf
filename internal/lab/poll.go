package lab

import (
	"context"
	"fmt"
	"time"
)

const (
	pollEvery  = 20 * time.Millisecond
	startLimit = 60 * time.Second // for a start whose context has no deadline of its own
	askLimit   = 2 * time.Second  // for one question to a server that may be dead
)

// poll asks until ask answers nil, and fails with its last answer when ctx ends.
// An answer wrapped by hopeless ends it at once.
func poll(ctx context.Context, what string, ask func() error) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if _, ok := err.(hopeless); ok {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (%w)", what, err, ctx.Err())
		case <-tick.C:
		}
	}
}

// hopeless marks an answer that no waiting changes.
type hopeless struct{ error }

func (h hopeless) Unwrap() error { return h.error }

// limit is ctx with a deadline of d, unless its own is nearer.
func limit(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}
