package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var routeLabelNames = []string{"cluster", "route"}

// routeHistograms are those of a route, each with where it is in its totals.
var routeHistograms = []struct {
	desc *prometheus.Desc
	of   func(*RouteTotals) *Distribution
}{
	{describe("route_transaction_seconds", "How long clients had a server for a transaction, at work or idle in it, however it ended.", routeLabelNames...),
		func(t *RouteTotals) *Distribution { return &t.Transaction }},
	{describe("route_query_seconds", "How long servers had something to answer: from a request until nothing more was to be answered, a pipeline being one.", routeLabelNames...),
		func(t *RouteTotals) *Distribution { return &t.Query }},
	{describe("route_wait_seconds", "How long clients waited for a server, of all times that they asked for one: 0 where one was free.", routeLabelNames...),
		func(t *RouteTotals) *Distribution { return &t.Wait }},
}

func describeRoutes(ch chan<- *prometheus.Desc) {
	for _, h := range routeHistograms {
		ch <- h.desc
	}
}

// collectRoutes leaves out routes that nobody has used: of many they would be most series.
func collectRoutes(ch chan<- prometheus.Metric, states []RouteState) {
	for _, s := range states {
		if !s.isUsed() {
			continue
		}
		totals := s.Totals()
		for _, h := range routeHistograms {
			ch <- &distributionMetric{h.desc, prometheus.MakeLabelPairs(h.desc, []string{Label(s.Cluster), Label(s.Name)}), h.of(totals)}
		}
	}
}

// distributionMetric gives Prometheus classic and native buckets of one histogram. The
// library's own constant histograms have the ones or the others.
type distributionMetric struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	d      *Distribution
}

// Desc implements prometheus.Metric.
func (m *distributionMetric) Desc() *prometheus.Desc { return m.desc }

// Write implements prometheus.Metric.
func (m *distributionMetric) Write(out *dto.Metric) error {
	h := &dto.Histogram{
		SampleCount:   new(m.d.Count()),
		SampleSum:     new(m.d.Sum.Seconds()),
		Bucket:        m.d.classic(),
		Schema:        new(int32(histogramSchema)),
		ZeroThreshold: new(math.Exp2(shortestPower)),
		ZeroCount:     new(m.d.Counts[0]),
	}
	h.PositiveSpan, h.PositiveDelta = m.d.native()
	out.Label, out.Histogram = m.labels, h
	return nil
}

// classic has the counts of all that was not longer than each bound.
func (d *Distribution) classic() (buckets []*dto.Bucket) {
	slot, n := 0, uint64(0)
	for power := firstClassicPower; power <= lastClassicPower; power++ {
		for ; slot <= (power-shortestPower)*perDoubling; slot++ {
			n += d.Counts[slot]
		}
		buckets = append(buckets, &dto.Bucket{UpperBound: new(math.Exp2(float64(power))), CumulativeCount: new(n)})
	}
	return buckets
}

// native has the buckets that are not empty, as spans and differences between neighbours.
func (d *Distribution) native() (spans []*dto.BucketSpan, deltas []int64) {
	const firstIndex = shortestPower * perDoubling // of slot 0, whose bound is the zero bucket's
	end, before := 0, int64(0)                     // index behind the last span; 0 is where the first offset counts from
	for slot, n := range d.Counts {
		if slot == 0 || n == 0 {
			continue
		}
		index := firstIndex + slot
		if len(spans) == 0 || index != end {
			spans = append(spans, &dto.BucketSpan{Offset: new(int32(index - end)), Length: new(uint32(0))})
		}
		*spans[len(spans)-1].Length++
		deltas = append(deltas, int64(n)-before)
		end, before = index+1, int64(n)
	}
	return spans, deltas
}
