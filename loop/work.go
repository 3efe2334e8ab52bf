package loop

import (
	"sync/atomic"
	"time"
)

// meter adds up how long a loop has been at work. The loop writes it, anybody may read it.
type meter struct{ worked atomic.Int64 }

// worksUntil is told the time before each wait, and after each look that was none: the loop has
// been at work since it last read the clock.
func (l *Loop) worksUntil(now int64) {
	l.meter.worked.Store(l.meter.worked.Load() + now - l.now)
	l.now = now
}

// Worked is how long the loop has been at work, in all: all of its time but that in which it
// waits for something to do. What it has to wait for a processor for counts as work. A turn counts
// when it ends. Any goroutine.
func (l *Loop) Worked() time.Duration { return time.Duration(l.meter.worked.Load()) }
