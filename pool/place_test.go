package pool

import (
	"slices"
	"testing"

	"portero/loop"
	"portero/metrics"
	"portero/session"
)

// A server that has the client's settings comes before one of its loop, which comes before
// the one that was used last.
func TestWhichIdleServerSuitsAClient(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 0, "leader", "app")
	set := session.Settings{}.With("work_mem", "5MB")
	all := make([]*client, 4)
	servers := make([]*Server, 4)
	for i, one := range []struct {
		on  int
		has session.Settings
	}{{0, set}, {1, set}, {0, session.Settings{}}, {1, session.Settings{}}} {
		all[i] = s.client(p, one.on)
		servers[i] = all[i].get()
		servers[i].Applied = one.has
	}
	for _, c := range all {
		c.release()
	}
	for _, c := range []struct {
		on   *loop.Loop
		want session.Settings
		is   int
	}{
		{s.loops[0], set, 0}, {s.loops[1], set, 1}, {s.loops[0], session.Settings{}, 2}, {s.loops[1], session.Settings{}, 3},
		{s.loops[0], set.With("work_mem", "6MB"), 2}, {s.loops[1], set.With("work_mem", "6MB"), 3},
	} {
		p.mu.Lock()
		at := p.places[0]
		got := slices.Index(servers, at.idle[at.bestOf(Startup{}, c.want, c.on)])
		p.mu.Unlock()
		if got != c.is {
			t.Errorf("on loop %d with %v: server %d, want %d", c.on.ID, c.want, got, c.is)
		}
	}
}

func TestUnderLightLoadReplicasTakeTurns(t *testing.T) {
	t.Parallel()
	r, _ := twoReplicas(t)
	for _, role := range []string{"replica", "any"} {
		p := r.join(10, 0, role, "app")
		c := r.client(p, 0)
		members := map[string]int{"replica": 2, "any": 3}[role]
		wait(t, "a server at each", func() error {
			c.get()
			c.release()
			p.mu.Lock()
			defer p.mu.Unlock()
			return until(len(p.places) == members && p.idle == members)
		})
		at := make(map[string]int)
		for range 10 * members {
			at[c.get().Member()]++
			c.release()
		}
		for name, n := range at {
			if n != 10 || len(at) != members {
				t.Errorf("%s: %d queries at %s, of %v", role, n, name, at)
			}
		}
		wait(t, "balance", p.balanced)
	}
}

func TestTheMemberWithTheFewestLentServersIsNext(t *testing.T) {
	r, _ := twoReplicas(t)
	p := r.join(6, 0, "replica", "app")
	all, at := r.take(p, 6)
	if at["b"] != 3 || at["c"] != 3 {
		t.Fatalf("servers at %v", at)
	}
	var atB, atC []*client
	for _, x := range all {
		if x.claim.Server.Member() == "b" {
			atB = append(atB, x)
		} else {
			atC = append(atC, x)
		}
	}
	for _, x := range []*client{atB[0], atB[1], atB[2], atC[0]} {
		x.release()
	}
	// b has none lent, c two; so b is next, and b, and then each in turn.
	if atB[0].get().Member() != "b" || atB[1].get().Member() != "b" {
		t.Error("not where fewer are lent")
	}
	first, second := atB[2].get().Member(), atC[0].get().Member()
	if first == second {
		t.Errorf("twice %s where both have as many", first)
	}
	for _, x := range all {
		x.release()
	}
	wait(t, "balance", p.balanced)
}

// A member at which no server can be opened costs no servers elsewhere.
func TestNoServersAreOpenedInPlaceOfThoseAtADeadReplica(t *testing.T) {
	r, c := twoReplicas(t)
	c.down()
	p := r.join(10, 0, "replica", "app")
	x := r.client(p, 0)
	tries := func() uint64 { return p.Metrics().Totals().Errors[metrics.ServerConnect] }
	wait(t, "a few tries", func() error {
		x.get()
		x.release()
		p.mu.Lock()
		if s := p.shunned["c"]; s != nil {
			s.until = 0
		}
		p.mu.Unlock()
		p.sweep()
		return until(tries() > 5)
	})
	if _, most, _ := r.b.count(); most > 2 {
		t.Errorf("%d servers at the other", most)
	}
	c.up()
	wait(t, "a server there", func() error {
		x.get()
		x.release()
		p.sweep()
		return until(c.lives() == 1)
	})
	wait(t, "balance", p.balanced)
}
