package pool

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
)

// groups is a Citus cluster of three fakes under hand-written keys, with a Spread over all of them
// and the pools of each.
type groups struct {
	*stage
	spread *Spread
	pools  [3]*Pool
}

func startGroups(t *testing.T, size int) *groups {
	t.Helper()
	k := newKeys(t)
	for g := range 3 {
		k.put(fmt.Sprintf("%d/members/m", g), fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"primary","timeline":1}`, startFake(t).addr))
		k.put(fmt.Sprintf("%d/leader", g), "m")
	}
	cluster := config.Cluster{Name: "main", Discovery: "patroni", Namespace: "/service", Scope: k.scope, Citus: true}
	cluster.Etcd.Endpoints = k.etcd.Endpoints()
	s := &groups{stage: newStageOf(t, nil, cluster)}
	wait(t, "the leaders", func() error {
		led := 0
		for _, g := range s.cluster.View().Groups {
			if g.Leader != "" {
				led++
			}
		}
		return until(led == 3)
	})
	home := s.join(size, 0, "leader", "app")
	route := config.Route{Cluster: "main", Group: config.AnyGroup}
	s.spread = s.stage.pools.JoinSpread(home, "app", ReachOf(&route), terms(size, 0), auth.Credentials{})
	for i, one := range *s.spread.parts.Load() {
		s.pools[i] = one.pool
		s.letIn(one.pool)
	}
	return s
}

// take has a client hold a server of a group.
func (s *groups) take(group, on int) *client {
	s.t.Helper()
	c := s.client(s.pools[group], on)
	c.get()
	return c
}

// fill has a client for each server of all groups, of size 1, which it holds.
func (s *groups) fill() (holders [3]*client) {
	s.t.Helper()
	for g := range s.pools {
		holders[g] = s.take(g, g%2)
	}
	return holders
}

// queue has a client wait in the queue of a group.
func (s *groups) queue(group, on int, roams bool) *client {
	s.t.Helper()
	c := s.client(s.pools[group], on)
	if roams {
		c.do(func() { c.claim.Roams = s.spread })
	}
	c.ask()
	return c
}

// served is the group that a client gets a server of, which it then gives back to where it is from.
func (s *groups) served(c *client) (group int) {
	s.t.Helper()
	group = c.wait().pool.Key.Group
	s.at(c)
	return group
}

// at has the client be where its claim is.
func (s *groups) at(c *client) { c.do(func() { c.pool = c.claim.Pool() }) }

func (s *groups) balanced() {
	s.t.Helper()
	for _, p := range s.pools {
		wait(s.t, "balance", p.balanced)
		if idle, lent, _ := p.counts(); lent != 0 {
			s.t.Errorf("group %d: %d idle, %d lent", p.Key.Group, idle, lent)
		}
	}
	if n := s.spread.line.n.Load(); n != 0 || s.spread.line.first != nil || s.spread.line.last != nil {
		s.t.Errorf("%d in the line", n)
	}
}

func TestWhoWaitsGetsTheFirstServerThatBecomesFreeInAnyGroup(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	first, second, third := s.queue(1, 0, true), s.queue(2, 1, true), s.queue(1, 1, true)
	for _, step := range []struct {
		free  int
		waits *client
	}{{2, first}, {0, second}, {1, third}} { // the eldest first, wherever it waits
		holders[step.free].release()
		if got := s.served(step.waits); got != step.free {
			t.Errorf("served by group %d, and it was %d that became free", got, step.free)
		}
	}
	for _, c := range []*client{first, second, third} {
		c.release()
	}
	s.balanced()
}

func TestAServerGoesToWhoCameFirstHereOrElsewhere(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	stays := s.queue(2, 0, false)
	roams := s.queue(1, 0, true)
	later := s.queue(2, 0, false)
	holders[2].release()
	if got := s.served(stays); got != 2 {
		t.Errorf("served by %d", got)
	}
	stays.release()
	if got := s.served(roams); got != 2 {
		t.Errorf("served by %d", got)
	}
	roams.release()
	if got := s.served(later); got != 2 {
		t.Errorf("served by %d", got)
	}
	later.release()
	holders[0].release()
	holders[1].release()
	s.balanced()
}

func TestWhoIsBoundToAGroupWaitsForIt(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	bound := s.queue(1, 0, false)
	holders[0].release()
	holders[2].release()
	bound.do(func() {
		if bound.claim.Server != nil {
			t.Error("it has a server of another group")
		}
	})
	holders[1].release()
	if got := s.served(bound); got != 1 {
		t.Errorf("served by %d", got)
	}
	bound.release()
	s.balanced()
}

// As if it had been given back between the choice of a group and the place in its queue.
func TestWhoComesToAFullGroupGetsAServerThatIsIdleElsewhere(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	holders[2].release()
	late := s.queue(1, 0, true)
	if got := s.served(late); got != 2 {
		t.Errorf("served by %d", got)
	}
	late.release()
	holders[0].release()
	holders[1].release()
	s.balanced()
}

func TestAServerIsOpenedInAGroupThatHasRoomForWhoWaitsElsewhere(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	waits := s.queue(1, 0, true)
	holders[2].discard(metrics.ServerDirty)
	if got := s.served(waits); got != 2 {
		t.Errorf("served by %d", got)
	}
	waits.release()
	holders[0].release()
	holders[1].release()
	s.balanced()
}

func TestAServerOfAnotherGroupThatIsOnItsWayToWhoLeavesIsNotLost(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill() // 1 is on the other loop
	waits := s.queue(2, 0, true)
	waits.do(func() {
		holders[1].release()
		if s.pools[2].Withdraw(&waits.claim) {
			t.Error("it may withdraw, and a server is on its way")
		}
		waits.waiting = false
		s.pools[2].Abandon(&waits.claim, metrics.ClientClosed)
	})
	wait(t, "it is idle", func() error { idle, _, _ := s.pools[1].counts(); return until(idle == 1) })
	holders[0].release()
	holders[2].release()
	s.balanced()
}

// A server whose time is over before it arrives is missed: the claim is first in its pool then.
func TestWhoMissesAServerOfAnotherGroupGetsTheNextOfIt(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	waits := s.queue(2, 0, true)
	var missed *Server
	waits.do(func() {
		holders[1].do(func() { missed = holders[1].claim.Server })
		holders[1].release()
		s.pools[1].condemn(missed, metrics.ServerLifetime)
	})
	if got := waits.wait(); got.pool != s.pools[1] || got == missed {
		t.Errorf("a server of group %d, the same: %v", got.pool.Key.Group, got == missed)
	}
	s.at(waits)
	waits.release()
	holders[0].release()
	holders[2].release()
	s.balanced()
}

func TestThoseWhoStrayKeepTheirPlaceInTheLine(t *testing.T) {
	s := startGroups(t, 1)
	holders := s.fill()
	first, second := s.queue(1, 0, true), s.queue(2, 0, true)
	s.pools[1].stray(s.spread)
	wait(t, "it has strayed", func() (err error) {
		first.do(func() { err = until(first.claim.Strayed) })
		return err
	})
	first.do(func() {
		first.pool = s.pools[2]
		first.claim.Bind(first.pool, first.task)
		first.pool.Acquire(&first.claim)
	})
	holders[0].release()
	if got := s.served(first); got != 0 {
		t.Errorf("served by %d", got)
	}
	first.release()
	s.served(second)
	second.release()
	holders[1].release()
	holders[2].release()
	s.balanced()
}

// roamer is a client that takes servers of whichever group, as fast as it can.
type roamer struct {
	s     *groups
	rand  *rand.Rand
	claim Claim
	rows  int
	done  chan struct{}
	seen  *[3]atomic.Int32
}

func (a *roamer) Run(t *loop.Task) {
	defer close(a.done)
	for range a.rows {
		p := a.s.spread.Choose()
		a.claim.Bind(p, t)
		a.claim.Roams = a.s.spread
		if !p.Acquire(&a.claim) && !a.wait(t) {
			continue
		}
		p = a.claim.Pool()
		if a.claim.Server == nil || a.claim.Server.pool != p {
			a.s.t.Errorf("%v, without a server or with that of another pool", a.claim.Err)
			return
		}
		a.seen[p.Key.Group].Add(1)
		t.ParkUntil(t.Loop().Now() + a.rand.Int64N(int64(time.Millisecond)))
		if a.rand.IntN(10) == 0 {
			p.Discard(&a.claim, metrics.ServerDirty)
		} else {
			p.Release(&a.claim)
		}
	}
}

// wait is false when it has given up, as now and then it does.
func (a *roamer) wait(t *loop.Task) bool {
	end := t.Loop().Now() + int64(patience)
	leaves := a.rand.IntN(10) == 0
	if leaves {
		end = t.Loop().Now() + a.rand.Int64N(int64(time.Millisecond))
	}
	for a.claim.Server == nil {
		if t.Loop().Now() >= end && a.claim.Pool().Withdraw(&a.claim) {
			if !leaves {
				a.s.t.Errorf("it waits for ever in group %d", a.claim.Pool().Key.Group)
			}
			return false
		}
		t.ParkUntil(end)
		if t.Loop().Now() >= end {
			end = t.Loop().Now() + int64(time.Millisecond)
		}
	}
	return true
}

// One group is taken for good; who was sent to its queue is served by the others all the same.
func TestNobodyWaitsForAFullGroupWhileOthersServe(t *testing.T) {
	s := startGroups(t, 2)
	held := []*client{s.take(1, 0), s.take(1, 1)}
	var seen [3]atomic.Int32
	var all []*roamer
	for i := range 24 {
		a := &roamer{s: s, rand: rand.New(rand.NewPCG(uint64(i), 3)), rows: 40, done: make(chan struct{}), seen: &seen}
		l := s.loops[i%2]
		l.Post(func() { l.Start(a) })
		all = append(all, a)
	}
	for _, a := range all {
		within(t, "its transactions", a.done)
	}
	if seen[0].Load() == 0 || seen[1].Load() != 0 || seen[2].Load() == 0 {
		t.Errorf("%d, %d and %d transactions", seen[0].Load(), seen[1].Load(), seen[2].Load())
	}
	for _, c := range held {
		c.release()
	}
	s.balanced()
}
