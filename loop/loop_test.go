package loop

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPostFromManyGoroutinesRunsEachOnceAndInOrder(t *testing.T) {
	l := startLoop(t, 0)
	const posters, each = 8, 20000
	last := make([]int, posters)
	total := 0
	var wg sync.WaitGroup
	for p := range posters {
		wg.Go(func() {
			for i := 1; i <= each; i++ {
				l.Post(func() {
					if last[p] != i-1 {
						t.Errorf("poster %d: %d after %d", p, i, last[p])
					}
					last[p] = i
					total++
				})
			}
		})
	}
	wg.Wait()
	do(t, l, func() {
		if total != posters*each {
			t.Errorf("%d of %d ran", total, posters*each)
		}
	})
}

// A lost wake-up would let a loop sleep on a function that was posted.
func TestPostAlwaysWakesASleepingLoop(t *testing.T) {
	a, b := startLoop(t, 0), startLoop(t, 1)
	done := make(chan struct{})
	var ping func(n int)
	ping = func(n int) {
		if n == 0 {
			close(done)
			return
		}
		to := a
		if n%2 == 0 {
			to = b
		}
		to.Post(func() { ping(n - 1) })
	}
	a.Post(func() { ping(50000) })
	await(t, done, "ping-pong between two loops")
}

func TestPostAfterStopIsNotRunAndHarmsNobody(t *testing.T) {
	for range 50 {
		l, err := New(0)
		if err != nil {
			t.Fatal(err)
		}
		go l.Run()
		var stopped atomic.Bool
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 200 {
					l.Post(func() {
						if stopped.Load() {
							t.Error("ran after Stop")
						}
					})
				}
			})
		}
		l.Stop()
		stopped.Store(true)
		wg.Wait()
	}
}

func TestNothingIsLeftOfALoopThatWasStopped(t *testing.T) {
	goroutines, open := runtime.NumGoroutine(), descriptors(t)
	for range 20 {
		l, err := New(0)
		if err != nil {
			t.Fatal(err)
		}
		go l.Run()
		do(t, l, func() {
			for range 10 {
				l.Start(runnerFunc(func(task *Task) { task.Park() }))
			}
		})
		l.Stop()
	}
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
	if n := descriptors(t); n > open {
		t.Errorf("%d descriptors, %d before", n, open)
	}
}

func TestAnIdleLoopSleeps(t *testing.T) {
	l := startLoop(t, 0)
	p, _ := adopt(t, l) // a socket on which nothing happens
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) { task.ParkUntil(l.Now() + int64(time.Hour)) }))
	})
	turn := func() (n uint64) {
		do(t, l, func() { n = l.Turn() })
		return n
	}
	// The collector's signals end a sleep too; so it need not be the first tenth of a second.
	eventually(t, "a tenth of a second without turns", func() bool {
		before := turn()
		<-time.NewTimer(100 * time.Millisecond).C
		// What is posted takes a turn or two, as the loop may have been on its way to sleep.
		return turn()-before <= 4
	})
	do(t, l, func() {
		if p.seen != 0 {
			t.Errorf("%d events of an idle socket", p.seen)
		}
		p.sock.Close()
	})
}
func TestStartParkAndWakeDoNotAllocate(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	turns := 0
	r := runnerFunc(func(task *Task) {
		task.Park()
		task.ParkUntil(l.now + int64(time.Hour))
		turns++
	})
	var runner Runner = r
	turn := func() {
		task := l.Start(runner)
		for range 3 {
			l.runTasks()
			l.Wake(task)
		}
		l.runTasks()
	}
	turn() // makes the coroutine
	if n := testing.AllocsPerRun(1000, turn); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if turns < 1000 {
		t.Errorf("only %d turns", turns)
	}
	l.endTasks()
	unix.Close(l.ep)
	unix.Close(l.wake)
}

func TestPostDoesNotAllocate(t *testing.T) {
	l := startLoop(t, 0)
	var ran atomic.Int64
	fn := func() { ran.Add(1) }
	post := func() {
		want := ran.Load() + 1
		l.Post(fn)
		for ran.Load() < want {
			runtime.Gosched()
		}
	}
	post()
	if n := testing.AllocsPerRun(500, post); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestBuffersAreUsedAgain(t *testing.T) {
	l := startLoop(t, 0)
	do(t, l, func() {
		b := l.TakeBuffer()
		if len(b) != 0 || cap(b) < ScratchSize {
			t.Errorf("length %d, capacity %d", len(b), cap(b))
		}
		l.GiveBuffer(append(b, "left over"...))
		if again := l.TakeBuffer(); len(again) != 0 || &again[:1][0] != &b[:1][0] {
			t.Error("another buffer, or one that is not empty")
		}
		l.GiveBuffer(make([]byte, 0, 16*ScratchSize))
		l.GiveBuffer(make([]byte, 0, 10))
		if len(l.buffers) != 0 {
			t.Error("a buffer of a size that is not ours was kept")
		}
	})
}
