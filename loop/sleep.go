package loop

import (
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A loop sleeps in epoll_wait(2). Go's scheduler is told of that where the sleep may be long, so
// that the loop's processor (P) can work for others. But where it is a matter of microseconds, one
// after the other, that costs more than it is good for: the scheduler's monitor (runtime.sysmon)
// wakes thousands of times in a second to look after the thread, takes its P away now and then, and
// the loop goes on on another thread. So a loop that is mostly woken soon takes naps: short sleeps
// that nobody is told of. A stop of the world ends them by a signal. A longer sleep now and then
// does not end that: a login by SCRAM has several short ones, and one in which its client thinks.

const (
	soon     = int64(10 * time.Millisecond)
	napAfter = 8  // sleeps that were over soon
	napMs    = 10 // how long a nap may be: soon; then the loop sleeps
	longIs   = 2  // one that was not counts as so many
)

// drowsiness decides between the two.
type drowsiness struct {
	short int // sleeps that were over soon, less those that were not; at most 2*napAfter
}

func (d *drowsiness) naps() bool { return d.short >= napAfter }

// woke is told how long a sleep was, and whether there was a reason to wake. Where there was none it
// was a signal: the monitor asks for the processor of whoever has had it for 10 ms, and would find
// one napping on and on that has nothing to do.
func (d *drowsiness) woke(took int64, reason bool) {
	switch {
	case took >= soon: // as a nap that nothing has ended
		d.short = max(d.short-longIs, 0)
	case !reason:
		d.short /= 2
	case d.short < 2*napAfter:
		d.short++
	}
}

// running are the loops of this process. Each may keep a P to itself while it naps, and one at
// least has to be left to all others.
var running atomic.Int32

// begin is called before a loop's first turn, end behind its last.
func (l *Loop) begin() {
	l.countProcessors()
	running.Add(1)
}

// countProcessors is asked anew behind each long sleep, as there may be fewer now: a nap must not
// keep the last one from all others.
func (l *Loop) countProcessors() { l.processors = int32(runtime.GOMAXPROCS(0)) }

func (l *Loop) end() { running.Add(-1) }

// sleep waits for events, at most so long (epoll_wait's timeout).
func (l *Loop) sleep(events []unix.EpollEvent, timeoutMs int) int {
	switch {
	case timeoutMs == 0 || !l.drowsy.naps() || running.Load() >= l.processors:
		return epollWait(l.ep, events, timeoutMs)
	case timeoutMs < 0 || timeoutMs > napMs:
		timeoutMs = napMs
	}
	return epollNap(l.ep, events, timeoutMs)
}
