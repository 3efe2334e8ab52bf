package loop

import (
	"testing"
)

func TestATaskThatHasLeftMayBlockWhileItsLoopTurns(t *testing.T) {
	l := startLoop(t, 0)
	blocked, ended := make(chan int), make(chan struct{})
	here := 0 // only the Task knows it, before and after
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			defer close(ended)
			here++
			task.Leave()
			here += <-blocked
		}))
	})
	for range 3 {
		do(t, l, func() {})
	}
	blocked <- 2
	await(t, ended, "the Task")
	if here != 3 {
		t.Errorf("it has come to %d, want 3", here)
	}
	do(t, l, func() {
		if len(l.live) != 0 {
			t.Errorf("%d Tasks are still the loop's", len(l.live))
		}
	})
}

func TestStopDoesNotWaitForATaskThatHasLeft(t *testing.T) {
	l := startLoop(t, 0)
	left, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			defer close(ended)
			task.Leave()
			close(left)
			<-goOn
		}))
	})
	await(t, left, "the Task's leave")
	l.Stop()
	select {
	case <-ended:
		t.Error("it was unwound with the loop")
	default:
	}
	close(goOn)
	await(t, ended, "the Task")
}

func TestAPanicOfATaskThatHasLeftIsReported(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan any, 1)
	l.OnPanic = func(v any, _ []byte) { told <- v }
	go l.Run()
	defer l.Stop()
	do(t, l, func() {
		l.Start(runnerFunc(func(task *Task) {
			task.Leave()
			panic("elsewhere")
		}))
	})
	if v := <-told; v != "elsewhere" {
		t.Errorf("told of %v", v)
	}
}

// Tasks are used again: who has kept one that has ended may wake the next that has it.
func TestATaskThatHasLeftIsNotWoken(t *testing.T) {
	l := startLoop(t, 0)
	goOn, left, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var kept *Task
	do(t, l, func() { kept = l.Start(runnerFunc(func(*Task) {})) })
	do(t, l, func() {
		next := l.Start(runnerFunc(func(task *Task) {
			defer close(ended)
			task.Leave()
			close(left)
			<-goOn
		}))
		if next != kept {
			t.Error("it is another Task")
		}
	})
	await(t, left, "the Task's leave")
	do(t, l, func() { l.Wake(kept) })
	do(t, l, func() {})
	close(goOn)
	await(t, ended, "the Task")
}
