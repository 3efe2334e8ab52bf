package loop

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTasksRunInTheOrderInWhichTheyWereStarted(t *testing.T) {
	l := startLoop(t, 0)
	var order []int
	do(t, l, func() {
		for i := range 5 {
			l.Start(runnerFunc(func(*Task) { order = append(order, i) }))
		}
		if len(order) > 0 {
			t.Error("a Task ran before the function that started it had ended")
		}
	})
	do(t, l, func() {
		if !slices.Equal(order, []int{0, 1, 2, 3, 4}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestTasksAreResumedInTheOrderInWhichTheyWereWoken(t *testing.T) {
	l := startLoop(t, 0)
	var order []int
	tasks := make([]*Task, 4)
	do(t, l, func() {
		for i := range tasks {
			tasks[i] = l.Start(runnerFunc(func(task *Task) {
				task.Park()
				order = append(order, i)
			}))
		}
	})
	do(t, l, func() {
		for _, i := range []int{2, 0, 3, 1} {
			l.Wake(tasks[i])
			l.Wake(tasks[i]) // once woken is woken
		}
	})
	do(t, l, func() {
		if !slices.Equal(order, []int{2, 0, 3, 1}) {
			t.Errorf("order %v", order)
		}
	})
}

func TestATaskWokenForNothingParksAgain(t *testing.T) {
	l := startLoop(t, 0)
	ready, looked := false, 0
	var task *Task
	ended := make(chan struct{})
	do(t, l, func() {
		task = l.Start(runnerFunc(func(task *Task) {
			for !ready {
				looked++
				task.Park()
			}
			close(ended)
		}))
	})
	for range 3 {
		do(t, l, func() { l.Wake(task) })
	}
	do(t, l, func() { ready = true; l.Wake(task) })
	await(t, ended, "the Task")
	if looked != 4 {
		t.Errorf("looked %d times, want 4", looked)
	}
}

func TestAWakeForATaskThatHasEndedDoesNotHarmItsNextRunner(t *testing.T) {
	l := startLoop(t, 0)
	var first, second *Task
	resumed := 0
	do(t, l, func() { first = l.Start(runnerFunc(func(*Task) {})) })
	do(t, l, func() {
		l.Wake(first) // it has ended
	})
	do(t, l, func() {
		second = l.Start(runnerFunc(func(task *Task) {
			for range 2 {
				task.Park()
				resumed++
			}
		}))
		if second != first {
			t.Error("the coroutine was not used again")
		}
	})
	do(t, l, func() { l.Wake(second) })
	do(t, l, func() {
		if resumed != 1 {
			t.Errorf("resumed %d times, want 1", resumed)
		}
	})
	do(t, l, func() { l.Wake(second) })
}

func TestParkUntilEndsAtItsDeadline(t *testing.T) {
	l := startLoop(t, 0)
	var slept time.Duration
	ended := make(chan struct{})
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			began := Clock()
			task.ParkUntil(l.Now() + int64(30*time.Millisecond))
			slept = time.Duration(Clock() - began)
			close(ended)
		}))
	})
	await(t, ended, "the Task")
	if slept < 29*time.Millisecond {
		t.Errorf("slept %v of 30 ms", slept)
	}
}

// The clock is the test's: on a busy machine several alarms may be due at once.
func TestAlarmsRingWhenTheyAreDue(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		l.endTasks()
		unix.Close(l.ep)
		unix.Close(l.wake)
	}()
	var j journal
	for _, at := range []int64{40, 10, 25, 11} {
		l.Start(runnerFunc(func(task *Task) {
			task.ParkUntil(at)
			j.add(fmt.Sprint(at))
		}))
	}
	l.runTasks()
	for _, step := range []struct {
		now     int64
		rung    string
		soonest int64
	}{{9, "", 10}, {10, "10", 11}, {24, "10 11", 25}, {99, "10 11 25 40", 0}} {
		l.now = step.now
		l.ringAlarms()
		rung := j.all()
		slices.Sort(rung)
		if got := strings.Join(rung, " "); got != step.rung || l.soonest != step.soonest {
			t.Errorf("at %d: %s have rung, the next is at %d; want %s and %d", step.now, got, l.soonest, step.rung, step.soonest)
		}
	}
	if len(l.alarms) != 0 {
		t.Errorf("%d alarms are left", len(l.alarms))
	}
}

func TestWakeEndsParkUntilBeforeItsDeadline(t *testing.T) {
	l := startLoop(t, 0)
	ended := make(chan struct{})
	var task *Task
	do(t, l, func() {
		task = l.Start(runnerFunc(func(task *Task) {
			task.ParkUntil(l.Now() + int64(time.Hour))
			close(ended)
		}))
	})
	do(t, l, func() { l.Wake(task) })
	await(t, ended, "the Task")
	do(t, l, func() {
		if len(l.alarms) != 0 {
			t.Error("its alarm is still set")
		}
	})
}

func TestAPanicEndsItsTaskAloneAndIsReported(t *testing.T) {
	l := startLoop(t, 0)
	var reported any
	var stack string
	l.OnPanic = func(v any, b []byte) { reported, stack = v, string(b) }
	boom := errors.New("boom")
	other, cleaned := false, false
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			defer func() { cleaned = true }()
			task.ParkUntil(l.Now() + 1)
			panicHere(boom)
		}))
		l.Start(runnerFunc(func(task *Task) {
			task.ParkUntil(l.Now() + int64(5*time.Millisecond))
			other = true
		}))
	})
	eventually(t, "the other Task goes on", func() bool {
		var done bool
		do(t, l, func() { done = other })
		return done
	})
	do(t, l, func() {
		if reported != boom || !strings.Contains(stack, "panicHere") {
			t.Errorf("reported %v, stack:\n%s", reported, stack)
		}
		if !cleaned {
			t.Error("the deferred call did not run")
		}
		ran := false
		l.Start(runnerFunc(func(*Task) { ran = true }))
		l.Post(func() {
			if !ran {
				t.Error("the coroutine of the panic serves nobody any more")
			}
		})
	})
	do(t, l, func() {})
}

func panicHere(v any) { panic(v) }

func TestAPanicInAPostedFunctionOrAHandlerLeavesTheLoopRunning(t *testing.T) {
	l := startLoop(t, 0)
	reports := 0
	l.OnPanic = func(any, []byte) { reports++ }
	l.Post(func() { panic("posted") })
	do(t, l, func() {})
	near, far := tcpPair(t)
	h := &panicking{}
	if err := h.sock.Open(near, h); err != nil {
		t.Fatal(err)
	}
	do(t, l, func() { h.sock.Attach(l) })
	far.Write([]byte("x"))
	eventually(t, "the Handler's panic is reported", func() bool {
		n := 0
		do(t, l, func() { n = reports })
		return n == 2
	})
	do(t, l, func() { h.sock.Close() })
}

type panicking struct{ sock Socket }

func (p *panicking) Ready(*Loop, Events) {
	p.sock.Mute()
	panic("ready")
}

func TestStopUnwindsParkedTasks(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	l.OnPanic = func(v any, stack []byte) { t.Errorf("panic: %v\n%s", v, stack) }
	go l.Run()
	var j journal
	do(t, l, func() {
		for range 3 {
			l.Start(runnerFunc(func(task *Task) {
				defer j.add("deferred")
				defer func() {
					defer j.add("parked again")
					task.Park() // must not hang, and not go on either
					j.add("went on")
				}()
				task.ParkUntil(l.Now() + int64(time.Hour))
				j.add("went on")
			}))
		}
		l.Start(runnerFunc(func(*Task) {})) // one that rests
	})
	l.Stop()
	got := j.all()
	if len(got) != 6 || slices.Contains(got, "went on") {
		t.Errorf("journal: %v", got)
	}
}

func TestManyMoreTasksThanTheFreeListKeepsAllRun(t *testing.T) {
	l := startLoop(t, 0)
	ran := 0
	do(t, l, func() {
		for range maxIdleTasks + 100 {
			l.Start(runnerFunc(func(*Task) { ran++ }))
		}
	})
	do(t, l, func() {
		if ran != maxIdleTasks+100 {
			t.Errorf("%d ran", ran)
		}
		if len(l.idle) > maxIdleTasks || len(l.live) != len(l.idle) {
			t.Errorf("%d rest, %d live", len(l.idle), len(l.live))
		}
	})
}

// What a burst leaves behind goes by and by, but for some, and who is at work stays.
func TestTasksThatABurstHasLeftAreTrimmed(t *testing.T) {
	l := startLoop(t, 0)
	var worker *Task
	ended := make(chan struct{})
	do(t, l, func() {
		worker = l.Start(runnerFunc(func(t *Task) {
			defer close(ended)
			t.Park()
		}))
		for range 1000 {
			l.Start(runnerFunc(func(*Task) {}))
		}
	})
	idle := func() (n int) {
		do(t, l, func() { n = len(l.idle) })
		return n
	}
	seconds := 0
	for before := idle(); before > keptTasks; seconds++ {
		l.TrimTasks()
		now := idle()
		if now >= before || now < before-before/8-1 {
			t.Fatalf("%d are left of %d", now, before)
		}
		before = now
	}
	if seconds > 60 {
		t.Errorf("it took %d times", seconds)
	}
	for range 3 {
		l.TrimTasks()
	}
	if n := idle(); n != keptTasks {
		t.Errorf("%d are kept", n)
	}
	do(t, l, func() { l.Wake(worker) })
	await(t, ended, "who was at work")
	l.TrimTasks()
	do(t, l, func() {
		if len(l.live) != keptTasks {
			t.Errorf("%d live", len(l.live))
		}
	})
}

// Where nothing is to be trimmed a loop sleeps on.
func TestTrimmingWakesNoLoopThatHasFewTasks(t *testing.T) {
	l := startLoop(t, 0)
	do(t, l, func() {
		for range keptTasks {
			l.Start(runnerFunc(func(*Task) {}))
		}
	})
	turn := func() (n uint64) {
		do(t, l, func() { n = l.Turn() })
		return n
	}
	before := turn()
	for range 100 {
		l.TrimTasks()
	}
	if now := turn(); now > before+2 {
		t.Errorf("%d turns", now-before)
	}
}
