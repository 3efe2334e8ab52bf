package metrics

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestATimeIsCountedInTheSlotOfItsBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	times := []uint64{0, 1, 2, 3, 1e9, math.MaxInt64}
	for _, bound := range slotBounds[:numSlots-1] {
		times = append(times, bound-1, bound, bound+1)
	}
	for range 10_000 {
		times = append(times, random.Uint64()>>random.UintN(64))
	}
	for _, nanos := range times {
		slot := slotOf(nanos)
		if nanos > slotBounds[slot] || slot > 0 && nanos <= slotBounds[slot-1] {
			t.Errorf("%d ns are in slot %d", nanos, slot)
		}
	}
}

func TestTheBoundsOfSlotsAreFourToADoubling(t *testing.T) {
	for slot := range numSlots - 1 {
		seconds := float64(slotBounds[slot]) / 1e9
		if want := math.Pow(2, shortestPower+float64(slot)/4); math.Abs(seconds-want) > 1.1e-9 {
			t.Errorf("slot %d ends at %g s, want %g", slot, seconds, want)
		}
	}
	if unit := slotOf(1e9); slotBounds[unit] != 1e9 {
		t.Errorf("a second is in the slot up to %d ns", slotBounds[unit])
	}
}

func TestSeveralTimesTogetherCountAsEquallyLong(t *testing.T) {
	var h Histogram
	h.Add(int64(3*time.Second), 3)
	h.Add(0, 2)
	h.Add(int64(time.Hour), 1)
	var d Distribution
	d.add(&h)
	if d.Counts[slotOf(1e9)] != 3 || d.Counts[0] != 2 || d.Count() != 6 || d.Sum != time.Hour+3*time.Second {
		t.Errorf("%d in %s: %v", d.Count(), d.Sum, d.Counts)
	}
}

// gathered is a histogram as Prometheus gets it.
func gathered(t *testing.T, times ...time.Duration) *dto.Histogram {
	t.Helper()
	r := NewRoute(2)
	r.Shard(0).Wait.Add(0, 1) // it is used
	for i, d := range times {
		r.Shard(i%2).Transaction.Add(int64(d), 1)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectorOfRoutes(RouteState{r, "app", "main"}))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "portero_route_transaction_seconds" {
			return f.Metric[0].Histogram
		}
	}
	t.Fatal("no such histogram")
	return nil
}

// TestClassicBucketsCountWhatTheirBoundsSay: each time is in all buckets whose bound it does not exceed.
func TestClassicBucketsCountWhatTheirBoundsSay(t *testing.T) {
	times := []time.Duration{0, 2 * time.Microsecond, 61035, 61036, 122070, time.Second, time.Second + 1, 128 * time.Second, time.Hour}
	h := gathered(t, times...)
	if len(h.Bucket) != 22 || h.GetSampleCount() != uint64(len(times)) {
		t.Fatalf("%d buckets of %d times", len(h.Bucket), h.GetSampleCount())
	}
	for _, b := range h.Bucket {
		want := uint64(0)
		for _, d := range times {
			if d.Seconds() <= b.GetUpperBound() {
				want++
			}
		}
		if b.GetCumulativeCount() != want {
			t.Errorf("%d up to %g s, want %d", b.GetCumulativeCount(), b.GetUpperBound(), want)
		}
	}
}

// TestNativeBucketsCountWhatTheirIndexSays reads them back as Prometheus does.
func TestNativeBucketsCountWhatTheirIndexSays(t *testing.T) {
	times := []time.Duration{0, 3 * time.Microsecond, 4 * time.Microsecond, time.Second, time.Second, time.Second + 1, 5 * time.Second, 24 * time.Hour}
	h := gathered(t, times...)
	if h.GetSchema() != 2 || h.GetZeroThreshold() != 1.0/(1<<18) || h.GetZeroCount() != 2 {
		t.Errorf("schema %d, %d up to %g s", h.GetSchema(), h.GetZeroCount(), h.GetZeroThreshold())
	}
	got := make(map[int]int64)
	index, count, next := 0, int64(0), 0
	for _, span := range h.PositiveSpan {
		index += int(span.GetOffset())
		for range span.GetLength() {
			count += h.PositiveDelta[next]
			got[index] = count
			index++
			next++
		}
	}
	if next != len(h.PositiveDelta) {
		t.Errorf("%d differences in %d buckets", len(h.PositiveDelta), next)
	}
	// 2^-17.75 s is 4.5 µs; 2^2.5 s is 5.7; what is longer than 2^13 s is in the bucket behind that.
	want := map[int]int64{-71: 1, 0: 2, 1: 1, 10: 1, 53: 1}
	for index, n := range want {
		if got[index] != n {
			t.Errorf("%d in bucket %d, want %d", got[index], index, n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("buckets %v", got)
	}
}

func TestAnEmptyHistogramIsThere(t *testing.T) {
	h := gathered(t)
	if h.GetSampleCount() != 0 || len(h.Bucket) != 22 || h.GetZeroThreshold() == 0 || len(h.PositiveSpan) != 0 {
		t.Errorf("%v", h)
	}
}

func BenchmarkHistogramAdd(b *testing.B) {
	s := NewRoute(1).Shard(0)
	nanos := int64(0)
	for b.Loop() {
		nanos = (nanos + 7919) & 0xfffff
		s.Transaction.Add(nanos, 1)
		s.Query.Add(nanos, 1)
		s.Wait.Add(0, 1)
	}
}
