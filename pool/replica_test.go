package pool

import (
	"testing"

	"portero/metrics"
)

func (r *reign) take(p *Pool, n int) (clients []*client, at map[string]int) {
	r.t.Helper()
	at = make(map[string]int)
	for i := range n {
		c := r.client(p, i%2)
		at[c.get().Member()]++
		clients = append(clients, c)
	}
	return clients, at
}

func TestReadersAreSpreadOverTheReplicas(t *testing.T) {
	r := startReign(t, nil)
	c := startFake(t)
	c.follow()
	r.keys.member("c", c.addr, "replica", 1, nil)
	r.sees("three members", func() bool { return len(r.cluster.View().Groups[0].Members) == 3 })
	_, at := r.take(r.join(10, 0, "replica", "app"), 10)
	if at["a"] != 0 || at["b"] != 5 || at["c"] != 5 {
		t.Errorf("servers at %v", at)
	}
	_, at = r.take(r.join(9, 0, "any", "app"), 9)
	if at["a"] != 3 || at["b"] != 3 || at["c"] != 3 {
		t.Errorf("role any: servers at %v", at)
	}
}

func TestAReplicaTaggedNoLoadBalanceIsPassedOver(t *testing.T) {
	r := startReign(t, nil)
	c := startFake(t)
	c.follow()
	r.keys.member("c", c.addr, "replica", 1, map[string]any{"noloadbalance": true})
	r.sees("three members", func() bool { return len(r.cluster.View().Groups[0].Members) == 3 })
	p := r.join(4, 0, "replica", "app")
	clients, at := r.take(p, 4)
	if at["b"] != 4 {
		t.Errorf("servers at %v", at)
	}
	// The tag may come later: then those that are lent end in peace.
	r.keys.member("c", c.addr, "replica", 1, nil)
	r.keys.member("b", r.b.addr, "replica", 1, map[string]any{"noloadbalance": true})
	r.sees("the tag", func() bool { m, _ := r.cluster.View().Groups[0].Member("b"); return m.Tags["noloadbalance"] == true })
	settleLoops(r.stage)
	if len(clients[0].lost) > 0 {
		t.Error("a reader was cut")
	}
	for _, c := range clients {
		c.release()
	}
	wait(t, "those at b are closed", func() error { return until(r.b.lives() == 0) })
	if s := clients[0].get(); s.Member() != "c" {
		t.Errorf("served by %s", s.Member())
	}
	clients[0].release()
	wait(t, "balance", p.balanced)
}

func TestADeadReplicaDoesNotKeepReadersFromTheOthers(t *testing.T) {
	t.Parallel()
	r := startReign(t, nil)
	c := startFake(t)
	c.follow()
	r.keys.member("c", c.addr, "replica", 1, nil)
	r.sees("three members", func() bool { return len(r.cluster.View().Groups[0].Members) == 3 })
	c.down() // its key lives on for up to the TTL
	p := r.join(6, 0, "replica", "app")
	clients, at := r.take(p, 6)
	if at["b"] != 6 {
		t.Errorf("servers at %v", at)
	}
	c.up()
	wait(t, "it is used again", func() error {
		clients[0].discard(metrics.ServerDirty)
		return until(clients[0].get().Member() == "c")
	})
}

func TestAReplicaThatIsPromotedServesReadersNoMore(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "replica", "app")
	clients, _ := r.take(p, 2)
	clients[0].release()
	r.switchover()
	r.b.lead(2)
	r.keys.member("a", r.a.addr, "replica", 2, nil)
	r.keys.member("b", r.b.addr, "primary", 2, nil)
	wait(t, "the idle one is closed", func() error { return until(r.b.lives() == 1) })
	if _, err := clients[1].query("select 1"); err != nil {
		t.Errorf("a reader was cut: %v", err)
	}
	clients[1].release()
	wait(t, "the other is closed", func() error { return until(r.b.lives() == 0) })
	if s := clients[0].get(); s.Member() != "a" {
		t.Errorf("served by %s", s.Member())
	}
	clients[0].release()
}

func TestAMemberThatCallsItselfReplicaAndIsNoneIsRefused(t *testing.T) {
	r := startReign(t, nil)
	r.b.lead(1)
	p := r.join(2, 0, "replica", "app")
	c := r.client(p, 0)
	c.ask()
	wait(t, "several attempts", func() error { _, _, n := r.b.count(); return until(n > 3) })
	if len(c.granted) > 0 {
		t.Fatal("lent")
	}
	r.b.follow()
	c.wait()
	c.release()
}

// The key of a host that is dead goes with its lease; who waits for an answer
// of it would wait for minutes.
func TestReadersOfAMemberThatIsGoneAreCut(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(2, 0, "replica", "app")
	c := r.client(p, 0)
	c.get()
	r.keys.put("members/b", "")
	if why := within(t, "the news", c.lost); why != metrics.EpochMoved {
		t.Errorf("lost for %v", why)
	}
	c.discard(metrics.EpochMoved)
	r.keys.member("b", r.b.addr, "replica", 1, nil) // else a server is wanted until the next sweep
	wait(t, "balance", p.balanced)
}
