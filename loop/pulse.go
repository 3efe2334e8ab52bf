package loop

import (
	"sync"
	"time"
)

// Pulse finds out whether loops still turn. It has each do next to nothing, and looks at the
// next Beat whether that has been done: so it never waits, wakes a loop that sleeps once per
// Beat, and has one such request at the most at each, however often it is asked. Its methods
// may be called from any goroutine.
type Pulse struct {
	loops []*Loop

	mu    sync.Mutex // guards asked
	asked []int64    // when a loop was asked for what it has not done yet, on Clock; 0 = it has done all
}

// NewPulse returns the pulse of loops, which it leaves to their owner.
func NewPulse(loops []*Loop) *Pulse {
	return &Pulse{loops: loops, asked: make([]int64, len(loops))}
}

// Beat asks all loops, and returns of the one that has left a Beat unanswered for longest how
// long that is, with its ID; 0: all have answered, but for what was asked just now. A loop
// that has ended counts as one that answers.
func (p *Pulse) Beat() (id int, silent time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := Clock()
	for i, l := range p.loops {
		switch {
		case l.hasEnded():
		case p.asked[i] == 0:
			p.asked[i] = now
			l.Post(func() { p.answer(i) })
		case time.Duration(now-p.asked[i]) > silent:
			id, silent = l.ID, time.Duration(now-p.asked[i])
		}
	}
	return id, silent
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
