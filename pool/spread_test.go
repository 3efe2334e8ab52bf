package pool

import (
	"testing"

	"portero/auth"
	"portero/config"
)

func TestAClaimThatIsSentOutOfAQueueHasLeftItAndTheOthersStay(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	p := s.join(1, 0, "leader", "app")
	holder, roams, stays := s.client(p, 0), s.client(p, 0), s.client(p, 1)
	holder.get()
	sp, other := &Spread{}, &Spread{}
	sp.parts.Store(new([]part))
	other.parts.Store(new([]part))
	roams.claim.Roams = sp
	roams.ask()
	stays.claim.Roams = other
	stays.ask()
	roams.do(func() {
		p.stray(sp)
		if p.Withdraw(&roams.claim) {
			t.Error("it may withdraw, and the word that it has strayed is on its way")
		}
	})
	wait(t, "it has strayed", func() (err error) {
		roams.do(func() { err = until(roams.claim.Strayed) })
		return err
	})
	if !roams.withdraw() {
		t.Error("it cannot withdraw")
	}
	holder.release()
	stays.wait()
	stays.release()
	roams.do(func() { roams.claim.Roams = nil })
	roams.get() // and may come back
	roams.release()
}

func TestASpreadLeavesItsPoolsWithItsLastClient(t *testing.T) {
	r := startReign(t, nil)
	route := config.Route{Cluster: "main", Group: config.AnyGroup}
	home := r.join(1, 0, "leader", "app")
	a := r.pools.JoinSpread(home, "app", ReachOf(&route), terms(1, 0), auth.Credentials{})
	if b := r.pools.JoinSpread(home, "app", ReachOf(&route), terms(1, 0), auth.Credentials{}); a != b {
		t.Error("two of one reach are two")
	}
	if a.Choose() != home { // group 0 is all that there is
		t.Error("it has another pool for the group")
	}
	named := config.Route{Cluster: "main", Group: config.AnyGroup, Groups: []int{0, 5}}
	c := r.pools.JoinSpread(home, "app", ReachOf(&named), terms(1, 0), auth.Credentials{})
	if n := len(r.pools.all()); n != 2 {
		t.Errorf("%d pools for two groups", n)
	}
	for range 4 {
		if c.Choose() != home {
			t.Error("group 5 is not known, and is to serve")
		}
	}
	c.Leave()
	a.Leave()
	if home.Spread(ReachOf(&route)) == nil {
		t.Error("it has gone before its last client")
	}
	a.Leave()
	if home.Spread(ReachOf(&route)) != nil || home.Spread(ReachOf(&named)) != nil {
		t.Error("it is still there")
	}
	if n := len(r.pools.all()); n != 1 {
		t.Errorf("%d pools are left", n)
	}
	if s, _ := home.state(); s.Clients != 1 {
		t.Errorf("%d clients of one", s.Clients)
	}
}

func TestWhatIsTheSameReachIsToldByItsWords(t *testing.T) {
	route := func(groups, weights []int) *config.Route {
		return &config.Route{Group: config.AnyGroup, Groups: groups, Weights: weights}
	}
	if a, b := ReachOf(route([]int{1, 2}, []int{3, 1})), ReachOf(route([]int{2, 1}, []int{1, 3})); a != b {
		t.Errorf("%q and %q", a, b)
	}
	if a, b := ReachOf(route([]int{1, 2}, nil)), ReachOf(route([]int{1, 2}, []int{1, 2})); a == b {
		t.Errorf("%q for two weights", a)
	}
	if ReachOf(&config.Route{Group: 1}) != "" || ReachOf(route(nil, nil)) == "" {
		t.Error("one group, or all, is taken for the other")
	}
	shares := ReachOf(route([]int{10, 2}, []int{3, 1})).shares()
	if len(shares) != 2 || shares[0] != (config.Share{Group: 2, Weight: 1}) || shares[1] != (config.Share{Group: 10, Weight: 3}) {
		t.Errorf("%v", shares)
	}
}
