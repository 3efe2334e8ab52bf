package pool

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/metrics"
	"portero/wire"
)

// join is Join for a database by name, without a secret.
func (s *stage) joinDatabase(database string) (*Pool, error) {
	return s.pools.Join(keyOf("leader", database, "app"), terms(2, 0), noSecret)
}

func (s *stage) poolCount() int { return len(s.pools.all()) }

func TestACandidateIsAPoolOnceAServerHasLetItIn(t *testing.T) {
	f := startFake(t)
	f.silent = true
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = 50 * time.Millisecond }, f.addr)
	p := s.join(4, 3, "leader", "app")
	var all []*client
	for i := range 8 {
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	wait(t, "several attempts", func() error { f.mu.Lock(); defer f.mu.Unlock(); return until(f.dials > 3) })
	p.sweep()
	if _, _, opening := p.counts(); opening != 1 {
		t.Errorf("%d openers to find out", opening)
	}
	if n := len(s.pools.States()); n != 0 {
		t.Errorf("%d pools in the metrics", n)
	}
	got := s.pools.Candidates()
	if got.Pools != 1 || got.ClientsWaiting != 8 || got.MaxWait <= 0 || got.Errors[metrics.ServerConnect] == 0 {
		t.Errorf("%+v", got)
	}
	f.set(func() { f.silent = false })
	for _, c := range all {
		c.wait()
		c.release()
	}
	states := s.pools.States()
	if len(states) != 1 || states[0].Labels.User != "app" || states[0].Labels.Mode != "transaction" || states[0].Totals().Waits < 4 {
		t.Errorf("%+v", states)
	}
	if got := s.pools.Candidates(); got.Pools != 0 || got.ClientsWaiting != 0 {
		t.Errorf("%+v", got)
	}
	wait(t, "the minimum", func() error { idle, _, _ := p.counts(); return until(idle >= 3) })
	wait(t, "balance", p.balanced)
}

func TestACandidateThatIsRefusedIsGoneAndRememberedForAMoment(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	f.missing = "nowhere"
	s := newStage(t, nil, f.addr)
	p, err := s.joinDatabase("nowhere")
	if err != nil {
		t.Fatal(err)
	}
	late := s.client(p, 1) // joined, and asks for a server when all is over
	var all []*client
	for i := range 8 {
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	began := time.Now()
	for _, c := range append(all, late) {
		if c == late {
			late.ask()
		}
		if g := within(t, "an error", c.granted); g.err == nil || g.err.Code != wire.UndefinedDatabase {
			t.Errorf("%+v", g)
		}
	}
	if n := s.poolCount(); n != 0 {
		t.Errorf("%d pools are left", n)
	}
	if n := s.pools.Candidates().Errors[metrics.ServerLogin]; n != 1 {
		t.Errorf("%d refusals counted", n)
	}
	for range 100 {
		_, err := s.joinDatabase("nowhere")
		var refused *Refused
		if !errors.As(err, &refused) || refused.Why != metrics.ServerLogin || refused.Said.Message != `database "nowhere" does not exist` {
			t.Fatalf("%+v", err)
		}
	}
	if _, _, logins := f.count(); logins != 1 {
		t.Errorf("%d logins", logins)
	}
	f.set(func() { f.missing = "" }) // it is created meanwhile
	wait(t, "it is tried again", func() (err error) { p, err = s.joinDatabase("nowhere"); return err })
	if took := time.Since(began); took < rememberFor-100*time.Millisecond {
		t.Errorf("after %v", took)
	}
	c := s.client(p, 0)
	c.get()
	c.release()
}

func TestWhoeverBringsAnotherSecretIsNotRefusedFromMemory(t *testing.T) {
	f := startFake(t)
	f.refusal = wire.Fatal(wire.InvalidPassword, "no")
	s := newStage(t, nil, f.addr)
	c := s.client(s.join(1, 0, "leader", "app"), 0)
	c.ask()
	within(t, "an error", c.granted)
	f.set(func() { f.refusal = nil })
	if _, err := s.pools.Join(keyOf("leader", "postgres", "app"), terms(1, 0), noSecret); err == nil {
		t.Error("not remembered")
	}
	p, err := s.pools.Join(keyOf("leader", "postgres", "app"), terms(1, 0), auth.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	d := s.client(p, 0)
	d.get()
	d.release()
}

func TestClientsOfAPoolWithServersAreNotRefusedFromMemory(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(2, 0, "leader", "app")
	holder, other := s.client(p, 0), s.client(p, 1)
	holder.get()
	f.set(func() { f.refusal = wire.Fatal(wire.InvalidAuthorization, "no more") })
	other.ask()
	within(t, "an error", other.granted)
	if s.join(2, 0, "leader", "app") != p {
		t.Error("another pool")
	}
	holder.discard(metrics.ServerDirty)
	if _, err := s.pools.Join(p.Key, terms(2, 0), noSecret); err == nil {
		t.Error("a pool without servers dials for each client")
	}
}

func TestTheLastClientThatLeavesTakesTheCandidateAndItsOpenerAlong(t *testing.T) {
	f := startFake(t)
	f.silent = true
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = time.Hour }, f.addr)
	p, q := s.join(2, 0, "leader", "app"), s.join(2, 0, "leader", "app")
	c := s.client(p, 0)
	c.ask()
	wait(t, "the opener hangs", func() error { f.mu.Lock(); defer f.mu.Unlock(); return until(f.dials == 1) })
	c.withdraw()
	p.Leave()
	if s.poolCount() != 1 {
		t.Error("gone, though it has a client")
	}
	q.Leave()
	if s.poolCount() != 0 {
		t.Error("it has stayed")
	}
	wait(t, "the opener ends", func() error { _, _, opening := p.counts(); return until(opening == 0) })
}

func TestMaxPoolsBoundsPoolsAndCandidates(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.MaxPools = 3 }, f.addr)
	used, unused := s.join(1, 0, "leader", "used"), s.join(1, 0, "leader", "unused")
	s.letIn(used)
	s.letIn(unused)
	f.set(func() { f.silent = true })
	candidate, err := s.joinDatabase("new")
	if err != nil {
		t.Fatal(err)
	}
	full := func() {
		t.Helper()
		_, err := s.joinDatabase("one too many")
		var refused *Refused
		if !errors.As(err, &refused) || refused.Why != metrics.TooManyPools || refused.Said.Code != wire.TooManyConnections {
			t.Errorf("%+v", err)
		}
		if s.join(1, 0, "leader", "used") != used {
			t.Error("a pool that is there must go on")
		}
	}
	full()
	unused.Leave()
	second, err := s.joinDatabase("second")
	if err != nil {
		t.Fatalf("an unused pool is in the way: %v", err)
	}
	for _, state := range s.pools.States() {
		if state.Labels.User == "unused" {
			t.Error("it was not the unused pool that went")
		}
	}
	full()
	candidate.Leave()
	if _, err := s.joinDatabase("third"); err != nil {
		t.Errorf("a candidate without clients is in the way: %v", err)
	}
	second.Leave()
}

func TestOfUnusedPoolsTheOneGoesThatIsUnusedForLongest(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.MaxPools = 3 }, f.addr)
	for i := range 3 {
		p := s.join(1, 0, "leader", fmt.Sprint(i))
		s.letIn(p)
		p.Leave()
		p.mu.Lock()
		p.unused = time.Now().Add(-time.Duration(i%2) * time.Minute)
		p.mu.Unlock()
	}
	if _, err := s.joinDatabase("new"); err != nil {
		t.Fatal(err)
	}
	for _, state := range s.pools.States() {
		if state.Labels.User == "1" {
			t.Error("another went")
		}
	}
}

func TestAPoolThatIsUnusedForLongIsForgotten(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p, q := s.join(1, 0, "leader", "app"), s.join(1, 0, "leader", "other")
	s.letIn(p)
	s.letIn(q)
	p.Leave()
	for _, p := range []*Pool{p, q} {
		p.mu.Lock()
		p.unused = time.Now().Add(-2 * forgetAfter)
		p.mu.Unlock()
		s.pools.forget(p)
	}
	if states := s.pools.States(); len(states) != 1 || states[0].Labels.User != "other" {
		t.Errorf("%d pools", len(states))
	}
	r := s.join(1, 0, "leader", "app")
	if r == p {
		t.Error("the old one is in use")
	}
	s.letIn(r)
}

// Names that do not exist must not take the connections of PostgreSQL, nor the
// time of an opener that has clients to serve.
func TestFewCandidatesLogInAtOneTime(t *testing.T) {
	f := startFake(t)
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = time.Hour }, f.addr)
	p := s.join(3, 0, "leader", "app")
	s.letIn(p)
	f.set(func() { f.silent, f.dials = true, 0 })
	var candidates []*client
	for i := range 3 * firstLogins {
		q, err := s.joinDatabase(fmt.Sprint("made up ", i))
		if err != nil {
			t.Fatal(err)
		}
		c := s.client(q, i%2)
		c.ask()
		candidates = append(candidates, c)
	}
	dials := func(n int) func() error {
		return func() error { f.mu.Lock(); defer f.mu.Unlock(); return until(f.dials == n) }
	}
	wait(t, "as many as may", dials(firstLogins))
	other, err := s.pools.Join(keyOf("any", "postgres", "app"), terms(1, 0), noSecret)
	if err != nil {
		t.Fatal(err)
	}
	s.client(other, 0).ask()
	wait(t, "another door", dials(firstLogins+1))
	f.set(func() { f.silent = false })
	for i := range 3 {
		s.client(p, i%2).get() // a pool that is known does not queue up
	}
	candidates[0].withdraw()
	candidates[0].pool.Leave()
	candidates[firstLogins].wait() // the first that waited has the place that became free
	for _, c := range candidates[1:firstLogins] {
		c.withdraw()
		c.pool.Leave()
	}
	for _, c := range candidates[firstLogins+1:] {
		c.wait()
	}
	wait(t, "the door is empty", func() error { return until(len(p.door) == 0) })
}

// A leader that still recovers lets all of them in, and they are ready when it
// takes writes.
func TestTheDoorIsForLoginsAndNotForWhatComesAfter(t *testing.T) {
	f := startFake(t)
	f.follow()
	s := newStage(t, nil, f.addr)
	var all []*client
	for i := range 2 * firstLogins {
		p, err := s.joinDatabase(fmt.Sprint("d", i))
		if err != nil {
			t.Fatal(err)
		}
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	wait(t, "all are let in", func() error { return until(len(s.pools.States()) == len(all)) })
	f.lead(1)
	for _, c := range all {
		c.wait()
		c.release()
	}
}

// While nobody can be asked, clients of many names wait, and cost no more than
// their queues.
func TestCandidatesWaitForALeaderWithoutDialling(t *testing.T) {
	r := startReign(t, func(c *config.Pool) { c.MaxPools = 2 * firstLogins })
	r.keys.put("leader", "")
	r.sees("nobody leads", func() bool { return r.leader() == "" })
	var all []*client
	for i := range 2 * firstLogins {
		p, err := r.joinDatabase(fmt.Sprint("d", i))
		if err != nil {
			t.Fatal(err)
		}
		c := r.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	if _, err := r.joinDatabase("one too many"); err == nil {
		t.Error("max_pools is exceeded")
	}
	settleLoops(r.stage)
	if got := r.pools.Candidates(); got.Pools != 2*firstLogins || got.ClientsWaiting != 2*firstLogins {
		t.Errorf("%+v", got)
	}
	if _, _, logins := r.a.count(); logins > 0 {
		t.Errorf("%d logins", logins)
	}
	r.keys.put("leader", "a")
	for _, c := range all {
		c.wait()
		c.release()
	}
	if n := len(r.pools.States()); n != 2*firstLogins {
		t.Errorf("%d pools", n)
	}
}

// Many candidates at a host that is down dial it at a pace.
func TestCandidatesDoNotStormAHostThatRefuses(t *testing.T) {
	t.Parallel()
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	f.down()
	for i := range 100 {
		p, err := s.joinDatabase(fmt.Sprint("d", i))
		if err != nil {
			t.Fatal(err)
		}
		s.client(p, i%2).ask()
	}
	failures := func() uint64 { return s.pools.Candidates().Errors[metrics.ServerConnect] }
	wait(t, "the slowest pace of trying", func() error { return until(failures() > 1200) })
	before, began := failures(), time.Now()
	wait(t, "many more failures", func() error { return until(failures() > before+400) })
	if took := time.Since(began); took < 800*time.Millisecond { // 100 * 4 a second
		t.Errorf("400 attempts in %v", took)
	}
	f.up()
}
