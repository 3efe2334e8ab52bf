package pool

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

// pause begins a PAUSE; what comes of it is to be had from the channel.
func (s *stage) pause(ctx context.Context, database string) <-chan error {
	return beside(func() error { return s.pools.Pause(ctx, database) })
}

// beside runs what blocks beside the test.
func beside(command func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- command() }()
	return done
}

// holds waits until a pool is held by an order.
func (s *stage) holds(p *Pool, why Hold) {
	s.t.Helper()
	wait(s.t, "held: "+why.String(), func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.now.hold == why) })
}

func (s *stage) mustEnd(what string, done <-chan error) {
	s.t.Helper()
	if err := within(s.t, what, done); err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

func TestPauseHoldsWhatBeginsAndClosesServersAsTheyComeBack(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(4, 2, "leader", "app")
	running, next := s.client(p, 0), s.client(p, 1)
	running.get()
	next.get()
	next.release()
	done := s.pause(t.Context(), "")
	wait(t, "the idle server is closed", func() error { return until(f.lives() == 1) })
	next.ask()
	settleLoops(s)
	if len(next.granted) > 0 || len(done) > 0 || f.lives() != 1 {
		t.Fatal("a transaction began, or the pause was over before the one that ran")
	}
	if err := s.pools.Pause(t.Context(), ""); err != ErrPaused {
		t.Errorf("a second PAUSE: %v", err)
	}
	if err := s.pools.Pause(t.Context(), "postgres"); err != ErrPaused {
		t.Errorf("a PAUSE within: %v", err)
	}
	running.release()
	s.mustEnd("PAUSE", done)
	if !p.isEmpty() {
		t.Error("the pool has servers")
	}
	wait(t, "no connection", func() error { return until(f.lives() == 0) })
	settleLoops(s)
	if f.lives() > 0 || len(next.granted) > 0 {
		t.Error("servers are opened, or lent, in a pause")
	}
	if held := p.Held(); held != "paused" {
		t.Errorf("held: %q", held)
	}
	if missing := s.pools.Ready(s.cfg.Routes); len(missing) != 1 || !strings.HasSuffix(missing[0], "paused") {
		t.Errorf("ready: %q", missing)
	}
	if g := s.pools.Groups(); g[0].Held != "paused" {
		t.Errorf("the group is held: %q", g[0].Held)
	}
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	next.wait()
	next.release()
	if err := s.pools.Resume(""); err != ErrNotPaused {
		t.Errorf("a second RESUME: %v", err)
	}
	wait(t, "balance", p.balanced)
}

func TestAPauseWhoseAskerGoesAwayIsUndone(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(2, 0, "leader", "app")
	running, next := s.client(p, 0), s.client(p, 1)
	running.get()
	ctx, goAway := context.WithCancel(t.Context())
	done := s.pause(ctx, "postgres")
	s.holds(p, HoldPaused)
	next.ask()
	goAway()
	if err := within(t, "PAUSE", done); !errors.Is(err, context.Canceled) {
		t.Errorf("PAUSE: %v", err)
	}
	next.wait()
	next.release()
	running.release()
	if err := s.pools.Resume("postgres"); !errors.Is(err, ErrNotPaused) || err.Error() != "database postgres is not paused" {
		t.Errorf("RESUME: %v", err)
	}
}

func TestAPauseThatIsResumedMeanwhileSaysSo(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	first := c.get()
	done := s.pause(t.Context(), "")
	s.holds(p, HoldPaused)
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	if err := within(t, "PAUSE", done); err != errResumed {
		t.Errorf("PAUSE: %v", err)
	}
	s.holds(p, NotHeld)
	c.release()
	if c.get() != first {
		t.Error("the server was closed that was lent all the time")
	}
	c.release()
}

func TestAPauseOfOneDatabaseHoldsItsPoolsAndThoseThatAreMadeLater(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	join := func(name, database, user string) *client {
		return s.client(must(s.pools.JoinAs(name, keyOf("leader", database, user), terms(2, 0), noSecret))(t), 0)
	}
	mine, other := join("sales", "sales_2026", "app"), join("stock", "stock", "app")
	mine.get()
	mine.release()
	s.mustEnd("PAUSE", s.pause(t.Context(), "sales"))
	later, another := join("sales", "sales_2026", "second"), join("sales", "elsewhere", "app")
	server := join("sales_2026", "sales_2026", "third")
	for _, held := range []*client{mine, later, another} {
		held.ask()
	}
	other.get()
	other.release()
	server.get() // who calls it otherwise has a pool of his own, which nobody has paused
	server.release()
	settleLoops(s)
	for i, held := range []*client{mine, later, another} {
		if len(held.granted) > 0 {
			t.Errorf("client %d was served", i)
		}
	}
	if missing := s.pools.Ready(s.cfg.Routes); !slices.Equal(missing, []string{"database sales: paused"}) {
		t.Errorf("ready: %q", missing)
	}
	s.mustEnd("a second PAUSE of one", s.pause(t.Context(), "sales"))
	if err := s.pools.Resume("sales"); err != nil {
		t.Fatal(err)
	}
	for _, held := range []*client{mine, later, another} {
		held.wait()
		held.release()
	}
	s.mustEnd("PAUSE of another name for the same", s.pause(t.Context(), "sales_2026"))
	mine.get()
	mine.release()
	server.ask()
	settleLoops(s)
	if len(server.granted) > 0 {
		t.Error("served, although the name is paused")
	}
	if err := s.pools.Resume("sales_2026"); err != nil {
		t.Fatal(err)
	}
	server.wait()
	server.release()
}

// A name that only now turns out to be one of a pool's takes its orders with it.
func TestAPoolThatIsCalledByAPausedNameIsHeld(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	key := keyOf("leader", "sales_2026", "app")
	c := s.client(must(s.pools.JoinAs("sales_2026", key, terms(2, 0), noSecret))(t), 0)
	c.get()
	c.release()
	s.mustEnd("PAUSE", s.pause(t.Context(), "sales"))
	c.get()
	c.release()
	p := must(s.pools.JoinAs("sales", key, terms(2, 0), noSecret))(t)
	s.holds(p, HoldPaused)
	if err := s.pools.Resume("sales"); err != nil {
		t.Fatal(err)
	}
	s.holds(p, NotHeld)
}

func TestOnlyDatabasesThatRoutesOrPoolsNameCanBeOrderedAnything(t *testing.T) {
	s := newStageOfRoutes(t, []config.Route{{Database: "sales", DBName: "sales_2026"}}, startFake(t).addr)
	must(s.pools.JoinAs("stock", keyOf("leader", "stock_2026", "app"), terms(2, 0), noSecret))(t)
	for _, name := range []string{"sales", "stock"} {
		s.mustEnd("PAUSE "+name, s.pause(t.Context(), name))
	}
	for _, name := range []string{"sales_2026", "stock_2026"} { // only servers call them so
		if err := <-s.pause(t.Context(), name); !errors.Is(err, ErrNoDatabase) {
			t.Errorf("PAUSE %s: %v", name, err)
		}
	}
	for what, command := range map[string]func(string) error{
		"PAUSE":      func(name string) error { return s.pools.Pause(t.Context(), name) },
		"WAIT_CLOSE": func(name string) error { return s.pools.WaitClose(t.Context(), name) },
		"RESUME":     s.pools.Resume, "KILL": s.pools.Kill, "DISABLE": s.pools.Disable, "ENABLE": s.pools.Enable, "RECONNECT": s.pools.Reconnect,
	} {
		if err := command("nosuch"); !errors.Is(err, ErrNoDatabase) || err.Error() != "no such database: nosuch" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An opener that hangs at a host does not keep a PAUSE waiting.
func TestPauseEndsOpeners(t *testing.T) {
	f := startFake(t)
	f.set(func() { f.silent = true })
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = time.Hour }, f.addr)
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	c.ask()
	wait(t, "a connection that hangs", func() error { f.mu.Lock(); defer f.mu.Unlock(); return until(f.dials > 0) })
	s.mustEnd("PAUSE", s.pause(t.Context(), ""))
	f.set(func() { f.silent = false })
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	c.wait()
	c.release()
	if n := s.diary.times("server not opened"); n > 0 {
		t.Errorf("%d failures in the log", n)
	}
}

func TestALeaderThatMovesInAPauseServesNobodyUntilResume(t *testing.T) {
	r := startReign(t, nil)
	p := r.join(4, 0, "leader", "app")
	c, running := r.client(p, 0), r.client(p, 1)
	c.get()
	running.get()
	c.release()
	done := r.pause(t.Context(), "")
	r.holds(p, HoldPaused)
	c.ask()
	r.keys.put("leader", "")
	r.switchover()
	if why := within(t, "the one that runs hears of it", running.lost); why != metrics.EpochMoved {
		t.Errorf("lost: %s", why)
	}
	running.discard(metrics.EpochMoved)
	r.mustEnd("PAUSE", done)
	r.b.lead(2)
	r.sees("b leads", func() bool { return r.leader() == "b" })
	settleLoops(r.stage)
	if len(c.granted) > 0 || r.b.lives() > 0 || r.a.lives() > 0 {
		t.Fatalf("served, or %d and %d servers", r.a.lives(), r.b.lives())
	}
	if err := r.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	if s := c.wait(); s.Member() != "b" {
		t.Errorf("served by %s", s.Member())
	}
	c.release()
	wait(t, "balance", p.balanced)
}

// What waits at the next leader is a connection too.
func TestPauseClosesWhatWaitsAtTheNextLeader(t *testing.T) {
	r := startReign(t, func(c *config.Pool) { c.SwitchoverDrain = time.Hour })
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.announced()
	wait(t, "a connection to the next leader", func() error { return until(r.b.lives() == 1) })
	r.mustEnd("PAUSE", r.pause(t.Context(), ""))
	wait(t, "none", func() error { return until(r.a.lives() == 0 && r.b.lives() == 0) })
	settleLoops(r.stage)
	if r.b.lives() > 0 {
		t.Error("opened again in the pause")
	}
	if err := r.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	r.holds(p, HoldSwitchover)
	wait(t, "a connection to the next leader again", func() error { p.mu.Lock(); defer p.mu.Unlock(); return until(p.warm.to == "b") })
}

// TestPauseEndsTheQuestionsToMembers: the connections by which members of a list are asked who
// leads are to the database too.
func TestPauseEndsTheQuestionsToMembers(t *testing.T) {
	t.Parallel()
	a, b := startFake(t), startFake(t)
	b.follow()
	s := newStage(t, nil, a.addr, b.addr)
	p := s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	wait(t, "the other is asked", func() error { return until(b.lives() > 0) })
	s.mustEnd("PAUSE", s.pause(t.Context(), ""))
	wait(t, "no connection", func() error { return until(a.lives()+b.lives() == 0) })
	a.follow()
	b.lead(2)
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	if got := c.get(); got.Member() != b.addr {
		t.Errorf("served by %s", got.Member())
	}
	c.release()
}
