package admin

import (
	"testing"
	"time"

	"portero/metrics"
)

func TestAveragesArePerSecondAndTimesPerPiece(t *testing.T) {
	old := totals{assignments: 5, transactions: 100, queries: 200, received: 1000, sent: 2000, transactionTime: time.Second, queryTime: time.Second, waitTime: time.Second, clientParses: 1, serverParses: 2, binds: 3}
	now := totals{assignments: 25, transactions: 200, queries: 600, received: 3000, sent: 2000, transactionTime: 3 * time.Second, queryTime: 3 * time.Second, waitTime: 2 * time.Second, clientParses: 21, serverParses: 12, binds: 13}
	want := totals{assignments: 2, transactions: 10, queries: 40, received: 200, sent: 0, transactionTime: 20 * time.Millisecond, queryTime: 5 * time.Millisecond, waitTime: 100 * time.Millisecond, clientParses: 2, serverParses: 1, binds: 1}
	if got := now.averageSince(old, 10*time.Second); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	if got := old.averageSince(now, 10*time.Second); got != (totals{}) {
		t.Errorf("of what has been closed meanwhile: %+v", got)
	}
	if got := now.averageSince(old, 0); got.transactions != 0 || got.transactionTime != 20*time.Millisecond {
		t.Errorf("in no time: %+v", got)
	}
}

func TestAnAverageIsOverOneToTwoPeriods(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	count := func(n uint64) map[string]totals { return map[string]totals{"app": {queries: n}} }
	a := startAverages(at(0), count(0))
	if got := a.of("app", totals{queries: 50}, at(10)); got.queries != 5 {
		t.Errorf("before the first period is over: %d", got.queries)
	}
	if got := a.next(at(60), count(600)); got.queries != 10 {
		t.Errorf("of the first period: %d", got.queries)
	}
	if got := a.next(at(120), count(1800)); got.queries != 20 {
		t.Errorf("of the second period: %d", got.queries)
	}
	if got := a.of("app", totals{queries: 1800}, at(180)); got.queries != 10 {
		t.Errorf("a period later: %d", got.queries)
	}
	if got := a.of("new", totals{queries: 1200}, at(180)); got.queries != 10 {
		t.Errorf("of a database that was not there: %d", got.queries)
	}
}

func TestAveragesAreLoggedAfterEachPeriodIfTheyAreWanted(t *testing.T) {
	period := time.Millisecond
	d := openDesk(t, ConsoleOptions{StatsPeriod: func() time.Duration { return period }, Pools: func() []metrics.PoolState { return []metrics.PoolState{poolNamed("app", "ann", "leader")} }})
	until(t, "a line", func() bool { return d.log.has("msg=stats transactions_per_s=") && d.log.has("wait_us_per_s=") })
}
