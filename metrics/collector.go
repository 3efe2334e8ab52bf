package metrics

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector turns counters and states into Prometheus metrics, once per scrape
// and in one pass. It keeps nothing between scrapes.
type Collector struct {
	process    *Process
	pools      func() []PoolState
	candidates func() CandidatesState
	groups     func() []GroupState
	clients    func() int
	routes     func() []RouteState
}

// NewCollector returns a collector of p and of what the functions report.
// clients is the number of clients connected now, idle ones included. The
// functions are called by each scrape, from its goroutine and possibly from
// several at once; they should not block for long, and the slices they return
// are only read. None of the arguments may be nil.
func NewCollector(p *Process, pools func() []PoolState, candidates func() CandidatesState, groups func() []GroupState, clients func() int, routes func() []RouteState) *Collector {
	return &Collector{process: p, pools: pools, candidates: candidates, groups: groups, clients: clients, routes: routes}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	describeProcess(ch)
	describePools(ch)
	describeCandidates(ch)
	describeGroups(ch)
	describeRoutes(ch)
}

// Collect implements prometheus.Collector. A registry calls it on a goroutine of
// its own, where a panic would end the process with all its clients; so a panic
// in a reporting function costs that scrape some metrics and no more.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	defer func() {
		if v := recover(); v != nil {
			c.process.Panics.Add(1)
			ch <- prometheus.NewInvalidMetric(panicsDesc, fmt.Errorf("collect metrics: panic: %v", v))
		}
	}()
	collectProcess(ch, c.process, c.clients())
	collectPools(ch, c.pools())
	collectCandidates(ch, c.candidates())
	collectGroups(ch, c.groups())
	collectRoutes(ch, c.routes())
}

// metric is one row of a table of metrics read from a T.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64
}

func (m metric[T]) send(ch chan<- prometheus.Metric, from *T, labels []string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(from), labels...)
}

func gauge[T any](name, help string, labels []string, value func(*T) float64) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.GaugeValue, value}
}

func counter[T any](name, help string, labels []string, value func(*T) float64) metric[T] {
	return metric[T]{describe(name, help, labels...), prometheus.CounterValue, value}
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("portero_"+name, help, labels, nil)
}

// Label makes s fit for a label value. Names come from clients and need not be
// UTF-8, which the Prometheus library refuses with a panic. Bytes that are not
// are written as \xNN, so that two names that differ keep differing.
func Label(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func toFloat(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
