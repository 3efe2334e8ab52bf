package loop

import (
	"fmt"
	"sync"
	"time"
)

// Pulse finds out whether loops still turn. It has each do next to nothing, and looks at the
// next Beat whether that has been done: so it never waits, wakes a loop that sleeps once per
// Beat, and has one such request at the most at each, however often it is asked. Its methods
// may be called from any goroutine.
type Pulse struct {
	loops []*Loop
	limit time.Duration

	mu    sync.Mutex // guards asked
	asked []int64    // when a loop was asked for what it has not done yet, on Clock; 0 = it has done all
}

// NewPulse returns the pulse of loops, which it leaves to their owner. limit is how long one
// may leave a Beat unanswered.
func NewPulse(loops []*Loop, limit time.Duration) *Pulse {
	return &Pulse{loops: loops, limit: limit, asked: make([]int64, len(loops))}
}

// Beat asks all loops, and is an error if one has left an earlier Beat unanswered for limit. A
// loop that has ended hangs no more.
func (p *Pulse) Beat() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := Clock()
	for i, l := range p.loops {
		silent := time.Duration(now - p.asked[i])
		switch {
		case l.hasEnded():
		case p.asked[i] == 0:
			p.asked[i] = now
			l.Post(func() { p.answer(i) })
		case silent >= p.limit:
			err = fmt.Errorf("event loop %d has not turned for %s", l.ID, silent.Round(time.Millisecond))
		}
	}
	return err
}

// answer is posted to the loop at index i.
func (p *Pulse) answer(i int) {
	p.mu.Lock()
	p.asked[i] = 0
	p.mu.Unlock()
}

func (l *Loop) hasEnded() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
