package loop

import (
	"testing"
	"time"
)

func TestALoopThatDoesNotTurnIsFoundByItsPulse(t *testing.T) {
	well, hung := startLoop(t, 0), startLoop(t, 7)
	p := NewPulse([]*Loop{well, hung})
	if id, silent := p.Beat(); silent != 0 {
		t.Errorf("loop %d is silent for %s before it was asked", id, silent)
	}
	for range 3 {
		eventually(t, "answers", func() bool { return p.unanswered() == 0 })
		if id, silent := p.Beat(); silent != 0 {
			t.Errorf("loop %d has answered, and is silent for %s", id, silent)
		}
	}
	eventually(t, "answers", func() bool { return p.unanswered() == 0 })
	release := make(chan struct{})
	defer close(release)
	blocked := make(chan struct{})
	hung.Post(func() { close(blocked); <-release })
	await(t, blocked, "the loop's last turn")
	p.Beat()
	var last time.Duration
	eventually(t, "a second of silence", func() bool {
		id, silent := p.Beat()
		if id == 7 && silent < last {
			t.Errorf("silent for %s, behind %s", silent, last)
		}
		if id == 7 {
			last = silent
		}
		return id == 7 && silent > time.Second
	})
	if n := len(hung.waiting()); n != 1 {
		t.Errorf("%d functions wait at a loop that hangs, of one pulse", n)
	}
}

func TestALoopThatHasEndedIsNotHeldForOneThatHangs(t *testing.T) {
	l, err := New(0)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	l.Stop()
	p := NewPulse([]*Loop{l})
	for range 2 {
		if _, silent := p.Beat(); silent != 0 {
			t.Errorf("silent for %s", silent)
		}
	}
	if p.unanswered() > 0 {
		t.Error("it was asked")
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
