package pool

import (
	"testing"
	"time"

	"portero/loop"
	"portero/metrics"
)

func TestAnOpenerThatWasPatientGoesOnOnlyIfAServerIsMissed(t *testing.T) {
	const patient = 10 * time.Millisecond
	for name, c := range map[string]struct {
		waited  []time.Duration // by those in the queue
		dialing int
		drained bool // the queue was empty meanwhile
		back    time.Duration
		lent    int
		want    bool
	}{
		"the queue moves":                      {[]time.Duration{1, 0}, 0, true, 0, 3, false},
		"it moves, and is never empty":         {[]time.Duration{1, 0}, 0, false, 0, 3, true},
		"... but one is being opened":          {[]time.Duration{1, 0}, 1, false, 0, 3, false},
		"somebody has waited for so long":      {[]time.Duration{11, 0}, 0, true, 0, 3, true},
		"... and one is being opened for him":  {[]time.Duration{11, 0}, 1, true, 0, 3, false},
		"two have, and one is being opened":    {[]time.Duration{30, 11, 0}, 1, true, 0, 3, true},
		"nothing has come back for a while":    {[]time.Duration{1}, 5, true, 30, 3, true},
		"nothing is lent that could come back": {[]time.Duration{1}, 5, true, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newStage(t, nil, "127.0.0.1:1").joinNodes(20)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.known, p.lent, p.now.hold = true, c.lent, NotHeld
			p.turnover = turnover{takes: patient, cameBack: loop.Clock() - int64(c.back*time.Millisecond)}
			p.opening = c.dialing
			for _, d := range c.waited {
				p.waiting.push(&Claim{Since: loop.Clock() - int64(d*time.Millisecond)})
			}
			before := p.waiting.drained
			if c.drained {
				p.waiting.drained++
			}
			if got := p.isMissedLocked(patient, before); got != c.want {
				t.Errorf("goes on: %v", got)
			}
			p.opening, p.lent, p.waiting = 0, 0, queue{}
		})
	}
}

func TestPatienceIsAsLongAsOpeningTakes(t *testing.T) {
	var x turnover
	if got := x.patience(); got != firstPause {
		t.Errorf("%v before a server was opened", got)
	}
	x.took(20 * time.Millisecond)
	x.took(28 * time.Millisecond)
	if got := x.patience(); got != 22*time.Millisecond {
		t.Errorf("%v after 20 and 28 ms", got)
	}
	x.took(time.Hour)
	if got := x.patience(); got > mostPatience {
		t.Errorf("%v after an hour", got)
	}
	for range 50 {
		x.took(time.Microsecond)
	}
	if got := x.patience(); got != leastPatience {
		t.Errorf("%v where it takes no time", got)
	}
}

// What comes back all the time may cease to: nobody waits for ever by that.
func TestAClientWhoseTurnDoesNotComeHasAServerOpened(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(5)
	holder := s.client(p, 0)
	for range 20 {
		holder.get()
		holder.release()
	}
	holder.get()
	p.mu.Lock()
	p.turnover.cameBack, p.turnover.takes = loop.Clock(), mostPatience
	p.mu.Unlock()
	waiter := s.client(p, 1)
	waiter.get()
	if _, _, logins := f.count(); logins != 2 {
		t.Errorf("%d servers were opened", logins)
	}
	waiter.release()
	holder.release()
	wait(t, "balance", p.balanced)
}

// A burst on a pool without servers is not patient: all are dialled before one has answered.
func TestABurstOnAnEmptyPoolOpensAllAtOnce(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(10)
	s.letIn(p)
	f.set(func() { f.silent, f.dials = true, 0 })
	for i := range 10 {
		s.client(p, i%2).ask()
	}
	wait(t, "ten dials", func() error { f.mu.Lock(); defer f.mu.Unlock(); return until(f.dials == 10) })
}

// Each success of another opener ends the pause of one that is patient.
func TestAnOpenerIsPatientThoughAnotherOneHasAServer(t *testing.T) {
	const patient = 100 * time.Millisecond
	p := newStage(t, nil, "127.0.0.1:1").joinNodes(20)
	var st Startup
	p.mu.Lock()
	p.known, p.lent, p.opening, p.openers[st] = true, 1, 1, 1
	p.turnover = turnover{takes: patient, patient: 1, cameBack: loop.Clock() + int64(time.Hour)}
	p.waiting.push(&Claim{Since: loop.Clock()})
	p.mu.Unlock()
	took := make(chan time.Duration)
	go func() {
		began := loop.Clock()
		p.outwait(p.ctx, st, patient)
		took <- time.Duration(loop.Clock() - began)
	}()
	pause := time.NewTicker(time.Millisecond)
	defer pause.Stop()
	for {
		select {
		case d := <-took:
			if d < patient {
				t.Errorf("it went on after %v", d)
			}
			p.mu.Lock()
			p.opening, p.lent, p.waiting = 0, 0, queue{}
			p.mu.Unlock()
			return
		case <-pause.C:
			p.mu.Lock()
			close(p.proved)
			p.proved = make(chan struct{})
			p.mu.Unlock()
		}
	}
}

// What is out of the books until it is closed takes a place of the quota.
func TestAnOpenerClosesTheServerThatItReplacesAtOnce(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(2)
	c := s.client(p, 0)
	c.get()
	c.release()
	p.mu.Lock()
	spare := p.takeSpareLocked()
	p.startLocked(Startup{}, spare, time.Hour)
	p.mu.Unlock()
	wait(t, "it is closed", func() error { return until(p.closing.Load() == 0) })
	wait(t, "balance", p.balanced)
}

// cameBack is when a client last gave a server back for others.
func (p *Pool) cameBack() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.turnover.cameBack
}

func TestOnlyWhatClientsGiveBackForOthersComesBack(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinNodes(2)
	a := s.client(p, 0)
	server := a.get()
	a.release()
	before := p.cameBack()
	if before == 0 {
		t.Fatal("what was given back is not counted")
	}
	a.do(func() { p.passOn(p.takeOne(server), a.loop) }) // as of one that has said something
	if got := p.cameBack(); got != before {
		t.Error("one that nobody had came back")
	}
	a.get()
	p.condemn(server, metrics.ServerDirty)
	a.release()
	if got := p.cameBack(); got != before {
		t.Error("one that is closed came back")
	}
	wait(t, "balance", p.balanced)
}

// takeOne takes an idle server.
func (p *Pool) takeOne(s *Server) *Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takeIdleLocked(func(one *Server) bool { return one == s })
	return s
}
