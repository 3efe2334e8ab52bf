package loop

import (
	"testing"
	"time"
)

func TestWhatALoopIsAtCountsAsWork(t *testing.T) {
	l := startLoop(t, 0)
	const long = 20 * time.Millisecond
	do(t, l, func() {
		for end := Clock() + int64(long); Clock() < end; {
		}
	})
	eventually(t, "counted", func() bool { return l.Worked() >= long })
}

func TestASleepIsNoWork(t *testing.T) {
	l := startLoop(t, 0)
	do(t, l, func() {})
	eventually(t, "a while without work", func() bool {
		before := l.Worked()
		<-time.After(5 * time.Millisecond)
		return before > 0 && l.Worked() == before
	})
}

func TestALoopThatNeverSleepsIsAtWork(t *testing.T) {
	l := startLoop(t, 0)
	var again func()
	over := false
	again = func() {
		if !over {
			l.Start(runnerFunc(func(t *Task) { t.Yield() }))
			l.Post(again)
		}
	}
	l.Post(again)
	begun := l.Worked()
	eventually(t, "it grows", func() bool { return l.Worked() > begun+10*time.Millisecond })
	do(t, l, func() { over = true })
}

func TestASocketThatHasLeftItsLoopIsHeardByTheNext(t *testing.T) {
	a, b := startLoop(t, 0), startLoop(t, 1)
	p, far := adopt(t, a)
	do(t, a, func() {
		far.Write([]byte("x"))
		p.sock.Leave()
		p.seen = 0
	})
	do(t, a, func() { // what epoll has said in the turn before is over
		if n := 0; a.Walk(0, 1<<20, func(Handler) { n++ }) != 0 || n != 0 || p.seen != 0 || p.sock.Loop() != nil {
			t.Errorf("%d sockets are left, %d events", n, p.seen)
		}
	})
	do(t, b, func() {
		if err := p.sock.Attach(b); err != nil {
			t.Error(err)
		}
	})
	waitFor(t, b, p, Readable)
	do(t, b, p.sock.Close)
}
