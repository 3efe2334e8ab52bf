package pool

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/loop"
	"portero/metrics"
	"portero/wire"
)

// behind puts a server behind a host that can fall silent.
func behind(t *testing.T, address string) (*lab.Host, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a network namespace")
	}
	h := lab.HostForTest(t)
	front, err := h.Serve(address)
	if err != nil {
		t.Fatal(err)
	}
	return h, front
}

func silence(t *testing.T, h *lab.Host) {
	t.Helper()
	if err := h.Silence(); err != nil {
		t.Fatal(err)
	}
}

// onlyTCP turns all but the care of TCP off.
func onlyTCP(keepalive, user time.Duration) func(c *config.Pool) {
	return func(c *config.Pool) {
		c.ServerCheckDelay, c.TCPKeepalive, c.TCPUserTimeout = 0, keepalive, user
	}
}

func TestALentServerOnASilentHostIsGivenUp(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	h, front := behind(t, f.addr)
	s := newStage(t, onlyTCP(0, time.Second), front)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	silence(t, h)
	if _, err := c.query("select 1"); !errors.Is(err, loop.ErrSilent) {
		t.Errorf("got %v", err)
	}
	c.discard(metrics.ServerLost)
	c.ask()
	if err := h.Speak(); err != nil {
		t.Fatal(err)
	}
	c.wait()
	c.release()
	wait(t, "balance", p.balanced)
}

// The question was acknowledged, so that nothing is sent again; only a probe
// finds out that nobody works on the answer.
func TestAHostThatFallsSilentOverAnAnswerIsGivenUp(t *testing.T) {
	t.Parallel()
	pg := realServer(t)
	h, front := behind(t, pg.Address())
	s := newStage(t, onlyTCP(time.Second, 0), front)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.send("do $$ begin raise notice 'begun'; perform pg_sleep(3600); end $$")
	wait(t, "it works", func() (err error) {
		c.do(func() { err = until(len(c.kept) > 0) })
		return err
	})
	silence(t, h)
	if a := within(t, "the end of it", c.answers); a.err == nil {
		t.Errorf("answered %q", a.row)
	}
	c.discard(metrics.ServerLost)
	superuser(t, pg, "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'app' and query like '%3600%'") // it sleeps on
}

func TestIdleServersOnASilentHostAreClosed(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	h, front := behind(t, f.addr)
	s := newStage(t, onlyTCP(time.Second, 0), front)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	silence(t, h)
	wait(t, "it is closed", func() error { idle, _, _ := p.counts(); return until(idle == 0) })
}

// A server that waits for a lock in the middle of a COPY reads nothing for as
// long as that takes. Its kernel answers, though, and that is enough.
func TestAServerThatDoesNotReadIsNotGivenUp(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	f.wax = make(chan struct{})
	const limit = time.Second
	s := newStage(t, onlyTCP(limit, limit), f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.send("stall")
	pending := 0
	c.do(func() {
		much := wire.Append(nil, queryMessage(strings.Repeat(" ", 16<<20)))
		if err := c.claim.Server.Sock.Write(much); err != nil {
			t.Error(err)
		}
		pending = c.claim.Server.Sock.Pending()
	})
	if pending == 0 {
		t.Fatal("the kernel took it all")
	}
	<-time.After(4 * limit)
	close(f.wax)
	if a := within(t, "the answer", c.answers); a.err != nil {
		t.Errorf("after it had read nothing for long: %v", a.err)
	}
}

// listener passes on what a loop tells of a socket.
type listener chan loop.Events

func (l listener) Ready(_ *loop.Loop, ev loop.Events) {
	select {
	case l <- ev:
	default:
	}
}

func TestAClientOnASilentHostDoesNotKeepItsServer(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	h := lab.HostForTest(t)
	l, err := h.Listen()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, onlyTCP(0, time.Second), f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	told := make(listener, 1)
	var sock loop.Socket
	if err := sock.Open(conn, told); err != nil {
		t.Fatal(err)
	}
	c.do(func() {
		c.claim.Client = &sock
		if err := sock.Attach(c.loop); err != nil {
			t.Error(err)
		}
	})
	defer c.do(sock.Close)
	c.get()
	silence(t, h)
	c.do(func() { sock.Write([]byte("an answer")) }) //nolint:errcheck // the kernel takes it
	for ev := loop.Events(0); ev&loop.Closed == 0; {
		ev = within(t, "the end", told)
	}
	c.do(func() {
		if _, err := sock.Read(c.loop.Scratch()); err != loop.ErrSilent {
			t.Errorf("reading says %v", err)
		}
		if err := sock.Write([]byte("x")); err != loop.ErrSilent {
			t.Errorf("writing says %v", err)
		}
	})
	c.release()
}

// The leader's host is silent, and all that the pool may have hangs there.
func TestAPromotionIsNoticedAlthoughAllServersHangOnASilentHost(t *testing.T) {
	t.Parallel()
	a, b := startFake(t), startFake(t)
	b.follow()
	h, front := behind(t, a.addr)
	s := newStage(t, onlyTCP(0, 0), front, b.addr)
	p := s.join(2, 0, "leader", "app")
	working, idle := s.client(p, 0), s.client(p, 1)
	working.get()
	idle.get()
	idle.release()
	silence(t, h)
	working.send("select 1")
	waits := s.client(p, 1)
	waits.get() // the idle one: nobody can know yet
	b.lead(2)
	for _, c := range []*client{working, waits} {
		if why := within(t, "the news", c.lost); why != metrics.EpochMoved {
			t.Errorf("lost for %v", why)
		}
		c.do(func() { c.asking = false; p.Discard(&c.claim, metrics.EpochMoved) })
		if got := c.get(); got.Member() != b.addr {
			t.Errorf("served by %s", got.Member())
		}
		c.release()
	}
	wait(t, "balance", p.balanced)
}

func TestHostsAreAskedOnlyWhileThereAreClients(t *testing.T) {
	t.Parallel()
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	role := func() string { m, _ := s.cluster.View().Groups[0].Member(b.addr); return m.Role }
	wait(t, "the replica is asked", func() error { return until(b.lives() == 1 && role() == "replica") })
	b.down()
	b.lead(2)
	b.up()
	wait(t, "it is asked again", func() error { return until(s.cluster.View().Groups[0].Leader == b.addr) })
	if c.get().Member() != b.addr {
		t.Error("served by the old leader")
	}
	c.release()
	wait(t, "the old leader is, the new one is not", func() error { return until(a.lives() == 1 && b.lives() == 1) })
	p.Leave()
	wait(t, "nobody is", func() error { return until(a.lives() == 0) })
}

// What asks a host gets in as the clients do.
func TestHostsAreAskedWithAClientsLogin(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{Auth: "scram-sha-256", SQL: []string{"create role app login password 'secret'"}})
	_, front := behind(t, pg.Address()) // two ways to one server: it is asked by the one that does not lead
	s := newStage(t, nil, front, pg.Address())
	p, err := s.pools.Join(Key{Cluster: "main", Role: "leader", Database: "postgres", User: "app"}, terms(1, 0), auth.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(p, 0)
	c.get()
	c.release()
	wait(t, "both are in use", func() error { return until(superuser(t, pg, appBackends) == 2) })
	p.Leave()
	wait(t, "one is", func() error { return until(superuser(t, pg, appBackends) == 1) })
}

func TestAHostThatLetsNobodyInIsAskedLessAndLess(t *testing.T) {
	a, b := startFake(t), startFake(t)
	b.garbage = true
	s := newStage(t, nil, a.addr, b.addr)
	view := s.cluster.View()
	q := &inquiry{owner: s.pools, cluster: s.pools.clusters()["main"], member: view.Groups[0].Members[0], log: s.pools.log}
	if q.member.Name != b.addr {
		q.member = view.Groups[0].Members[1]
	}
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	var pauses []time.Duration
	for range 7 {
		q.until = time.Time{}
		q.inquire(t.Context())
		pauses = append(pauses, q.pause)
	}
	want := []time.Duration{1, 2, 4, 8, 16, 30, 30}
	for i := range want {
		if pauses[i] != want[i]*time.Second {
			t.Fatalf("pauses %v", pauses)
		}
	}
	b.set(func() { b.garbage = false })
	b.follow()
	q.inquire(t.Context())
	if q.conn != nil {
		t.Error("asked before its time")
	}
	q.until = time.Time{}
	q.inquire(t.Context())
	if q.pause != 0 || q.conn == nil {
		t.Errorf("pause %v although it answers", q.pause)
	}
	q.hangUp()
	p.Leave()
}
