package pool

import (
	"testing"
	"time"

	"portero/metrics"
)

func TestThePrimaryIsFoundAmongSeveralHosts(t *testing.T) {
	a, b, c := startFake(t), startFake(t), startFake(t)
	a.follow()
	c.follow()
	s := newStage(t, nil, a.addr, b.addr, c.addr)
	p := s.join(5, 0, "leader", "app")
	for i := range 5 {
		if got := s.client(p, i%2).get(); got.Member() != b.addr {
			t.Errorf("served by %s", got.Member())
		}
	}
	wait(t, "the others are left alone", func() error { return until(a.lives()+c.lives() == 0) })
}

func TestThePoolFollowsThePrimaryOfAListOfHosts(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	p := s.join(3, 0, "leader", "app")
	lent, idle := s.client(p, 0), s.client(p, 1)
	lent.get()
	idle.get()
	idle.release()
	a.down()
	a.follow()
	if _, err := lent.query("select 1"); err == nil {
		t.Error("a dead server answered")
	}
	lent.discard(metrics.ServerLost)
	p.noneIdle(t)
	lent.ask()
	idle.ask()
	settleLoops(s)
	if len(lent.granted)+len(idle.granted) > 0 {
		t.Fatal("served without a primary")
	}
	b.lead(2)
	if got := lent.wait(); got.Member() != b.addr {
		t.Errorf("served by %s", got.Member())
	}
	idle.wait()
	a.up()
	lent.release()
	idle.release()
	wait(t, "balance", p.balanced)
}

func TestAReaderDoesNotMakeThePrimaryDoubtful(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	writers, readers := s.join(2, 0, "leader", "app"), s.join(4, 0, "replica", "app")
	w := s.client(writers, 0)
	w.get()
	for i := range 4 {
		if got := s.client(readers, i%2).get(); got.Member() != b.addr {
			t.Errorf("a reader was served by %s", got.Member())
		}
	}
	if v := s.cluster.View().Groups[0]; v.Leader != a.addr || v.Epoch != 1 {
		t.Errorf("leader %q, epoch %d", v.Leader, v.Epoch)
	}
	w.release()
}

func TestRoleAnyUsesEveryHost(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	p := s.join(4, 0, "any", "app")
	at := make(map[string]int)
	for i := range 4 {
		at[s.client(p, i%2).get().Member()]++
	}
	if at[a.addr] != 2 || at[b.addr] != 2 {
		t.Errorf("servers at %v", at)
	}
}

// Hosts that all are in recovery must be asked at a pace, not in a storm.
func TestHostsThatAreAllInRecoveryAreNotStormed(t *testing.T) {
	t.Parallel()
	a, b := startFake(t), startFake(t)
	a.follow()
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	p := s.join(20, 0, "leader", "app")
	var all []*client
	for i := range 40 {
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	logins := func() int {
		_, _, n := a.count()
		_, _, m := b.count()
		return n + m
	}
	wait(t, "the slowest pace", func() error { return until(logins() > 80) })
	before, began := logins(), time.Now()
	wait(t, "many more", func() error { return until(logins() > before+100) })
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("100 logins in %v", took)
	}
	b.lead(2)
	for _, c := range all {
		c.wait()
		c.release()
	}
	wait(t, "balance", p.balanced)
}
