package loop

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestATaskThatYieldsLetsASocketAPostedFunctionAndAnAlarmComeFirst(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	var j journal
	ended := make(chan struct{})
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.ev == 0 {
				task.Park()
			}
			j.add("socket")
			p.sock.Close()
		}))
		l.Start(runnerFunc(func(task *Task) {
			task.ParkUntil(l.Now() + 1)
			j.add("alarm")
		}))
		l.Start(runnerFunc(func(task *Task) {
			deliver(t, far, p)
			l.Post(func() { j.add("posted") })
			task.Yield()
			j.add("yielded")
			close(ended)
		}))
	})
	await(t, ended, "the Task")
	if got := j.all(); len(got) != 4 || got[3] != "yielded" {
		t.Errorf("order %v", got)
	}
}

// deliver writes a byte and waits, on the loop, until the kernel has it for p.
func deliver(t *testing.T, far net.Conn, p *peer) {
	far.Write([]byte("x"))
	ready := []unix.PollFd{{Fd: p.sock.fd, Events: unix.POLLIN}}
	if n, err := unix.Poll(ready, int(patience.Milliseconds())); n != 1 {
		t.Errorf("poll: %d, %v", n, err)
	}
}

// However many have yielded, and however often, a turn serves one of them.
func TestThoseWhoYieldTakeTurnsAndOneTurnEach(t *testing.T) {
	l := startLoop(t, 0)
	const tasks, rounds = 5, 4
	var order []string
	var turns []uint64
	done := make(chan struct{})
	do(t, l, func() {
		for i := range tasks {
			l.Start(runnerFunc(func(task *Task) {
				for range rounds {
					task.Yield()
					order = append(order, fmt.Sprint(i))
					turns = append(turns, l.Turn())
				}
				if len(order) == tasks*rounds {
					close(done)
				}
			}))
		}
	})
	await(t, done, "the last Task")
	if got, want := strings.Join(order, ""), strings.Repeat("01234", rounds); got != want {
		t.Errorf("order %s, want %s", got, want)
	}
	if n := len(slices.Compact(turns)); n != tasks*rounds {
		t.Errorf("%d resumptions in %d turns", tasks*rounds, n)
	}
}

func TestAWakeDoesNotLetAYieldedTaskJumpTheQueueNorRunTwice(t *testing.T) {
	l := startLoop(t, 0)
	var j journal
	var jumper *Task
	done := make(chan struct{})
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			task.Yield()
			j.add("first")
		}))
		jumper = l.Start(runnerFunc(func(task *Task) {
			task.Yield()
			j.add("second")
			task.ParkUntil(l.Now() + int64(5*time.Millisecond))
			j.add("alarm")
			close(done)
		}))
		l.Start(runnerFunc(func(*Task) { l.Wake(jumper) }))
	})
	await(t, done, "the Task")
	if got := strings.Join(j.all(), " "); got != "first second alarm" {
		t.Errorf("order %s", got)
	}
}

func TestALoopSleepsAgainWhenNobodyYieldsAnyMore(t *testing.T) {
	l := startLoop(t, 0)
	done := make(chan struct{})
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			for range 1000 {
				task.Yield()
			}
			close(done)
		}))
	})
	await(t, done, "the Task")
	var before, after uint64
	do(t, l, func() { before = l.Turn() })
	hold := time.NewTimer(50 * time.Millisecond)
	<-hold.C
	do(t, l, func() { after = l.Turn() })
	if after > before+4 { // that of the question, and those it was woken for in vain
		t.Errorf("%d turns with nothing to do", after-before)
	}
}

func TestStopUnwindsTasksThatHaveYielded(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	var j journal
	do(t, l, func() {
		for range 2 {
			l.Start(runnerFunc(func(task *Task) {
				defer j.add("deferred")
				for {
					task.Yield()
				}
			}))
		}
	})
	l.Stop()
	if got := j.all(); len(got) != 2 {
		t.Errorf("journal: %v", got)
	}
}

func TestYieldDoesNotAllocate(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	var events [eventsPerTurn]unix.EpollEvent
	for range 3 {
		l.Start(runnerFunc(func(task *Task) {
			for {
				task.Yield()
			}
		}))
	}
	l.runTasks()
	turn := func() { l.runTurn(events[:]) }
	turn()
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
	l.endTasks()
	unix.Close(l.ep)
	unix.Close(l.wake)
}

// A storm of functions, such as those of many logins, is served in slices.
func TestASocketIsServedInTheMiddleOfAStormOfPostedFunctions(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	const storm = 20 * postedPerTurn
	served, ran := 0, 0
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.ev == 0 {
				task.Park()
			}
			served = ran
			p.sock.Close()
		}))
		for i := range storm {
			l.Post(func() {
				if i == 0 {
					deliver(t, far, p)
				}
				if ran != i {
					t.Errorf("function %d is the %dth to run", i, ran)
				}
				ran++
			})
		}
	})
	do(t, l, func() {
		if ran != storm {
			t.Errorf("%d of %d functions ran", ran, storm)
		}
		if served == 0 || served > 2*postedPerTurn {
			t.Errorf("the socket was served after %d functions", served)
		}
	})
}

// Many who wait for the same moment are served in slices too.
func TestASocketIsServedInTheMiddleOfAStormOfAlarms(t *testing.T) {
	l := startLoop(t, 0)
	p, far := adopt(t, l)
	const storm = 20 * alarmsPerTurn
	served, rung := 0, 0
	done := make(chan struct{})
	do(t, l, func() {
		p.task = l.Start(runnerFunc(func(task *Task) {
			for p.ev == 0 {
				task.Park()
			}
			served = rung
			p.sock.Close()
		}))
		when := l.Now() + int64(time.Millisecond)
		for range storm {
			l.Start(runnerFunc(func(task *Task) {
				task.ParkUntil(when)
				if rung == 0 {
					deliver(t, far, p)
				}
				if rung++; rung == storm {
					close(done)
				}
			}))
		}
	})
	await(t, done, "the last alarm")
	if served == 0 || served > 2*alarmsPerTurn {
		t.Errorf("the socket was served after %d alarms", served)
	}
}

func BenchmarkYield(b *testing.B) {
	l := startLoop(b, 0)
	done := make(chan struct{})
	b.ResetTimer()
	l.Post(func() {
		l.Start(runnerFunc(func(task *Task) {
			for range b.N {
				task.Yield()
			}
			close(done)
		}))
	})
	<-done
}
