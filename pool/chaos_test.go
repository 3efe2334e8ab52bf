package pool

import (
	"math/rand/v2"
	"testing"
	"time"

	"portero/config"
	"portero/wire"
)

// play runs the actors while chaos does its worst, and then checks the books.
func play(t *testing.T, s *stage, p *Pool, actors int, chaos func(r *rand.Rand)) {
	m := &model{t: t, pool: p, holders: make(map[*Server]*actor)}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var all []*actor
	for i := range actors {
		all = append(all, m.start(s.loops[i%2], seed+uint64(i)))
	}
	r := rand.New(rand.NewPCG(seed, 2))
	for end := time.Now().Add(3 * time.Second); time.Now().Before(end) && !t.Failed(); {
		chaos(r)
	}
	m.mu.Lock()
	m.stop = true
	m.mu.Unlock()
	for _, a := range all {
		within(t, "an actor's end", a.done)
	}
	m.cancels.Wait()
	wait(t, "balance", p.balanced)
	t.Logf("%d grants, %d withdrawn, %d deaths, %d cuts, %d exchanges, %d unfit", m.grants, m.misses, m.deaths, m.cuts, m.exchanges, m.unfit)
	if m.grants < 100 {
		t.Errorf("only %d grants", m.grants)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queuedLocked() != 0 || p.waiting.first != nil || p.choosy.first != nil || p.lent != 0 {
		t.Errorf("%d wait, %d lent", p.queuedLocked(), p.lent)
	}
}

func TestAnythingMayHappenWhileTheLeaderMoves(t *testing.T) {
	r := startReign(t, func(c *config.Pool) {
		c.ServerLifetime, c.ServerIdleTimeout = 2*time.Second, 100*time.Millisecond
		c.CancelWaitTimeout = 50 * time.Millisecond
		c.ServerCheckDelay, c.ServerConnectTimeout = time.Millisecond, time.Second
	})
	p := r.join(6, 2, "leader", "app")
	timeline := int64(1)
	leading, following := r.a, r.b
	names := map[*fake]string{r.a: "a", r.b: "b"}
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	play(t, r.stage, p, 24, func(rnd *rand.Rand) {
		<-pace.C
		switch rnd.IntN(12) {
		case 0:
			timeline++
			leading, following = following, leading
			following.follow()
			r.keys.put("leader", names[leading])
			leading.lead(timeline)
		case 1:
			timeline++
			leading.lead(timeline)
			leading.killOne() // a sign; another is a new server's own word
		case 2:
			r.keys.put("leader", "")
			r.keys.put("leader", names[leading])
		case 3:
			leading.down()
			leading.up()
		case 4:
			p.sweep()
		default:
			leading.killOne()
		}
	})
}

func TestAnythingMayHappenToAListOfHosts(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, func(c *config.Pool) {
		c.CancelWaitTimeout, c.ServerCheckDelay = 50*time.Millisecond, time.Millisecond
	}, a.addr, b.addr)
	p := s.join(5, 0, "leader", "app")
	timeline := int64(1)
	leading, following := a, b
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	play(t, s, p, 20, func(rnd *rand.Rand) {
		<-pace.C
		switch rnd.IntN(20) {
		case 0:
			timeline++
			leading, following = following, leading
			following.down()
			following.follow()
			leading.lead(timeline)
			following.up()
		case 1:
			s.cluster.Doubt(0, leading.addr)
		case 2:
			p.sweep()
		default:
			leading.killOne()
		}
	})
}

func TestAnythingMayHappenToReplicas(t *testing.T) {
	r := startReign(t, func(c *config.Pool) {
		c.ServerLifetime, c.ServerIdleTimeout = 2*time.Second, 100*time.Millisecond
		c.CancelWaitTimeout, c.ServerCheckDelay = 50*time.Millisecond, time.Millisecond
	})
	c := startFake(t)
	c.follow()
	r.keys.member("c", c.addr, "replica", 1, nil)
	r.sees("three members", func() bool { return len(r.cluster.View().Groups[0].Members) == 3 })
	p := r.join(6, 0, "replica", "app")
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	play(t, r.stage, p, 24, func(rnd *rand.Rand) {
		<-pace.C
		switch rnd.IntN(20) {
		case 0:
			c.set(func() { c.refusal = wire.Fatal(wire.UndefinedDatabase, "not here") })
		case 1:
			c.set(func() { c.garbage = !c.garbage })
		case 2, 3:
			c.set(func() { c.refusal = nil })
		case 4:
			c.down()
			c.up()
		case 5:
			r.keys.member("c", c.addr, "replica", 1, map[string]any{"noloadbalance": rnd.IntN(2) == 0})
		case 6:
			p.sweep()
		case 7, 8, 9:
			r.b.killOne()
		default:
			c.killOne()
		}
	})
}
