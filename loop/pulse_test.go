package loop

import (
	"strings"
	"testing"
	"time"
)

func TestALoopThatDoesNotTurnIsFoundByItsPulse(t *testing.T) {
	well, hung := startLoop(t, 0), startLoop(t, 7)
	p := NewPulse([]*Loop{well, hung}, 20*time.Millisecond)
	release, blocked := make(chan struct{}), make(chan struct{})
	defer close(release)
	hung.Post(func() { close(blocked); <-release })
	await(t, blocked, "the loop's last turn")
	if err := p.Beat(); err != nil {
		t.Errorf("before anything was asked: %v", err)
	}
	eventually(t, "a pulse that is missed", func() bool {
		err := p.Beat()
		return err != nil && strings.HasPrefix(err.Error(), "event loop 7 has not turned for ")
	})
	if n := len(hung.waiting()); n != 1 {
		t.Errorf("%d functions wait at a loop that hangs, of one pulse", n)
	}
}

func TestALoopThatTurnsHasAPulseHoweverSeldomItIsAsked(t *testing.T) {
	p := NewPulse([]*Loop{startLoop(t, 0), startLoop(t, 1)}, time.Nanosecond)
	for range 100 {
		if err := p.Beat(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "an answer", func() bool { return p.unanswered() == 0 })
	}
}

func TestALoopThatHasEndedIsNotHeldForOneThatHangs(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	l.Stop()
	p := NewPulse([]*Loop{l}, time.Nanosecond)
	for range 2 {
		if err := p.Beat(); err != nil {
			t.Error(err)
		}
	}
}

// unanswered is how many loops have not done what they were asked to.
func (p *Pulse) unanswered() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, since := range p.asked {
		if since != 0 {
			n++
		}
	}
	return n
}

func (l *Loop) waiting() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.posted
}
