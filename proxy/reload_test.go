package proxy_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/proxy"
)

// reload puts the world's configuration in force, edited.
func (w *world) reload(edit func(*config.Config)) {
	w.t.Helper()
	cfg := *w.cfg
	cfg.Routes, cfg.Listeners = slices.Clone(cfg.Routes), slices.Clone(cfg.Listeners)
	edit(&cfg)
	servers, err := w.pools.Prepare(&cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	clients, err := w.proxy.Prepare(&cfg, auth.Load(&cfg, config.NewReport()), room(&cfg))
	if err != nil {
		w.t.Fatal(err)
	}
	servers.Apply(10_000)
	clients.Apply()
}

// ledTo leads all clients to a database.
func ledTo(database string) func(*config.Config) {
	return func(c *config.Config) { c.Routes[0].DBName = database }
}

func TestOperatorsAndCancelRequestsMayMeetClientsThatMove(t *testing.T) {
	w := start(t, size(2))
	var all []*raw
	for range 10 {
		r := w.dial()
		r.query("select 1")
		all = append(all, r)
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	beside := func(fn func()) {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					fn()
				}
			}
		})
	}
	beside(func() {
		if w.proxy.Kill("unknown") == nil {
			w.pools.Resume("unknown") //nolint:errcheck // a test
		}
	})
	beside(func() { w.cancel(all[0]) })
	for i := range 40 {
		w.reload(ledTo([]string{"postgres", "app"}[i%2]))
		all[1].query("select 1")
	}
	close(stop)
	work.Wait()
	for _, r := range all[1:] {
		r.query("select 1")
	}
}

func TestAPoolWithoutClientsHasTheNewSizeToo(t *testing.T) {
	w := start(t, size(1))
	r := w.dial()
	r.query("select 1")
	r.quit()
	eventually(t, "it has gone", func() bool { return w.proxy.Clients() == 0 })
	w.reload(size(5))
	w.dial().query("select 1")
	if s := w.pools.States(); len(s) != 1 || s[0].Size != 5 {
		t.Errorf("pools: %+v", s)
	}
}

func TestAPinnedClientOfARouteThatIsGoneIsToldBetweenTransactions(t *testing.T) {
	w := start(t, size(2))
	r := w.dial()
	r.query("create temp table mine (n int)")
	r.ask("C(BEGIN) Z(T)", q("begin"))
	w.reload(func(c *config.Config) { c.Routes[0].Database = "another" })
	r.query("select count(*) from mine")
	r.query("commit")
	if got := r.lastWord(); !strings.Contains(got, "57P01") {
		t.Errorf("told %s", got)
	}
	r.ended()
}

func TestClientsThatRestArePassedOnAndNoneIsLost(t *testing.T) {
	w := start(t, size(2))
	const n = 20
	for range n {
		w.dial().query("select 1")
	}
	passed := make(map[uint32]bool)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.proxy.HandOver(ctx, func(c proxy.Passed, _ int) error { // one at a time
		passed[c.ID] = true
		return nil
	})
	if len(passed) != n {
		t.Errorf("%d clients of %d were passed on", len(passed), n)
	}
}

// A pipeline in which one request is always under way is many transactions all the same.
func TestTransactionTimeoutIsForEachTransactionOfAPipeline(t *testing.T) {
	sideBySide(t)
	w := start(t, size(2), limits(func(p *config.Pool) { p.TransactionTimeout = quick }))
	r := w.dial()
	short := q("select pg_sleep(0.1)")
	r.send(short)
	for range 30 {
		r.send(short)
		if got := r.upToReady(); strings.Contains(got, "E(") {
			t.Fatal(got)
		}
	}
}
