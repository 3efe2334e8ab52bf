package admin

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"portero/metrics"
)

const (
	feedEvery  = time.Second            // a state is made for all readers, while there are any
	feedGlance = 100 * time.Millisecond // and whether a failover has begun, or ended, is looked at
	feedLinger = 15 * time.Second       // it goes on without readers: a page that is loaded again finds its past
	feedFresh  = 500 * time.Millisecond // younger ones are not made again for whoever asks once
)

// feed makes the state for all that read it, once for all of them; nothing while nobody reads.
type feed struct {
	look      func() Snapshot
	ready     func(routes []string) ([]Check, error) // as Options.Ready
	failovers func() []metrics.FailoverState         // nil: none
	pace      time.Duration                          // feedGlance; each tenth is due whatever has changed
	stall     time.Duration                          // a reader that takes nothing for so long is given up
	log       *slog.Logger

	mu      sync.Mutex // guards what follows; not held while a snapshot is taken
	readers int
	left    time.Time // when the last of them did
	latest  *edition  // nil before the first

	taking sync.Mutex // held by take; guards what follows
	book   book
	seen   glance

	wake chan struct{} // somebody reads
	stop chan struct{} // closed by close
	end  sync.Once
	done chan struct{} // closed when run has returned
}

// edition is the state at one moment. It is not changed once it is published.
type edition struct {
	number uint64
	taken  time.Time
	change []byte        // JSON: since the edition of the number before
	next   chan struct{} // closed when there is another
}

var errFeedBroken = errors.New("the state could not be made; the log says why")

func newFeed(o *Options, log *slog.Logger) *feed {
	return &feed{
		look: o.Snapshot, ready: o.Ready, failovers: o.Failovers, pace: feedGlance, stall: streamStall, log: log,
		book: newBook(), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
}

// run is a goroutine: it publishes editions while somebody reads, until close.
func (f *feed) run() {
	defer close(f.done)
	for {
		select {
		case <-f.stop:
			return
		case <-f.wake:
			f.publish()
		}
	}
}

// publish returns when nobody has read for a while, or at the end.
func (f *feed) publish() {
	tick := time.NewTicker(f.pace)
	defer tick.Stop()
	for f.isRead() {
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
		if f.isDue() {
			if _, err := f.take(); err != nil {
				return // until somebody comes anew
			}
		}
	}
}

// isDue reports whether it is time for another edition.
func (f *feed) isDue() bool {
	e := f.now()
	return e == nil || time.Since(e.taken) >= feedEvery/feedGlance*f.pace-f.pace/2 || f.glances()
}

func (f *feed) isRead() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readers > 0 || time.Since(f.left) < feedLinger
}

func (f *feed) now() *edition {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.latest
}

// enter counts a reader, of whom there are so many at most.
func (f *feed) enter(most int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.readers >= most {
		return false
	}
	f.readers++
	select {
	case f.wake <- struct{}{}:
	default:
	}
	return true
}

func (f *feed) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers--
	f.left = time.Now()
}

// glance is what nobody should have to wait a second for.
type glance struct {
	notReady  []string
	failovers []metrics.FailoverState
}

func (f *feed) glance() (g glance) {
	if f.ready != nil {
		checks, _ := f.ready(nil) // it has an error for names only
		g.notReady = Reasons(checks)
	}
	if f.failovers != nil {
		g.failovers = f.failovers()
	}
	return g
}

// glances reports whether any of it is another than it was before the last edition. A panic
// below is for take to meet.
func (f *feed) glances() (is bool) {
	defer func() {
		if recover() != nil {
			is = true
		}
	}()
	g := f.glance()
	f.taking.Lock()
	defer f.taking.Unlock()
	return !slices.Equal(g.notReady, f.seen.notReady) || !slices.Equal(g.failovers, f.seen.failovers)
}

// take makes another edition and publishes it. A panic below is an error and a line in the log.
func (f *feed) take() (e *edition, err error) {
	f.taking.Lock()
	defer f.taking.Unlock()
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("panic", "in", "status page", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			e, err = nil, errFeedBroken
		}
	}()
	seen := f.glance()
	s := f.look()
	change, err := f.book.enter(&s)
	if err != nil {
		f.log.Error("status page", "error", err)
		return nil, errFeedBroken
	}
	f.seen = seen
	e = &edition{number: f.book.number, taken: time.Now(), change: change, next: make(chan struct{})}
	f.mu.Lock()
	old := f.latest
	f.latest = e
	f.mu.Unlock()
	if old != nil {
		close(old.next)
	}
	return e, nil
}

// whole is all of the newest state as JSON, with the number of its edition.
func (f *feed) whole() (text []byte, e *edition, err error) {
	if e = f.now(); e == nil || time.Since(e.taken) > feedFresh {
		if _, err = f.take(); err != nil {
			return nil, nil, err
		}
	}
	f.taking.Lock()
	defer f.taking.Unlock()
	text, err = f.book.whole()
	return text, f.now(), err // take alone changes it, which holds the lock
}

// close ends run and all who read; it may be called twice, and before run.
func (f *feed) close() { f.end.Do(func() { close(f.stop) }) }
