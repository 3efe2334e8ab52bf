package pool

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
	"portero/wire"
)

func TestErrorsThatWaitingDoesNotCureEndTheWaitAtOnce(t *testing.T) {
	for _, code := range []string{wire.InvalidPassword, wire.InvalidAuthorization, wire.UndefinedDatabase, "42501", wire.FeatureNotSupported} {
		f := startFake(t)
		s := newStage(t, nil, f.addr)
		p := s.join(2, 0, "leader", "app")
		s.letIn(p)
		f.set(func() { f.refusal = wire.Fatal(code, "no, says the server") })
		var all []*client
		for i := range 4 {
			c := s.client(p, i%2)
			c.ask()
			all = append(all, c)
		}
		for _, c := range all {
			g := within(t, "an error", c.granted)
			if g.err == nil || g.err.Code != code || g.err.Severity != "FATAL" || g.err.Message != "no, says the server" {
				t.Errorf("%s: %+v", code, g)
			}
		}
		wait(t, "balance", p.balanced)
		f.set(func() { f.refusal = nil })
		all[0].get() // clients that the pool has, it goes on to serve
		all[0].release()
	}
}

func TestErrorsThatPassDoNotEndTheWait(t *testing.T) {
	for _, code := range []string{wire.TooManyConnections, wire.CannotConnectNow, wire.AdminShutdown} {
		f := startFake(t)
		f.refusal = wire.Fatal(code, "not now")
		s := newStage(t, nil, f.addr)
		p := s.join(2, 0, "leader", "app")
		c := s.client(p, 0)
		c.ask()
		wait(t, "several attempts", func() error { _, _, n := f.count(); return until(n > 5) })
		if len(c.granted) > 0 {
			t.Fatalf("%s: %+v", code, <-c.granted)
		}
		f.set(func() { f.refusal = nil })
		c.wait()
		c.release()
	}
}

func TestServiceIsBackAsSoonAsTheServerIs(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(20, 0, "leader", "app")
	first := s.client(p, 0)
	first.get()
	first.release()
	f.down()
	p.noneIdle(t)
	var all []*client
	for i := range 40 {
		c := s.client(p, i%2)
		c.ask()
		all = append(all, c)
	}
	wait(t, "the slowest pace of trying", func() error {
		return until(p.Metrics().Totals().Errors[metrics.ServerConnect] > 60)
	})
	began := time.Now()
	f.up()
	all[0].wait()
	took := time.Since(began)
	all[0].release()
	for _, c := range all[1:] {
		c.wait()
		c.release()
	}
	t.Logf("first after %v, all after %v", took, time.Since(began))
	if took > 10*time.Second {
		t.Errorf("the first waited %v", took)
	}
}

func TestAHostThatRefusesIsNotStormed(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(20, 0, "leader", "app")
	s.letIn(p)
	f.down()
	for i := range 40 {
		s.client(p, i%2).ask()
	}
	failures := func() uint64 { return p.Metrics().Totals().Errors[metrics.ServerConnect] }
	wait(t, "the slowest pace of trying", func() error { return until(failures() > 60) })
	before, began, used := failures(), time.Now(), cpuTime(t)
	wait(t, "many more failures", func() error { return until(failures() > before+100) })
	took := time.Since(began)
	if took < 400*time.Millisecond { // 20 + 19*4 a second
		t.Errorf("100 attempts in %v", took)
	}
	if cpu := cpuTime(t) - used; cpu > took/2 {
		t.Errorf("%v of CPU in %v", cpu, took)
	}
	f.up()
}

func TestASilentHostDoesNotKeepTheNextFromBeingAsked(t *testing.T) {
	silent, leader := startFake(t), startFake(t)
	silent.silent = true
	s := newStage(t, func(c *config.Pool) { c.ServerConnectTimeout = time.Hour }, silent.addr, leader.addr)
	for i := range 4 {
		p := s.join(1, 0, "leader", fmt.Sprint("u", i))
		c := s.client(p, 0)
		c.get()
		c.release()
		s.cluster.Doubt(0, leader.addr)
	}
}

func TestAServerThatDiesInItsLoginOrProofIsReplaced(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(3, 0, "leader", "app")
	done := make(chan struct{})
	go func() {
		defer close(done)
		pace := time.NewTicker(200 * time.Microsecond)
		defer pace.Stop()
		for range 200 {
			f.killOne()
			<-pace.C
		}
	}()
	c := s.client(p, 0)
	for range 50 {
		server := c.get()
		if server == nil {
			t.Fatal("no server")
		}
		c.discard(metrics.ServerDirty)
	}
	within(t, "the killer", done)
	wait(t, "balance", p.balanced)
}

func TestTheDeathOfAnIdleServerIsNoticedAtOnce(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(3, 0, "leader", "app")
	var all []*client
	for i := range 3 {
		c := s.client(p, i%2)
		c.get()
		all = append(all, c)
	}
	for _, c := range all {
		c.release()
	}
	for left := 2; left >= 0; left-- {
		f.killOne()
		wait(t, "it is out of the books", func() error {
			idle, _, _ := p.counts()
			return until(idle == left)
		})
		wait(t, "balance", p.balanced)
	}
	all[0].get()
	if _, err := all[0].query("select 1"); err != nil {
		t.Error(err)
	}
	all[0].release()
}

func TestAServerThatSpeaksOutOfTurnIsClosed(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	first := c.get()
	c.release()
	f.mu.Lock()
	for conn := range f.live {
		conn.Write([]byte{'Z', 0, 0, 0, 5, 'I'})
	}
	f.mu.Unlock()
	wait(t, "it is closed", func() error { live, _, _ := f.count(); return until(live == 0) })
	if c.get() == first {
		t.Error("lent again")
	}
	c.release()
}

func TestNoticesToAnIdleServerAreHarmless(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	first := c.get()
	c.release()
	f.mu.Lock()
	for conn := range f.live {
		b := (&wire.Error{Severity: "NOTICE", Code: "00000", Message: "hear, hear"}).Append(nil)
		b[0] = 'N'
		conn.Write(wire.Append(b, &pgproto3.ParameterStatus{Name: "TimeZone", Value: "Mars"}))
	}
	f.mu.Unlock()
	wait(t, "the parameter is known", func() error {
		if c.get() != first {
			t.Fatal("it was closed")
		}
		var zone string
		c.do(func() { zone = c.claim.Server.Parameters()["TimeZone"] })
		c.release()
		return until(zone == "Mars")
	})
	wait(t, "balance", p.balanced)
}
