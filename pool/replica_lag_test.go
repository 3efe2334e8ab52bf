package pool

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/wire"
)

const maxLag = time.Second

func measured(c *config.Pool) { c.MaxLag = maxLag }

// joinFresh is join with a bound on the lag of replicas; 0: as they are.
func (s *stage) joinFresh(size int, role string, bound time.Duration, database string) *Pool {
	s.t.Helper()
	key := keyOf(role, database, "app")
	key.MaxLag = bound
	p, err := s.pools.Join(key, terms(size, 0), auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (f *fake) move(lsn uint64) { f.set(func() { f.lsn = lsn }) }

// startTrio is a reign in which c follows too.
func startTrio(t testing.TB) (r *reign, c *fake) {
	t.Helper()
	r, c = startReign(t, measured), startFake(t)
	c.follow()
	r.keys.member("c", c.addr, "replica", 1, nil)
	r.sees("three members", func() bool { return len(r.cluster.View().Groups[0].Members) == 3 })
	return r, c
}

// at is how many servers the pool has at a member.
func (p *Pool) at(member string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.serversAtLocked(member)
}

func TestReadersLeaveAReplicaThatLagsAndComeBack(t *testing.T) {
	t.Parallel()
	r, c := startTrio(t)
	p := r.joinFresh(4, "replica", maxLag, "postgres")
	first, _ := r.take(p, 1)
	wait(t, "both replicas fit", func() error { return until(len(p.plan(r.cluster.View()).targets) == 2) })
	first[0].release()
	clients, at := r.take(p, 4)
	if at["a"] > 0 || at["b"] == 0 || at["c"] == 0 {
		t.Fatalf("servers at %v", at)
	}
	var reader *client
	for i, one := range clients {
		if reader == nil && one.claim.Server.Member() == "b" {
			reader = one
			continue
		}
		clients[i].release()
	}
	r.a.move(2000)
	c.move(2000)
	wait(t, "only the server that is lent is at b", func() error { return until(p.at("b") == 1) })
	if _, err := reader.query("select 1"); err != nil || len(reader.lost) > 0 {
		t.Errorf("a reader was cut: %v", err)
	}
	reader.release()
	wait(t, "nor is that one", func() error { return until(p.at("b") == 0) })
	if n := p.Metrics().Totals().Errors[metrics.MemberLeft]; n == 0 {
		t.Error("no reason in the metrics")
	}
	if lag, ok := r.pools.Lag("main", 0, "b"); !ok || lag < maxLag {
		t.Errorf("lag %v, %v", lag, ok)
	}
	if lag, ok := r.pools.Lag("main", 0, "c"); !ok || lag > 0 {
		t.Errorf("lag of the other %v, %v", lag, ok)
	}
	if s := reader.get(); s.Member() != "c" {
		t.Errorf("served by %s", s.Member())
	}
	reader.release()
	readers, at := r.take(p, 4)
	if at["c"] != 4 {
		t.Errorf("servers at %v", at)
	}
	r.b.move(2000)
	wait(t, "it has its share again", func() error {
		for _, c := range readers {
			c.release()
		}
		for _, c := range readers {
			c.get()
		}
		return until(p.at("b") == 2 && p.at("c") == 2)
	})
	for _, c := range readers {
		c.release()
	}
	wait(t, "balance", p.balanced)
}

func TestReadersWaitWhileAllReplicasLagAndAreToldWhy(t *testing.T) {
	t.Parallel()
	r := startReign(t, measured)
	p := r.joinFresh(2, "replica", maxLag, "postgres")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.a.move(2000)
	wait(t, "none at b", func() error { return until(p.at("b") == 0) })
	c.ask()
	wait(t, "the reason", func() error { return until(p.Trouble(0) == "all replicas lag") })
	if len(c.granted) > 0 {
		t.Fatal("lent")
	}
	// Another pool that gets in nowhere else is told what its server says of it.
	r.b.set(func() { r.b.missing = "nowhere" })
	stranger := r.client(r.joinFresh(2, "replica", maxLag, "nowhere"), 1)
	stranger.ask()
	if g := within(t, "an error", stranger.granted); g.err == nil || g.err.Code != wire.UndefinedDatabase {
		t.Errorf("a client of a database that is not there: %+v", g)
	}
	// Those who do not mind are served all the time.
	loose := r.client(r.join(2, 0, "replica", "app"), 0)
	loose.get()
	loose.release()
	r.b.move(2000)
	if s := c.wait(); s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	c.release()
	wait(t, "balance", p.balanced)
}

// How far a replica is behind a leader that nobody has heard, nobody knows.
func TestReadersWaitUntilTheLagIsKnown(t *testing.T) {
	t.Parallel()
	r := startReign(t, measured)
	r.a.set(func() { r.a.silent = true })
	p := r.joinFresh(2, "replica", maxLag, "postgres")
	c := r.client(p, 0)
	c.ask()
	wait(t, "the reason", func() error { return until(p.Trouble(0) == "lag of replicas not known") })
	wait(t, "the replica has answered", func() error { return until(len(r.pools.clusters()["main"].lags.of(0)) == 1) })
	if len(c.granted) > 0 {
		t.Fatal("lent")
	}
	r.a.set(func() { r.a.silent = false })
	c.wait()
	c.release()
}

func TestTheLeaderServesWhileNoReplicaDoes(t *testing.T) {
	t.Parallel()
	r := startReign(t, measured)
	p := r.joinFresh(4, "prefer-replica", 0, "postgres")
	clients, _ := r.take(p, 2)
	wait(t, "the replica serves", func() error {
		for _, c := range clients {
			c.release()
		}
		for _, c := range clients {
			c.get()
		}
		return until(p.at("a") == 0)
	})
	for _, c := range clients {
		c.release()
	}
	r.b.down()
	wait(t, "those at it are known to be dead", func() error { return until(p.at("b") == 0) })
	for _, c := range clients {
		if s := c.get(); s.Member() != "a" {
			t.Errorf("served by %s", s.Member())
		}
	}
	if _, known := r.pools.clusters()["main"].lags.of(0)["b"]; known {
		t.Error("it was left only for its silence")
	}
	clients[1].release()
	r.b.up()
	wait(t, "only the server that is lent is at the leader", func() error { return until(p.at("a") == 1) })
	if _, err := clients[0].query("select 1"); err != nil || len(clients[0].lost) > 0 {
		t.Errorf("a reader was cut: %v", err)
	}
	if s := clients[1].get(); s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	clients[0].release()
	clients[1].release()
	wait(t, "none is", func() error { return until(p.at("a") == 0) })
	wait(t, "balance", p.balanced)
}

// Who prefers replicas and is at the leader may be writing.
func TestWhoPrefersReplicasIsFencedAtTheLeader(t *testing.T) {
	t.Parallel()
	r := startReign(t, measured)
	r.a.move(2000) // and b is far behind
	r.b.set(func() { r.b.idle = time.Hour })
	p := r.joinFresh(4, "prefer-replica", maxLag, "postgres")
	working, idle := r.client(p, 0), r.client(p, 1)
	working.get()
	idle.get()
	idle.release()
	wait(t, "the lag is known", func() error { lag, _ := r.pools.Lag("main", 0, "b"); return until(lag > time.Minute) })
	if working.claim.Server.Member() != "a" || p.at("b") > 0 {
		t.Fatal("served by a replica that lags")
	}
	r.switchover()
	if why := within(t, "the news", working.lost); why != metrics.EpochMoved {
		t.Errorf("lost for %v", why)
	}
	working.discard(metrics.EpochMoved)
	working.ask()
	settleLoops(r.stage)
	if len(working.granted) > 0 {
		t.Fatal("served before the promotion")
	}
	r.b.lead(2)
	if s := working.wait(); s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	working.release()
	wait(t, "balance", p.balanced)
}

func TestMembersAreMeasuredOnlyWhileSomebodyNeedsIt(t *testing.T) {
	t.Parallel()
	r := startReign(t, measured)
	writers := r.join(1, 0, "leader", "app")
	w := r.client(writers, 0)
	w.get()
	w.release()
	readers := r.join(1, 0, "replica", "app")
	c := r.client(readers, 0)
	c.get()
	c.release()
	<-time.After(2 * inquireEvery)
	if r.a.lives() != 1 || r.b.lives() != 1 {
		t.Errorf("%d and %d connections for two servers", r.a.lives(), r.b.lives())
	}
	p := r.joinFresh(1, "replica", maxLag, "postgres")
	d := r.client(p, 1)
	d.get()
	d.release()
	wait(t, "both are asked", func() error { return until(r.a.lives() == 2 && r.b.lives() == 3) })
	p.Leave()
	readers.Leave()
	writers.Leave()
	<-time.After(2 * inquireEvery)
	if _, ok := r.pools.Lag("main", 0, "b"); !ok {
		t.Error("not measured for the next client, although a server is there")
	}
	r.b.killOne()
	wait(t, "nobody asks any more", func() error {
		for r.b.killOne() {
		}
		_, measured := r.pools.Lag("main", 0, "b")
		return until(p.at("b") == 0 && r.a.lives() == 1 && !measured)
	})
}

func TestAMemberIsGoneWhenNobodyCanBeServedThere(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: unix.ECONNREFUSED}
	for _, c := range []struct {
		err  error
		gone bool
	}{
		{refused, true},
		{fmt.Errorf("open: %w", refused), true},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false},
		{&net.OpError{Op: "read", Err: unix.ECONNRESET}, false},
		{wire.Fatal("57P03", "the database system is shutting down"), true},
		{wire.Fatal(wire.TooManyConnections, "sorry, too many clients already"), false},
		{errNotReplica, false},
	} {
		if got := isGone(c.err); got != c.gone {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}
