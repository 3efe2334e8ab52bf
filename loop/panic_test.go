package loop

import "testing"

// Whoever was ready, posted or woken together with what panics has his turn all the same.
func TestAPanicTakesNobodyElsesTurn(t *testing.T) {
	l := startLoop(t, 0)
	panics := 0
	l.OnPanic = func(any, []byte) { panics++ }
	poison, farPoison := adopt(t, l)
	good, farGood := adopt(t, l)
	var began, woken, posted, served uint64
	done := make(chan struct{})
	do(t, l, func() {
		poison.sock.handler = handlerFunc(func() {
			poison.sock.Mute()
			panic("ready")
		})
		good.sock.handler = handlerFunc(func() {
			good.sock.Mute()
			served = l.Turn()
			close(done)
		})
		task := l.Start(runnerFunc(func(task *Task) {
			task.Park()
			woken = l.Turn()
		}))
		l.Post(func() {
			began = l.Turn()
			deliver(t, farPoison, poison) // so it comes first
			deliver(t, farGood, good)
			panic("posted")
		})
		l.Post(func() { posted = l.Turn() })
		l.Post(func() {
			l.Wake(task)
			panic("posted")
		})
	})
	await(t, done, "the socket behind the one whose handler panics")
	do(t, l, func() {
		if woken != began || posted != began || served != began+1 {
			t.Errorf("a Task that was woken ran in turn %d, a function in %d, both are for %d; a socket was served in %d", woken, posted, began, served)
		}
		if panics != 3 {
			t.Errorf("%d panics were reported", panics)
		}
		poison.sock.Close()
		good.sock.Close()
	})
}

type handlerFunc func()

func (f handlerFunc) Ready(*Loop, Events) { f() }
