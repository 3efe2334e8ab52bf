package pool

import (
	"slices"
	"testing"
)

// Patroni 3.0 goes back to a leader that was frozen past its lease when that wakes.
func TestALeaderOnAnOlderTimelineServesOnlyWhenItIsAccepted(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.keys.put("leader", "b")
	r.sees("b leads", func() bool { return r.leader() == "b" })
	r.b.lead(2)
	if s := c.get(); s.Member() != "b" {
		t.Fatalf("served by %s", s.Member())
	}
	c.release()
	r.keys.put("leader", "a")
	wait(t, "b is left", func() error { return until(r.b.lives() == 0) })
	c.ask()
	r.sees("a is behind", func() bool { return r.cluster.View().Groups[0].Behind == 1 })
	settleLoops(r.stage)
	if len(c.granted) > 0 {
		t.Fatal("served by a leader on an older timeline")
	}
	want := []string{"cluster main, group 0: leader is on an older timeline: a is on 1, and 2 has led"}
	if missing := r.pools.Ready(r.cfg.Routes); !slices.Equal(missing, want) {
		t.Errorf("not ready: %q", missing)
	}
	epoch := r.cluster.View().Groups[0].Epoch
	if err := r.cluster.AcceptTimeline(0, 1); err != nil {
		t.Fatal(err)
	}
	if s := c.wait(); s.Member() != "a" || s.epoch != epoch+1 {
		t.Errorf("served by %s in epoch %d", s.Member(), s.epoch)
	}
	c.release()
	wait(t, "balance", p.balanced)
}

// Nobody has to accept anything when the leader comes to a timeline that nobody has had.
func TestALeaderThatComesToANewerTimelineServes(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	r.keys.put("history", `[[1,1,"x"]]`)
	r.sees("its timelines", func() bool { return r.cluster.View().Groups[0].Timeline == 2 })
	c := r.client(p, 0)
	c.ask()
	r.sees("a is behind", func() bool { return r.cluster.View().Groups[0].Behind == 1 })
	r.a.lead(3)
	if s := c.wait(); s.Member() != "a" {
		t.Errorf("served by %s", s.Member())
	}
	r.sees("a is not behind", func() bool { return r.cluster.View().Groups[0].Behind == 0 })
	c.release()
	wait(t, "balance", p.balanced)
}
