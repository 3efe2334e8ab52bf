package loop

import (
	"iter"
	"slices"
)

// Runner is what a Task runs: one call of Run from the first event of a
// client to its next rest.
type Runner interface {
	Run(t *Task)
}

// Task is a coroutine with a Runner. It belongs to one loop for life and goes
// back to that loop's free list when Run returns.
type Task struct {
	loop   *Loop
	runner Runner
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	queued bool  // it is in a queue of its loop: runq or yielded
	left   bool  // it runs in a goroutine: see Leave
	ends   bool  // it is unwound, as its loop has ended
	alarm  int64 // when to wake at the latest; 0 = no alarm
	place  int   // index in loop.alarms while alarm is set
}

// Start gives r a coroutine. Run begins after the present event or Task.
func (l *Loop) Start(r Runner) *Task {
	t := l.takeTask()
	t.runner = r
	l.Wake(t)
	return t
}

// Wake lets a parked Task go on, after the present event or Task. A Task may
// be woken for nothing: it looks again at what it waits for.
func (l *Loop) Wake(t *Task) {
	if !t.queued {
		t.queued = true
		l.runq = append(l.runq, t)
	}
}

// Park suspends the Task until Wake. Only the Task itself may call it.
func (t *Task) Park() {
	if !t.yield(struct{}{}) {
		t.ends = true
		panic(errUnwind)
	}
}

// Ends says whether the Task is being unwound, as its loop has ended: what its deferred calls run
// for then is no fault. Only the Task itself may call it.
func (t *Task) Ends() bool { return t.ends }

// ParkUntil suspends the Task until Wake or the loop's clock passes deadline
// (nanoseconds of Now; 0 = no deadline).
func (t *Task) ParkUntil(deadline int64) {
	if deadline == 0 {
		t.Park()
		return
	}
	t.loop.setAlarm(t, deadline)
	defer t.loop.dropAlarm(t)
	t.Park()
}

// Yield suspends the Task and lets everything else come first that is ready:
// sockets, posted functions, alarms, and the Tasks that have yielded before,
// one in each turn. A Wake meanwhile is not needed and changes nothing. Only
// the Task itself may call it.
func (t *Task) Yield() {
	t.queued = true
	t.loop.yielded = append(t.loop.yielded, t)
	t.Park()
}

// Leave has the Task go on in a goroutine of its own, where it may block, and from where it does
// not come back. From then on it must not Park or Yield, nor touch what belongs to the loop, and
// nobody may Wake it; so what it has on the loop, sockets above all, it takes away before. Who
// has asked for the Task waits for its end; Stop no longer does. Only the Task itself may call
// it.
func (t *Task) Leave() {
	t.loop.Post(func() { // when it is parked
		delete(t.loop.live, t)
		t.left = true
		go t.goOn()
	})
	for !t.left { // whoever wakes it meanwhile
		t.Park()
	}
}

// goOn is the goroutine of a Task that has left its loop.
func (t *Task) goOn() {
	t.next()
	t.stop()
}

// Loop is the loop the Task lives on.
func (t *Task) Loop() *Loop { return t.loop }

type unwind struct{}

// errUnwind travels up a parked Task when its loop ends.
var errUnwind = new(unwind)

func (l *Loop) takeTask() *Task {
	if n := len(l.idle); n > 0 {
		t := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return t
	}
	t := &Task{loop: l}
	t.next, t.stop = iter.Pull(t.body)
	if l.live[t] = struct{}{}; len(l.live) > keptTasks {
		l.crowded.Store(true)
	}
	return t
}

// body is the coroutine: it runs one Runner after another.
func (t *Task) body(yield func(struct{}) bool) {
	t.yield = yield
	for !t.runAll() {
		if !yield(struct{}{}) {
			return
		}
	}
}

// runAll runs one after another up to a panic, which ends that one alone. unwound: the coroutine
// is to end.
func (t *Task) runAll() (unwound bool) {
	defer func() {
		t.runner = nil
		v := recover()
		if v == nil {
			return
		}
		if v == any(errUnwind) {
			unwound = true
			return
		}
		t.loop.report(v)
	}()
	for {
		t.runner.Run(t)
		t.runner = nil
		if !t.yield(struct{}{}) {
			return true
		}
	}
}

// runTasks resumes those that were woken, first come, first served.
func (l *Loop) runTasks() {
	for i := 0; i < len(l.runq); i++ {
		t := l.runq[i]
		l.runq[i] = nil
		if t == nil {
			continue // a panic has come in between
		}
		t.queued = false
		if t.left || t.runner == nil {
			continue // left, or ended, after it was woken
		}
		t.next()
		if t.runner == nil {
			l.giveTask(t)
		}
	}
	l.runq = l.runq[:0]
}

// resumeYielded lets the first of those who have yielded go on: one, so that
// their number does not make the turn longer for others.
func (l *Loop) resumeYielded() {
	l.runq = append(l.runq, l.yielded[0])
	last := copy(l.yielded, l.yielded[1:])
	l.yielded[last] = nil
	l.yielded = l.yielded[:last]
	l.runTasks()
}

// Coroutines that have nothing to do are kept: up to maxIdleTasks after a burst, and keptTasks
// in the long run.
const (
	maxIdleTasks = 1024
	keptTasks    = 64
)

func (l *Loop) giveTask(t *Task) {
	if len(l.idle) < maxIdleTasks {
		l.idle = append(l.idle, t)
		return
	}
	delete(l.live, t)
	t.stop()
}

// TrimTasks ends an eighth of the coroutines that a burst has left behind beyond those that are
// always kept. Called once a second it has 1024 be gone within a minute, and does little harm where
// they are wanted again. It costs nothing, and wakes nobody, where there are few. Any goroutine.
func (l *Loop) TrimTasks() {
	if l.crowded.Load() {
		l.Post(l.trimTasks)
	}
}

func (l *Loop) trimTasks() {
	n := max(0, len(l.idle)-keptTasks+7) / 8
	for _, t := range l.idle[:n] { // those that have been idle for longest
		delete(l.live, t)
		t.stop()
	}
	l.idle = slices.Delete(l.idle, 0, n)
	l.crowded.Store(len(l.live) > keptTasks)
}

// endTasks unwinds every coroutine of this loop.
func (l *Loop) endTasks() {
	for t := range l.live {
		t.stop()
	}
	l.live = nil
}

func (l *Loop) setAlarm(t *Task, deadline int64) {
	t.alarm, t.place = deadline, len(l.alarms)
	l.alarms = append(l.alarms, t)
	if l.soonest == 0 || deadline < l.soonest {
		l.soonest = deadline
	}
}

func (l *Loop) dropAlarm(t *Task) {
	if t.alarm == 0 {
		return
	}
	last := len(l.alarms) - 1
	l.alarms[t.place] = l.alarms[last]
	l.alarms[t.place].place = t.place
	l.alarms[last] = nil
	l.alarms = l.alarms[:last]
	t.alarm = 0
	if last == 0 {
		l.soonest = 0
	}
}

// ringAlarms wakes Tasks whose alarm is due and finds the next one.
func (l *Loop) ringAlarms() {
	due := 0
	for _, t := range l.alarms {
		if t.alarm <= l.now && due < alarmsPerTurn {
			l.Wake(t)
			due++
		}
	}
	l.runTasks()
	l.soonest = 0
	for _, t := range l.alarms {
		if l.soonest == 0 || t.alarm < l.soonest {
			l.soonest = t.alarm
		}
	}
}
