package loop

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ScratchSize is the length of a loop's read buffer. A frame that does not
// fit in it is streamed.
const ScratchSize = 64 << 10

// A turn of a loop serves so many sockets, posted functions and alarms at the
// most, so that a storm of the one does not keep the others waiting.
const (
	eventsPerTurn = 256
	postedPerTurn = 256
	alarmsPerTurn = 256
)

// Loop is one event loop. Start it with go l.Run(); all methods but Post and
// Stop must be called on the loop itself.
type Loop struct {
	ID int // position among its siblings; indexes per-loop counters

	// OnPanic is told of a panic in a Task, with the stack. Set it before Run.
	OnPanic func(v any, stack []byte)

	// NoRing is why the kernel gives us no io_uring, so that each send is a system call of its
	// own; nil where it does.
	NoRing error

	ep      int       // epoll descriptor
	wake    int       // eventfd: something was posted
	count   [8]byte   // what wake held; nobody needs it
	sockets []*Socket // by their descriptors
	fresh   []int32   // descriptors attached in this turn: what it has found ready is not theirs
	scratch []byte
	buffers [][]byte  // free output and tail buffers
	beyonds []*beyond // free ones
	runq    []*Task
	yielded []*Task            // woken again one in each turn, the first first
	idle    []*Task            // coroutines without a Runner
	live    map[*Task]struct{} // every coroutine, to unwind at the end
	crowded atomic.Bool        // there were more than are kept, when one was made or some were trimmed
	alarms  []*Task
	soonest int64 // no alarm is due before this; 0 = none set
	now     int64
	turn    uint64
	meter   meter
	ended   bool
	done    chan struct{}

	outgoing outgoing

	drowsy     drowsiness
	processors int32 // of Go's scheduler

	within bool // a turn has begun and not come to its end
	ready  int  // how many events it has found
	told   int  // how many of them have been dispatched
	left   bool // somebody had yielded before it

	asleep    atomic.Bool // a Post must write to wake
	mu        sync.Mutex  // guards posted and closed; held for an append or an eventfd's write only
	posted    []func()
	hasPosted atomic.Bool // posted is not empty; written under mu
	closed    bool        // wake is another's number by now
	batch     []func()    // posted's other half, swapped under mu
	ran       int         // how many of batch have been run
}

// Handler is what a Socket wakes: a client or a server. Ready is called on
// the loop the socket is attached to and must not block; after a socket has
// moved it may be called once more by the loop that it left, so it must find
// out who holds the socket before it touches it.
type Handler interface {
	Ready(l *Loop, ev Events)
}

// Events says what a socket is ready for.
type Events uint32

// Readable includes the peer's close and errors: the next Read tells.
const (
	Readable Events = 1 << iota
	Writable
	Closed // the peer has closed its side or the connection broke
)

// New returns a loop that has not begun. Run frees its descriptors when it ends.
func New(id int) (*Loop, error) {
	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(ep)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	l := &Loop{ID: id, ep: ep, wake: wake, scratch: make([]byte, ScratchSize), now: Clock(), live: make(map[*Task]struct{}), done: make(chan struct{})}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)}
	if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, wake, &ev); err != nil {
		unix.Close(ep)
		unix.Close(wake)
		return nil, fmt.Errorf("epoll_ctl: %w", err)
	}
	l.NoRing = l.outgoing.open()
	return l, nil
}

// Run serves until Stop. It returns after every Task has ended.
func (l *Loop) Run() {
	defer close(l.done)
	l.begin()
	defer l.end()
	var events [eventsPerTurn]unix.EpollEvent
	for !l.ended {
		l.runTurns(events[:])
	}
	l.endTasks()
	l.outgoing.send()
	l.outgoing.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed, l.posted = true, nil
	unix.Close(l.ep)
	unix.Close(l.wake)
}

// runTurns serves turn after turn, up to the end of the loop or a panic in what it calls. Behind
// that it is called again, and goes on with what was left of the turn. So what could panic needs no
// frame of its own to be caught in.
func (l *Loop) runTurns(events []unix.EpollEvent) {
	defer l.caught()
	l.runTasks() // whom that one had woken before
	for !l.ended {
		l.runTurn(events)
	}
}

// runTurn serves what is ready, or what is left of that. Who has yielded comes last, and not in
// the turn in which it did.
func (l *Loop) runTurn(events []unix.EpollEvent) {
	if !l.within {
		l.within, l.left = true, len(l.yielded) > 0
		l.ready, l.told = l.wait(events), 0
		l.outgoing.several = l.ready > 1
	}
	for l.told < l.ready {
		ev := &events[l.told]
		l.told++
		l.dispatch(ev)
	}
	if l.hasPosted.Load() || l.ran < len(l.batch) {
		l.runPosted()
	}
	if l.soonest != 0 && l.now >= l.soonest {
		l.ringAlarms()
	}
	if l.left {
		l.left = false
		l.resumeYielded()
	}
	l.outgoing.send()
	l.within = false
}

// Stop makes Run return and waits for it. Tasks that are parked are unwound:
// their deferred calls run, nothing else of them. Not to be called on the loop.
func (l *Loop) Stop() {
	l.Post(func() { l.ended = true })
	<-l.done
}

// Post runs fn on the loop, after the events at hand. Safe for any goroutine;
// never blocks. A function posted after Stop is not run.
func (l *Loop) Post(fn func()) {
	l.mu.Lock()
	if !l.closed {
		l.posted = append(l.posted, fn)
		l.hasPosted.Store(true)
	}
	l.mu.Unlock()
	if l.asleep.CompareAndSwap(true, false) {
		l.rouse()
	}
}

// one is what an eventfd is told; never changed.
var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

// rouse ends the loop's sleep in the kernel.
func (l *Loop) rouse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		unix.Write(l.wake, one) //nolint:errcheck // an eventfd that is full is awake
	}
}

// Now is the loop's coarse monotonic clock in nanoseconds, read once per turn.
func (l *Loop) Now() int64 { return l.now }

// Turn numbers the loop's looks at what is ready: while it stays the same,
// nobody else has been served but those who were woken in it.
func (l *Loop) Turn() uint64 { return l.turn }

// Scratch is the loop's read buffer: free to use until the Task parks or yields.
func (l *Loop) Scratch() []byte { return l.scratch }

// wait sleeps until a socket is ready, something is posted or an alarm is due;
// not at all while there is work left.
func (l *Loop) wait(events []unix.EpollEvent) (n int) {
	if timeout := l.sleepFor(); timeout == 0 {
		n = epollNap(l.ep, events, 0)
		l.worksUntil(Clock())
	} else {
		l.asleep.Store(true)
		if l.hasPosted.Load() {
			timeout = 0
		}
		l.worksUntil(Clock())
		began := l.now
		n = l.sleep(events, timeout)
		l.asleep.Store(false)
		l.now = Clock()
		if timeout != 0 { // else it was no sleep
			if l.now-began >= soon {
				l.countProcessors()
			}
			l.drowsy.woke(l.now-began, n > 0 || l.soonest != 0 && l.now >= l.soonest)
		}
	}
	l.turn++
	l.fresh = l.fresh[:0]
	return n
}

// sleepFor is the epoll timeout in ms: -1 without alarms, 0 with work left.
func (l *Loop) sleepFor() int {
	switch {
	case len(l.yielded) > 0 || l.ran < len(l.batch):
		return 0
	case l.soonest == 0:
		return -1
	}
	d := l.soonest - l.now
	if d <= 0 {
		return 0
	}
	return int(d/int64(time.Millisecond)) + 1
}

func (l *Loop) dispatch(ev *unix.EpollEvent) {
	fd := int(ev.Fd)
	if fd == l.wake {
		unix.Read(l.wake, l.count[:]) //nolint:errcheck // only resets the counter
		return
	}
	s := l.known(fd)
	if s == nil || len(l.fresh) > 0 && slices.Contains(l.fresh, ev.Fd) {
		return // closed or moved earlier in this turn; its descriptor may have another socket by now
	}
	s.handler.Ready(l, eventsOf(ev.Events))
	if len(l.runq) > 0 {
		l.runTasks()
	}
}

func eventsOf(e uint32) Events {
	var ev Events
	if e&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		ev |= Readable
	}
	if e&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		ev |= Writable
	}
	if e&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		ev |= Closed
	}
	return ev
}

// runPosted runs what was posted, in order; what is too much for one turn
// stays in batch.
func (l *Loop) runPosted() {
	if l.ran == len(l.batch) {
		l.takePosted()
	}
	for end := min(len(l.batch), l.ran+postedPerTurn); l.ran < end; {
		fn := l.batch[l.ran]
		l.batch[l.ran] = nil
		l.ran++
		fn()
		l.runTasks()
	}
}

func (l *Loop) takePosted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posted, l.batch, l.ran = l.batch[:0], l.posted, 0
	l.hasPosted.Store(false)
}

// caught is deferred around what must not take the loop with it. A panic is reported like a Task's.
func (l *Loop) caught() {
	if v := recover(); v != nil {
		l.report(v)
	}
}

func (l *Loop) report(v any) {
	if l.OnPanic != nil {
		l.OnPanic(v, debug.Stack())
	}
}

// TakeBuffer returns an empty buffer of at least ScratchSize capacity from the
// loop's free list; GiveBuffer takes it back.
func (l *Loop) TakeBuffer() []byte {
	if n := len(l.buffers); n > 0 {
		b := l.buffers[n-1]
		l.buffers = l.buffers[:n-1]
		return b
	}
	return make([]byte, 0, ScratchSize)
}

// maxFreeBuffers bounds what a burst leaves behind: 4 MiB per loop.
const maxFreeBuffers = 64

// GiveBuffer returns a buffer to the free list; the caller must not use it again.
func (l *Loop) GiveBuffer(b []byte) {
	if cap(b) >= ScratchSize && cap(b) <= 2*ScratchSize && len(l.buffers) < maxFreeBuffers {
		l.buffers = append(l.buffers, b[:0])
	}
}

var clockStart = time.Now()

// Clock is the exact time of which Now is the coarse one: monotonic nanoseconds,
// the same for all loops, safe for any goroutine; never 0, so that 0 can mean "no time".
func Clock() int64 { return int64(time.Since(clockStart)) + 1 }
