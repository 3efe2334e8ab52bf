package auth

import (
	"context"
	"sync"
	"time"
)

// How many questions about users may be asked of one group: so many at once,
// after a restart for example, and so many a second on and on. Each is a look
// into an index; a flood of names that somebody has made up stays beneath what
// a server would notice.
const (
	questionsAtOnce   = 500
	questionsASecond  = 100
	timeToAskAnything = time.Second / questionsASecond
)

// pace keeps questions apart. The zero value has not been asked for anything.
// Safe for concurrent use.
type pace struct {
	mu   sync.Mutex
	next time.Time // when the next question may be put, were none saved up
}

// take reserves a turn and says how long to wait for it. willWait: how long the
// caller would; if that is not enough, ok is false and nothing is reserved.
func (p *pace) take(now time.Time, willWait time.Duration) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if saved := now.Add(-(questionsAtOnce - 1) * timeToAskAnything); p.next.Before(saved) {
		p.next = saved
	}
	if wait = max(p.next.Sub(now), 0); wait > willWait {
		return 0, false
	}
	p.next = p.next.Add(timeToAskAnything)
	return wait, true
}

// sleep waits for d; the error is that of ctx if it ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
