package pool

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
	"portero/wire"
)

// named is what a client gives that calls itself by a name, and more in pairs.
func named(name string, more ...string) Startup {
	list := []wire.Parameter{{Name: "application_name", Value: name}}
	for i := 0; i < len(more); i += 2 {
		list = append(list, wire.Parameter{Name: more[i], Value: more[i+1]})
	}
	return NewStartup(list)
}

func (s *stage) clientWith(p *Pool, on int, st Startup) *client {
	c := s.client(p, on)
	c.do(func() { c.claim.Startup = st })
	return c
}

func (f *fake) started() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.starts)
}

func TestEqualStartsAreOneWord(t *testing.T) {
	a := NewStartup([]wire.Parameter{{Name: "b", Value: "1"}, {Name: "A", Value: "2"}, {Name: "b", Value: "3"}})
	for name, c := range map[string]struct {
		list []wire.Parameter
		same bool
	}{
		"another order":        {[]wire.Parameter{{Name: "A", Value: "2"}, {Name: "b", Value: "1"}, {Name: "b", Value: "3"}}, true},
		"another order of one": {[]wire.Parameter{{Name: "A", Value: "2"}, {Name: "b", Value: "3"}, {Name: "b", Value: "1"}}, false},
		"another spelling":     {[]wire.Parameter{{Name: "a", Value: "2"}, {Name: "b", Value: "1"}, {Name: "b", Value: "3"}}, false},
		"less":                 {[]wire.Parameter{{Name: "A", Value: "2"}, {Name: "b", Value: "1"}}, false},
		"none":                 {nil, false},
		"the border moved":     {[]wire.Parameter{{Name: "A2", Value: ""}, {Name: "b", Value: "1"}, {Name: "b", Value: "3"}}, false},
	} {
		if got := NewStartup(c.list) == a; got != c.same {
			t.Errorf("%s: equal %t", name, got)
		}
	}
	if NewStartup(nil) != (Startup{}) {
		t.Error("nothing is not the zero value")
	}
	if got := a.parameters(); !slices.Equal(got, []wire.Parameter{{Name: "A", Value: "2"}, {Name: "b", Value: "1"}, {Name: "b", Value: "3"}}) {
		t.Errorf("%v", got)
	}
}

func TestAClientIsLentOnlyAServerThatWasOpenedWithItsStart(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinSession(3, 0)
	a, b := s.clientWith(p, 0, named("a")), s.clientWith(p, 1, named("b"))
	first := a.get()
	a.release()
	other := b.get()
	if other == first {
		t.Fatal("the server of another start")
	}
	b.release()
	if got := a.get(); got != first {
		t.Error("its own server was idle, and it has another")
	}
	if got := f.started(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("opened with %q", got)
	}
	a.release()
	wait(t, "balance", p.balanced)
}

func TestInAFullPoolTheServerIdleForLongestMakesRoom(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinSession(3, 0)
	var all []*client
	for i, name := range []string{"a", "b", "c"} {
		c := s.clientWith(p, i%2, named(name))
		c.get()
		all = append(all, c)
	}
	all[1].release()
	all[0].release()
	d := s.clientWith(p, 0, named("d"))
	d.get()
	if live, most, _ := f.count(); most > 4 { // the one that closes may be counted still
		t.Errorf("%d live, %d at most", live, most)
	}
	all[0].get()
	if got := f.started(); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("opened with %q: it was not b's server that was closed", got)
	}
	wait(t, "balance", p.balanced)
}

// Strictly first come, first served, though it costs a login.
func TestAServerThatComesBackIsClosedForTheFirstInTheQueue(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinSession(1, 0)
	holder := s.clientWith(p, 0, named("x"))
	holder.get()
	first, second := s.clientWith(p, 1, named("y")), s.clientWith(p, 0, named("x"))
	first.ask()
	second.ask()
	holder.release()
	first.wait()
	select {
	case <-second.granted:
		t.Fatal("overtaken")
	default:
	}
	first.release()
	second.wait()
	if got := f.started(); !slices.Equal(got, []string{"x", "y", "x"}) {
		t.Errorf("opened with %q", got)
	}
	second.release()
	wait(t, "balance", p.balanced)
}

// One for whom a server is being opened does not keep others from what is there.
func TestAServerThatComesBackIsNotKeptFromTheSecondWhileTheFirstHasAnOpener(t *testing.T) {
	f := startFake(t)
	f.slow = make(chan struct{})
	s := newStage(t, nil, f.addr)
	p := s.joinSession(2, 0)
	holder := s.clientWith(p, 0, named("x"))
	had := holder.get()
	first := s.clientWith(p, 1, named("y", "geqo", "on"))
	first.ask()
	wait(t, "its opener hangs", func() error { return until(len(f.started()) == 2) })
	second := s.clientWith(p, 0, named("x"))
	second.ask()
	holder.release()
	if second.wait() != had {
		t.Error("another server")
	}
	close(f.slow)
	first.wait()
	first.release()
	second.release()
	wait(t, "balance", p.balanced)
}

func TestAStartThatIsRefusedFailsWhoGaveItAndNobodyElse(t *testing.T) {
	f := startFake(t)
	f.unfit = &wire.Error{Severity: "FATAL", Code: "22023", Message: "no", Detail: "never"}
	s := newStage(t, nil, f.addr)
	p := s.joinSession(2, 0)
	bad := named("bad", "work_mem", "much")
	first := s.clientWith(p, 1, bad)
	for range 3 { // of a pool that nobody knows, from memory, of one that is known
		first.ask()
		g := within(t, "an error", first.granted)
		if g.err == nil || *g.err != *f.unfit {
			t.Fatalf("%+v", g)
		}
		first.do(func() {
			if string(first.claim.Refused) != string(f.unfit.Append(nil)) {
				t.Errorf("not as it came: %q", first.claim.Refused)
			}
			first.claim.Err, first.claim.Refused = nil, nil
		})
		good := s.clientWith(p, 0, named("good"))
		good.get()
		good.release()
	}
	p.mu.Lock()
	if len(p.shunned) != 0 || p.refused || p.trouble.words != "" || p.verdict != nil {
		t.Errorf("held against the member: %v, %t, %v", p.shunned, p.refused, p.trouble)
	}
	p.mu.Unlock()
	if n := p.Metrics().Totals().Errors; n[metrics.ServerConnect]+n[metrics.ServerLogin] != 0 {
		t.Errorf("%v", n)
	}
	wait(t, "it is asked again", func() error {
		f.set(func() { f.unfit = nil })
		first.ask()
		g := within(t, "an answer", first.granted)
		first.do(func() { first.claim.Err = nil })
		return until(g.server != nil)
	})
	first.release()
	wait(t, "balance", p.balanced)
}

// What does not become ready may have been told to take its time.
func TestAStartThatDoesNotEndIsNotHeldAgainstTheMember(t *testing.T) {
	f := startFake(t)
	f.slow = make(chan struct{})
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = 50 * time.Millisecond }, f.addr)
	p := s.joinSession(3, 0)
	c := s.clientWith(p, 0, named("slow", "geqo", "on"))
	f.set(func() { f.unfit = &wire.Error{Severity: "FATAL", Code: "53300", Message: "too many"} })
	d := s.clientWith(p, 1, named("full", "work_mem", "1MB"))
	c.ask()
	d.ask()
	wait(t, "tried again", func() error { _, _, logins := f.count(); return until(logins > 6) })
	p.mu.Lock()
	for name, held := range p.shunned {
		if held.fault == faultGarbage || held.fault == faultRefused {
			t.Errorf("%s: %+v", name, held)
		}
	}
	p.mu.Unlock()
	good := s.clientWith(p, 0, named("good"))
	good.get()
	good.release()
	close(f.slow)
	c.wait()
	f.set(func() { f.unfit = nil })
	d.wait()
}

func TestServersThatNobodyWaitsForAreOpenedAsTheLastOneWas(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinSession(4, 3)
	c := s.clientWith(p, 0, named("usual"))
	c.get()
	p.sweep()
	wait(t, "the minimum", func() error { return until(len(f.started()) == 3) })
	for _, name := range f.started() {
		if name != "usual" {
			t.Errorf("opened with %q", f.started())
		}
	}
	wait(t, "balance", p.balanced)
}

func TestServersThatNobodyWaitsForAreNotOpenedWithWhatIsRefused(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.joinSession(4, 3)
	c := s.clientWith(p, 0, named("usual", "work_mem", "1MB"))
	c.get()
	f.set(func() { f.unfit = wire.Fatal("22023", "no more") })
	p.sweep()
	wait(t, "the minimum", func() error { return until(slices.Equal(f.started(), []string{"usual", "", ""})) })
	if _, _, logins := f.count(); logins > 5 {
		t.Errorf("%d logins", logins)
	}
	wait(t, "balance", p.balanced)
}

var unfit = named("unfit", "work_mem", "much")

var startsOfActors = []Startup{{}, {}, named("a"), named("a"), named("b"), named("c"), named("d"), unfit}

func TestAnythingMayHappenToServersOfManyKinds(t *testing.T) {
	f := startFake(t)
	f.unfit = wire.Fatal("22023", "no")
	s := newStage(t, func(c *config.Pool) {
		c.ServerLifetime, c.ServerIdleTimeout = time.Second, 100*time.Millisecond
		c.CancelWaitTimeout, c.ServerCheckDelay = 50*time.Millisecond, time.Millisecond
	}, f.addr)
	p := s.joinSession(5, 2)
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	play(t, s, p, 20, func(r *rand.Rand) {
		<-pace.C
		switch r.IntN(20) {
		case 0, 1:
			p.sweep()
		case 2, 3:
			f.killOne()
		case 4:
			f.down()
			f.up()
		}
		if e := p.nobodyWaitsInVain(); e != nil {
			t.Error(e)
		}
	})
}

// nobodyWaitsInVain is an error if somebody waits for a server that is idle.
func (p *Pool) nobodyWaitsInVain() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := p.waiting.first; c != nil && !p.holdsAllLocked(); c = c.next {
		if at := p.quietestLocked(c.Startup); at != nil {
			return fmt.Errorf("somebody waits for what is idle at %s", at.member)
		}
	}
	if sum := p.opening; sum != func() (n int) {
		for _, k := range p.openers {
			n += k
		}
		return n
	}() {
		return fmt.Errorf("%d openers, by kinds %v", sum, p.openers)
	}
	return nil
}
