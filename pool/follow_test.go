package pool

import (
	"testing"

	"portero/metrics"
)

func TestClientsAreHeldUntilThereIsALeader(t *testing.T) {
	r := startReign(t, nil)
	r.keys.put("leader", "")
	r.sees("nobody leads", func() bool { return r.leader() == "" })
	p := r.join(2, 0, "leader", "app")
	c, d := r.client(p, 0), r.client(p, 1)
	c.ask()
	d.ask()
	settleLoops(r.stage)
	if len(c.granted)+len(d.granted) > 0 || r.a.lives()+r.b.lives() > 0 {
		t.Fatal("served without a leader")
	}
	if len(r.pools.Ready(r.cfg.Routes)) == 0 {
		t.Error("ready without a leader")
	}
	r.keys.put("leader", "a")
	c.wait()
	d.wait()
	c.release()
	d.release()
}

func TestAMemberThatCallsItselfDemotedIsNotServedThoughItHasTheKey(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(2, 0, "leader", "app")
	c := r.client(p, 0)
	first := c.get()
	c.release()
	r.keys.member("a", r.a.addr, "demoted", 1, nil)
	r.sees("demoted", func() bool { m, _ := r.cluster.View().Groups[0].Member("a"); return m.Role == "demoted" })
	wait(t, "held", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.holdsAllLocked()) })
	c.ask()
	settleLoops(r.stage)
	if len(c.granted) > 0 {
		t.Fatal("served by a demoted member")
	}
	r.keys.member("a", r.a.addr, "primary", 1, nil)
	if c.wait() != first {
		t.Error("the same reign goes on, yet its server was closed")
	}
	c.release()
}

func TestAStandbyClusterServesReadersOnly(t *testing.T) {
	r := startReign(t, nil)
	r.a.follow()
	r.keys.put("config", `{"standby_cluster":{"host":"elsewhere"}}`)
	r.keys.member("a", r.a.addr, "standby_leader", 1, nil)
	r.sees("standby", func() bool { return r.cluster.View().Groups[0].Standby })
	writers, readers := r.join(2, 0, "leader", "app"), r.join(4, 0, "replica", "app")
	c := r.client(writers, 0)
	c.ask()
	seen := make(map[string]int)
	for range 4 {
		d := r.client(readers, 1)
		seen[d.get().Member()]++
	}
	if seen["a"] != 2 || seen["b"] != 2 {
		t.Errorf("readers at %v", seen)
	}
	settleLoops(r.stage)
	if len(c.granted) > 0 {
		t.Error("a writer was served")
	}
}

// switchover moves the key to b, which promotes some time later.
func (r *reign) switchover() {
	r.a.follow()
	r.keys.put("leader", "b")
}

func TestWhenTheLeaderMovesIdleServersAreClosedAndLentOnesAreCut(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	lent, idle, other := r.client(p, 0), r.client(p, 1), r.client(p, 1)
	old := lent.get()
	idle.get()
	other.get()
	idle.release()
	other.release()
	r.switchover()
	if why := within(t, "the news", lent.lost); why != metrics.EpochMoved {
		t.Errorf("lost for %v", why)
	}
	wait(t, "idle ones are closed", func() error { return until(r.a.lives() == 1) })
	lent.discard(metrics.EpochMoved)
	wait(t, "the lent one too", func() error { return until(r.a.lives() == 0) })

	lent.ask()
	wait(t, "servers are kept ready at the new leader", func() error { return until(r.b.lives() > 0) })
	settleLoops(r.stage)
	if len(lent.granted) > 0 {
		t.Fatal("lent while it is in recovery")
	}
	_, _, logins := r.b.count()
	r.b.lead(2)
	if s := lent.wait(); s == old || s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	if _, _, now := r.b.count(); now > logins {
		t.Errorf("%d more logins at the moment of promotion", now-logins)
	}
	lent.release()
	wait(t, "balance", p.balanced)
}

func TestAsManyServersAreOpenedAtTheNewLeaderAsThereWereAtTheOld(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	var all []*client
	for i := range 3 {
		c := r.client(p, i%2)
		c.get()
		all = append(all, c)
	}
	for _, c := range all {
		c.release()
	}
	r.b.lead(2)
	r.switchover()
	wait(t, "three at the new leader", func() error { return until(r.b.lives() == 3 && r.a.lives() == 0) })
	wait(t, "balance", p.balanced)
}

// The new leader has not promoted yet when the pool looks after itself: nobody
// waits, yet what was to be opened there still is. Once it is, it is not kept for good.
func TestServersAreOpenedAtANewLeaderThatTakesItsTime(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	var all []*client
	for i := range 3 {
		c := r.client(p, i%2)
		c.get()
		all = append(all, c)
	}
	for _, c := range all {
		c.release()
	}
	r.switchover()
	wait(t, "the old ones are closed", func() error { return until(r.a.lives() == 0) })
	wait(t, "three wait for the promotion", func() error { return until(r.b.lives() == 3) })
	p.sweep()
	if !p.stillWanted(Startup{}) {
		t.Fatal("they are given up before the promotion")
	}
	r.b.lead(2)
	wait(t, "three at the new leader", func() error { return until(r.b.lives() == 3) })
	wait(t, "balance", p.balanced)
	p.sweep()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wanted != 0 {
		t.Errorf("%d servers are wanted for good", p.wanted)
	}
}

func TestANewTimelineOfTheSameMemberIsANewReign(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(2, 0, "leader", "app")
	c, d := r.client(p, 0), r.client(p, 1)
	old := c.get()
	r.a.lead(2) // a crash that the lent server did not notice
	d.get()     // finds out
	if why := within(t, "the news", c.lost); why != metrics.EpochMoved {
		t.Errorf("lost for %v", why)
	}
	c.discard(metrics.EpochMoved)
	if s := c.get(); s == old || s.epoch != d.claim.Server.epoch {
		t.Error("served by a server of the old reign")
	}
	c.release()
	d.release()
	wait(t, "balance", p.balanced)
}

func TestServersOfAnotherClusterAndOfAnOlderTimelineAreRefused(t *testing.T) {
	for name, change := range map[string]func(f *fake){
		"another system identifier": func(f *fake) { f.system = "1742" },
		"an older timeline":         func(f *fake) { f.timeline = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			r := startReign(t, nil)
			r.keys.member("a", r.a.addr, "primary", 5, nil)
			r.sees("timeline 5", func() bool { return r.cluster.View().Groups[0].Timeline == 5 })
			r.a.set(func() { r.a.timeline = 5; change(r.a) })
			p := r.join(2, 0, "leader", "app")
			c := r.client(p, 0)
			c.ask()
			wait(t, "several attempts", func() error { _, _, n := r.a.count(); return until(n > 5) })
			if len(c.granted) > 0 {
				t.Fatal("it was lent")
			}
			r.a.set(func() { r.a.system, r.a.timeline = "4711", 5 })
			c.wait()
			c.release()
		})
	}
}

func TestServersReleasedWhileThereIsNoLeaderAreKept(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(1, 0, "leader", "app")
	c, d := r.client(p, 0), r.client(p, 1)
	first := c.get()
	d.ask()
	r.keys.put("leader", "")
	wait(t, "held", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.holdsAllLocked()) })
	c.release()
	settleLoops(r.stage)
	if len(d.granted) > 0 {
		t.Fatal("served without a leader")
	}
	r.keys.put("leader", "a")
	if d.wait() != first {
		t.Error("the same leader, yet another server")
	}
	d.release()
	wait(t, "balance", p.balanced)
}

// The old leader's host is frozen: it answers neither a login that is under
// way nor a question.
func TestAnOpenerLeavesASilentHostWhenTheLeaderMoves(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(3, 0, "leader", "app")
	r.letIn(p)
	r.a.set(func() { r.a.silent, r.a.dials = true, 0 })
	var all []*client
	for i := range 6 {
		c := r.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	wait(t, "openers hang", func() error { r.a.mu.Lock(); defer r.a.mu.Unlock(); return until(r.a.dials >= 3) })
	r.b.lead(2)
	r.keys.put("leader", "b")
	for _, c := range all {
		if s := c.wait(); s.Member() != "b" {
			t.Errorf("served by %s", s.Member())
		}
		c.release()
	}
	wait(t, "balance", p.balanced)
}

// settleLoops lets both loops and the pool's own goroutines do what they would do.
func settleLoops(s *stage) {
	s.t.Helper()
	for range 200 {
		for _, l := range s.loops {
			done := make(chan struct{})
			l.Post(func() { close(done) })
			within(s.t, "the loop", done)
		}
	}
	for _, p := range s.pools.all() {
		p.sweep()
		p.follow(p.home.Load(), s.cluster.View())
	}
}
