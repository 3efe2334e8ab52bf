package proxy

import (
	"testing"

	"portero/metrics"
)

// TestAStopwatchMeasuresWhatIsAnswered: a query until nothing more is to be answered, a
// transaction until it is over; of a pipeline all of it.
func TestAStopwatchMeasuresWhatIsAnswered(t *testing.T) {
	p := metrics.NewPool(metrics.PoolLabels{}, 1)
	m, route := p.Shard(0), metrics.NewRoute(1)
	var w stopwatch
	expect := func(what string, transaction, query int64) {
		t.Helper()
		if got := p.Totals(); got.TransactionTime.Nanoseconds() != transaction || got.QueryTime.Nanoseconds() != query {
			t.Errorf("%s: transactions %d ns, queries %d ns; want %d and %d", what, got.TransactionTime, got.QueryTime, transaction, query)
		}
	}
	w.lap(m, route.Shard(0), 5, 1, false)
	expect("nothing was asked", 0, 0)
	w.start(10)
	w.lap(m, route.Shard(0), 20, 0, true) // the first rows
	w.lap(m, route.Shard(0), 30, 0, false)
	expect("a BEGIN", 0, 20)
	w.start(100)
	w.lap(m, route.Shard(0), 101, 1, false)
	expect("its COMMIT", 91, 21)
	w.start(200)
	w.lap(m, route.Shard(0), 210, 1, true)
	expect("the first of a pipeline", 101, 21)
	w.lap(m, route.Shard(0), 230, 1, false)
	expect("the second", 121, 51)
}
