package metrics

import (
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestRoutesOfTwoLoopsShareNoCacheLine(t *testing.T) {
	const line = 64
	s := RouteShard{}
	used := unsafe.Offsetof(s.Wait) + unsafe.Sizeof(s.Wait)
	if size := unsafe.Sizeof(s); size%line != 0 || size-used < line {
		t.Errorf("a shard takes %d bytes, %d of them used", size, used)
	}
	if unsafe.Sizeof(s.Wait) != 1024 {
		t.Errorf("a histogram takes %d bytes; docs/metrics.md says 1024", unsafe.Sizeof(s.Wait))
	}
}

func TestTotalsOfARouteAddUpTheLoops(t *testing.T) {
	r := NewRoute(3)
	for i := range 3 {
		r.Shard(i).Query.Add(int64(time.Second), 1)
		r.Shard(i).Wait.Add(0, 2)
	}
	got := r.Totals()
	if got.Query.Count() != 3 || got.Query.Sum != 3*time.Second || got.Wait.Count() != 6 || got.Transaction.Count() != 0 {
		t.Errorf("%d queries in %s, %d waits, %d transactions", got.Query.Count(), got.Query.Sum, got.Wait.Count(), got.Transaction.Count())
	}
}

func TestTimingARouteDoesNotAllocate(t *testing.T) {
	s := NewRoute(2).Shard(1)
	allocs := testing.AllocsPerRun(1000, func() {
		s.Transaction.Add(123_456, 2)
		s.Query.Add(98_765, 1)
		s.Wait.Add(0, 1)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestARouteThatNobodyUsesHasNoSeries(t *testing.T) {
	idle, used := NewRoute(2), NewRoute(2)
	used.Shard(1).Query.Add(5, 1)
	collected := make(chan prometheus.Metric, 10)
	collectRoutes(collected, []RouteState{{Route: idle, Name: "idle"}, {Route: used, Name: "used"}})
	close(collected)
	n := 0
	for m := range collected {
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		n++
		if got := out.Label[1].GetValue(); got != "used" {
			t.Errorf("route %s has a series", got)
		}
	}
	if n != len(routeHistograms) {
		t.Errorf("%d series, want %d", n, len(routeHistograms))
	}
}
