package proxy_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// times are what the clients of the route of a name have met.
func (w *world) times(name string) *metrics.RouteTotals {
	w.t.Helper()
	for _, r := range w.proxy.Routes() {
		if r.Name == name {
			return r.Totals()
		}
	}
	w.t.Fatalf("there is no route %q", name)
	return nil
}

// TestARouteCountsEachTransactionQueryAndWait, those that end in an error and those that did
// not have to wait too.
func TestARouteCountsEachTransactionQueryAndWait(t *testing.T) {
	w := start(t, size(1))
	a := w.dial()
	a.converse([]pgproto3.FrontendMessage{parseAs("s", "select $1::text"), syncs()})
	for _, c := range []struct {
		name                         string
		work                         func()
		transactions, queries, waits uint64
	}{
		{"a query", func() { a.query("select 1") }, 1, 1, 1},
		{"a block of three", func() { a.query("begin"); a.query("select 1"); a.query("commit") }, 1, 3, 1},
		{"one that fails", func() { a.query("select 1/0") }, 1, 1, 1},
		{"extended", func() {
			a.converse([]pgproto3.FrontendMessage{parse("select $1::text"), bind("1"), execute(), syncs()})
		}, 1, 1, 1},
		{"a pipeline of two groups, whose queries are one time", func() {
			a.ask("2 D(1) C(SELECT_1) Z(I) 2 D(1) C(SELECT_1) Z(I)", append(short("s"), short("s")...)...)
		}, 2, 1, 1},
		{"with a setting that the server is given", func() { a.query("set work_mem = '1MB'"); a.query("select 1") }, 2, 2, 2},
	} {
		before := w.times("*/*")
		c.work()
		after := w.times("*/*")
		transactions, queries, waits := after.Transaction.Count()-before.Transaction.Count(), after.Query.Count()-before.Query.Count(), after.Wait.Count()-before.Wait.Count()
		if transactions != c.transactions || queries != c.queries || waits != c.waits {
			t.Errorf("%s: %d transactions, %d queries, %d waits; want %d, %d, %d", c.name, transactions, queries, waits, c.transactions, c.queries, c.waits)
		}
	}
	total, pool := w.times("*/*"), w.pools.States()[0].Totals()
	if total.Transaction.Sum != pool.TransactionTime || total.Query.Sum != pool.QueryTime {
		t.Errorf("the route has %s and %s, the pool %s and %s", total.Transaction.Sum, total.Query.Sum, pool.TransactionTime, pool.QueryTime)
	}
}

func TestTheWaitOfARouteIsThatInTheQueue(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	a.query("begin")
	before := w.times("*/*").Wait
	b.send(q("select 1"))
	eventually(t, "it has waited a while", func() bool { return w.pools.States()[0].MaxWait >= 50*time.Millisecond })
	a.query("commit")
	b.expect("T D(1) C(SELECT_1) Z(I)")
	after := w.times("*/*").Wait
	if after.Count() != before.Count()+1 || after.Sum-before.Sum < 50*time.Millisecond {
		t.Errorf("%d waits of %s", after.Count()-before.Count(), after.Sum-before.Sum)
	}
}

// TestARouteKeepsItsTimesOverAReloadByItsName, and another begins with none.
func TestARouteKeepsItsTimesOverAReloadByItsName(t *testing.T) {
	w := start(t, size(2))
	a := w.dial()
	a.query("select 1")
	had := w.times("*/*").Transaction.Count()
	w.reload(func(c *config.Config) { c.Routes[0].DBName = "postgres" })
	a.query("select 1")
	if got := w.times("*/*").Transaction.Count(); got != had+1 {
		t.Errorf("%d transactions behind the reload, want %d", got, had+1)
	}
	w.reload(func(c *config.Config) { c.Routes[0].Name = "another" })
	if got := w.times("another").Transaction.Count(); got != 0 {
		t.Errorf("%d transactions at its beginning", got)
	}
	a.query("select 1")
	if got := w.times("another").Transaction.Count(); got != 1 {
		t.Errorf("%d transactions of a client that was there before", got)
	}
	if len(w.proxy.Routes()) != 1 {
		t.Error("the route that has gone is still there")
	}
}
