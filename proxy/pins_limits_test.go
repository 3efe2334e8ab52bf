package proxy_test

import (
	"strings"
	"testing"
	"time"

	"portero/config"
	"portero/metrics"
)

func TestWhatIsAllowedPinsNobody(t *testing.T) {
	w := start(t, size(1), pinPolicy("allow"))
	a, b := w.dial(), w.dial()
	a.run("create temp table mine(i int)")
	if got := b.value("select count(*) from mine"); got != "0" {
		t.Error(got) // as it says
	}
	if w.pinned() != "" {
		t.Error(w.pinned())
	}
	a.run("drop table mine")
}

func TestAnIdlePinnedClientIsClosed(t *testing.T) {
	w := start(t, size(1), route(func(r *config.Route) { r.PinIdleTimeout = 1 }))
	a, b := w.dial(), w.dial()
	a.run("begin")
	a.query("create temp table mine(i int)")
	b.send(q("select 1"))
	a.query("select pg_sleep(0.01)") // it is not idle in a transaction
	a.query("commit")
	if got := a.lastWord(); !strings.Contains(got, "57P05") || !strings.Contains(got, "temporary object") {
		t.Error(got)
	}
	a.ended()
	b.expect("T D(1) C(SELECT_1) Z(I)")
	if n := w.process.Ended()[metrics.PinIdle]; n != 1 {
		t.Errorf("%d clients have ended for it", n)
	}
}

func TestPinnedClientsAreLimited(t *testing.T) {
	w := start(t, size(3), route(func(r *config.Route) { r.MaxPinned = 1 }))
	a, b := w.dial(), w.dial()
	a.run("create temp table mine(i int)")
	eventually(t, "a pin", func() bool { return w.pinned() != "" })
	a.run("select pg_advisory_lock(1)") // is no other client
	b.ask("C(CREATE_TABLE) Z(I)", q("create temp table mine(i int)"))
	if got := b.lastWord(); !strings.Contains(got, "53300") || !strings.Contains(got, "max_pinned") {
		t.Error(got)
	}
	b.ended()
	eventually(t, "one client", func() bool { return w.proxy.Clients() == 1 })
	a.run("drop table mine|select pg_advisory_unlock(1)")
	eventually(t, "no pin", func() bool { return w.pinned() == "" })
	c := w.dial()
	c.run("create temp table mine(i int)")
	c.run("drop table mine")
}

func TestAPinIsToldOncePerClientAndReason(t *testing.T) {
	w := start(t, size(1))
	a := w.dial()
	for range 3 {
		a.run("create temp table mine(i int)|select pg_advisory_lock(1)|drop table mine|select pg_advisory_unlock(1)")
	}
	if got := strings.Count(w.log.text(), "client pinned to its server"); got != 2 {
		t.Errorf("told %d times", got)
	}
	for _, s := range w.pools.States() {
		if got := s.Pins["temporary object"]; got != (metrics.PinState{Times: 3}) {
			t.Errorf("%+v", got)
		}
	}
}

// A pinned client whose pool nobody else can use is what those who wait hear of.
func TestWhoWaitsInVainHearsOfPins(t *testing.T) {
	sideBySide(t)
	w := start(t, size(1), limits(func(p *config.Pool) { p.QueryWaitTimeout = 2 * time.Second }))
	a, b := w.dial(), w.dial()
	a.run("create temp table mine(i int)")
	eventually(t, "a pin", func() bool { return w.pinned() != "" })
	b.send(q("select 1"))
	if got := b.lastWord(); !strings.Contains(got, "pinned to their servers: 1") {
		t.Error(got)
	}
}

// What a session knows by itself shows as the rest does.
func TestOtherReasonsToKeepAServerShowAsWell(t *testing.T) {
	said := func(sql string) messages { return messages{q(sql)} }
	for _, c := range []struct {
		reason string
		pins   messages
		free   messages
	}{
		{"other user", said("set session authorization app"), said("reset session authorization")},
		{"many settings", said("select set_config('app.long', repeat('x', 9000), false)"), said("discard all")},
		{"many settings", said("select set_config('app.' || 'computed', 'x', false)"), said("discard all")},
		{"long statement", messages{parseAs("s", "select 1 --"+strings.Repeat("x", 100_000)), syncs()}, messages{closing("s"), syncs()}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			w := start(t, size(2))
			a, b := w.superuser(), w.superuser()
			a.converse(c.pins)
			eventually(t, "a pin", func() bool { return w.pinned() == c.reason+" 1" })
			if !holds(a, b) {
				t.Error("another client has its server")
			}
			a.converse(c.free)
			eventually(t, "no pin", func() bool { return w.pinned() == "" })
			if !w.log.has("client pinned to its server") || !w.log.has(`reason="`+c.reason+`"`) {
				t.Error("the log does not tell")
			}
		})
	}
}

func TestWhoSetsMoreThanIsCarriedIsToldByWhatLimit(t *testing.T) {
	w := start(t, size(2), limits(func(p *config.Pool) { p.MaxClientSettingBytes = 100 }), pinPolicy("error"))
	a := w.dial()
	a.query("set app.x = 'short'")
	if got := a.value("show app.x"); got != "short" {
		t.Errorf("app.x is %s", got)
	}
	a.ask("C(SET) Z(I)", q("set app.x = '"+strings.Repeat("x", 200)+"'"))
	if got := a.lastWord(); !strings.Contains(got, "53400") || !strings.Contains(got, "max_client_setting_bytes") {
		t.Error(got)
	}
	a.ended()
	if got := w.dial().value("select coalesce(current_setting('app.x', true), '')"); got != "" {
		t.Errorf("the next client finds %s", got)
	}
}
