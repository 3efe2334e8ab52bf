package proxy_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
)

// counted is what a piece of work adds to the counters of the only pool, errors aside.
func (w *world) counted(work func()) metrics.PoolTotals {
	w.t.Helper()
	before := w.pools.States()[0].Totals()
	work()
	after := w.pools.States()[0].Totals()
	return metrics.PoolTotals{
		Transactions: after.Transactions - before.Transactions, Queries: after.Queries - before.Queries,
		Assignments:  after.Assignments - before.Assignments,
		ClientParses: after.ClientParses - before.ClientParses, ServerParses: after.ServerParses - before.ServerParses,
		Binds:           after.Binds - before.Binds,
		TransactionTime: after.TransactionTime - before.TransactionTime, QueryTime: after.QueryTime - before.QueryTime,
	}
}

// TestCountersOfAScriptedSession: as PgBouncer counts, each number is what the script says.
func TestCountersOfAScriptedSession(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	const sql = "select $1::text"
	for _, c := range []struct {
		name string
		work func()
		want metrics.PoolTotals
	}{
		{"a query", func() { a.query("select 1") },
			metrics.PoolTotals{Transactions: 1, Queries: 1, Assignments: 1}},
		{"a block of three", func() { a.query("begin"); a.query("select 1"); a.query("commit") },
			metrics.PoolTotals{Transactions: 1, Queries: 3, Assignments: 1}},
		{"two in one message", func() { a.query("select 1; select 2") },
			metrics.PoolTotals{Transactions: 1, Queries: 2, Assignments: 1}},
		{"one that fails", func() { a.query("select 1/0") },
			metrics.PoolTotals{Transactions: 1, Assignments: 1}},
		{"an unnamed statement", func() { a.converse([]pgproto3.FrontendMessage{parse(sql), bind("1"), execute(), syncs()}) },
			metrics.PoolTotals{Transactions: 1, Queries: 1, Assignments: 1}},
		{"a named one, run three times", func() {
			a.converse([]pgproto3.FrontendMessage{parseAs("s", sql), syncs()})
			for range 3 {
				a.converse(runs("s", "1"))
			}
		}, metrics.PoolTotals{Transactions: 4, Queries: 3, Assignments: 4, ClientParses: 1, ServerParses: 1, Binds: 3}},
		{"the same of another client", func() {
			b.converse([]pgproto3.FrontendMessage{parseAs("t", sql), syncs()})
			b.converse(runs("t", "1"))
		}, metrics.PoolTotals{Transactions: 2, Queries: 1, Assignments: 2, ClientParses: 1, ServerParses: 1, Binds: 1}},
		{"on another server", func() {
			if err := w.pools.Reconnect(""); err != nil {
				t.Fatal(err)
			}
			a.converse(runs("s", "1"))
		}, metrics.PoolTotals{Transactions: 1, Queries: 1, Assignments: 1, ServerParses: 1, Binds: 1}},
		{"a pipeline of two groups", func() { a.ask("2 D(1) C(SELECT_1) Z(I) 2 D(1) C(SELECT_1) Z(I)", append(short("s"), short("s")...)...) },
			metrics.PoolTotals{Transactions: 2, Queries: 2, Assignments: 1, Binds: 2}},
	} {
		got := w.counted(c.work)
		got.TransactionTime, got.QueryTime = 0, 0
		if got != c.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func short(name string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{bindTo(name, "1"), execute(), syncs()}
}

// TestSessionModeCountsNoStatements: PgBouncer keeps no track of them there either.
func TestSessionModeCountsNoStatements(t *testing.T) {
	w := start(t, size(1), mode("session"))
	a := w.dial()
	got := w.counted(func() {
		a.converse([]pgproto3.FrontendMessage{parseAs("s", "select $1::text"), syncs()})
		a.converse(runs("s", "1"))
	})
	got.TransactionTime, got.QueryTime = 0, 0
	if want := (metrics.PoolTotals{Transactions: 2, Queries: 1}); got != want {
		t.Errorf("got %+v", got)
	}
}

// TestTransactionTimeHasTheIdleTimeInItAndQueryTimeHasNot, and the wait for a server is in
// neither.
func TestTransactionTimeHasTheIdleTimeInItAndQueryTimeHasNot(t *testing.T) {
	w := start(t, size(1))
	a, b := w.dial(), w.dial()
	b.query("select 1")
	const slept = 200 * time.Millisecond
	var waited time.Duration
	got := w.counted(func() {
		a.query("begin")
		b.send(q("select pg_sleep(0.2)"))
		eventually(t, "the other waits", func() bool { return w.pools.States()[0].ClientsWaiting == 1 })
		eventually(t, "idle in the transaction", func() bool { waited = w.pools.States()[0].MaxWait; return waited >= slept })
		a.query("commit")
		b.expect("T D() C(SELECT_1) Z(I)")
	})
	if got.Transactions != 2 || got.TransactionTime < waited+slept {
		t.Errorf("%d transactions of %s in sum, %s idle and %s asleep", got.Transactions, got.TransactionTime, waited, slept)
	}
	if got.QueryTime < slept || got.QueryTime > got.TransactionTime-waited {
		t.Errorf("queries took %s of %s, idle %s", got.QueryTime, got.TransactionTime, waited)
	}
}

// TestAClientThatEndsInATransactionIsTimed: what it has used counts, however it ends.
func TestAClientThatEndsInATransactionIsTimed(t *testing.T) {
	w := start(t, size(1))
	a := w.dial()
	got := w.counted(func() {
		a.query("begin")
		a.query("select pg_sleep(0.05)")
		a.conn.Close()
		eventually(t, "its server is free", func() bool { return w.pools.States()[0].ServersActive == 0 })
	})
	if got.TransactionTime < 50*time.Millisecond {
		t.Errorf("%s", got.TransactionTime)
	}
}
