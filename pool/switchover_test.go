package pool

import (
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// announced has a switchover from a to b be wanted, as Patroni does.
func (r *reign) announced() {
	r.keys.put("failover", `{"leader":"a","member":"b"}`)
	r.sees("a switchover is announced", func() bool { return r.cluster.View().Groups[0].Announced != nil })
}

func TestAnAnnouncedSwitchoverHoldsWhatBeginsAndLetsFinishWhatRuns(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	running, next := r.client(p, 0), r.client(p, 1)
	running.get()
	next.get()
	next.release()
	r.announced()
	wait(t, "held", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.now.hold == HoldSwitchover) })
	wait(t, "connections to the next leader", func() error { return until(r.b.lives() == 2) })
	next.ask()
	settleLoops(r.stage)
	if len(next.granted) > 0 {
		t.Fatal("a transaction began at the old leader")
	}
	if n := r.a.lives(); n != 2 {
		t.Errorf("%d servers at the old leader", n)
	}
	if missing := r.pools.Ready(r.cfg.Routes); len(missing) > 0 {
		t.Errorf("not ready: %v", missing)
	}
	running.release()
	settleLoops(r.stage)
	if len(next.granted) > 0 {
		t.Fatal("the server of the one that ended was lent")
	}

	_, _, logins := r.b.count()
	r.keys.put("leader", "")
	r.switchover()
	r.keys.put("failover", "{}")
	wait(t, "the old servers are closed", func() error { return until(r.a.lives() == 0) })
	settleLoops(r.stage)
	if len(next.granted) > 0 {
		t.Fatal("served before the promotion")
	}
	r.b.lead(2)
	if s := next.wait(); s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	if _, _, now := r.b.count(); now != logins {
		t.Errorf("%d logins after the key had moved", now-logins)
	}
	next.release()
	wait(t, "balance", p.balanced)
	wait(t, "no more than the servers", func() error { return until(r.b.lives() == 2) })
}

func TestASwitchoverThatDoesNotComeHoldsForAWhileOnly(t *testing.T) {
	r := startReign(t, func(c *config.Pool) { c.SwitchoverDrain = 50 * time.Millisecond })
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	first := c.get()
	c.release()
	r.announced()
	if s := c.get(); s != first {
		t.Error("not by the server that was there all the time")
	}
	wait(t, "connections to the next leader are kept", func() error { return until(r.b.lives() == 1) })
	c.release()
	r.keys.put("failover", "")
	wait(t, "and closed when nobody announces it any more", func() error { return until(r.b.lives() == 0) })
	wait(t, "balance", p.balanced)
}

func TestASwitchoverThatIsCalledOffServesAtOnce(t *testing.T) {
	r := startReign(t, func(c *config.Pool) { c.SwitchoverDrain = time.Hour })
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.announced()
	wait(t, "held", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.now.hold == HoldSwitchover) })
	c.ask()
	r.keys.put("failover", "")
	if s := c.wait(); s.Member() != "a" {
		t.Errorf("served by %s", s.Member())
	}
	c.discard(metrics.ServerDirty)
	wait(t, "balance", p.balanced)
}

// A connection that has waited at the next leader tells of its promotion by a parameter.
func TestAServerThatWasPromotedWhileItWaitedSaysSo(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(2, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.b.set(func() { r.b.standby = true })
	r.announced()
	wait(t, "a connection to the next leader", func() error { return until(r.b.lives() == 1) })
	r.switchover()
	r.b.lead(2)
	if got := c.get().Parameters()["in_hot_standby"]; got != "off" {
		t.Errorf("in_hot_standby is %q", got)
	}
	c.release()
}

// What only reads is run again if the leader stops at it: it does not wait.
func TestAnAnnouncedSwitchoverDoesNotHoldWhatIsBrief(t *testing.T) {
	r := startReign(t, func(c *config.Pool) { c.SwitchoverDrain = time.Hour })
	p := r.join(1, 0, "leader", "app")
	first, block, brief, second := r.client(p, 0), r.client(p, 0), r.client(p, 1), r.client(p, 1)
	brief.do(func() { brief.claim.Brief = true })
	second.do(func() { second.claim.Brief = true })
	first.get()
	r.announced()
	wait(t, "held", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.now.hold == HoldSwitchover) })
	block.ask()
	settleLoops(r.stage)
	brief.ask()
	settleLoops(r.stage)
	second.ask()
	first.release()
	brief.wait()
	brief.release()
	second.wait()
	second.release()
	settleLoops(r.stage)
	if len(block.granted) > 0 {
		t.Error("a block began at the old leader")
	}
	r.keys.put("failover", "")
	block.wait()
	block.release()
	wait(t, "balance", p.balanced)
}
