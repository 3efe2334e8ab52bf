package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

var poolLabelNames = []string{"cluster", "group", "role", "mode", "database", "user"}

// poolSample is what one scrape knows of one pool.
type poolSample struct {
	PoolState
	totals PoolTotals
}

func poolGauge(name, help string, value func(*poolSample) float64) metric[poolSample] {
	return gauge("pool_"+name, help, poolLabelNames, value)
}

func poolCounter(name, help string, value func(*poolSample) float64) metric[poolSample] {
	return counter("pool_"+name, help, poolLabelNames, value)
}

var poolMetrics = []metric[poolSample]{
	poolGauge("clients_active", "Clients that have a server.",
		func(s *poolSample) float64 { return float64(s.ClientsActive) }),
	poolGauge("clients_waiting", "Clients that wait for a server.",
		func(s *poolSample) float64 { return float64(s.ClientsWaiting) }),
	poolGauge("servers_active", "Servers lent to a client.",
		func(s *poolSample) float64 { return float64(s.ServersActive) }),
	poolGauge("servers_idle", "Servers that can be lent at once.",
		func(s *poolSample) float64 { return float64(s.ServersIdle) }),
	poolGauge("servers_opening", "Servers being dialled or logged in.",
		func(s *poolSample) float64 { return float64(s.ServersOpening) }),
	poolGauge("size", "Most servers the pool may have.",
		func(s *poolSample) float64 { return float64(s.Size) }),
	poolGauge("listeners", "Clients that listen to notifications by the pool's ear (not in session mode).",
		func(s *poolSample) float64 { return float64(s.Listeners) }),
	poolGauge("channels", "Channels that clients listen to by the pool's ear, each counted once.",
		func(s *poolSample) float64 { return float64(s.Channels) }),
	poolGauge("paused", "1 while an operator has the pool's clients held (PAUSE, KILL, SUSPEND).",
		func(s *poolSample) float64 { return toFloat(s.Paused) }),
	poolGauge("max_wait_seconds", "How long the first client in the queue has waited.",
		func(s *poolSample) float64 { return s.MaxWait.Seconds() }),
	poolCounter("transactions_total", "Transactions run.",
		func(s *poolSample) float64 { return float64(s.totals.Transactions) }),
	poolCounter("queries_total", "Queries run.",
		func(s *poolSample) float64 { return float64(s.totals.Queries) }),
	poolCounter("repeated_total", "Transactions that a server aborted as it shut down, and that another ran again.",
		func(s *poolSample) float64 { return float64(s.totals.Repeated) }),
	poolCounter("moved_total", "Transactions of routes with group = \"any\" that had begun at another group, and were moved to this one, the coordinator's.",
		func(s *poolSample) float64 { return float64(s.totals.Moved) }),
	poolCounter("received_bytes_total", "Bytes received from clients.",
		func(s *poolSample) float64 { return float64(s.totals.BytesReceived) }),
	poolCounter("sent_bytes_total", "Bytes sent to clients.",
		func(s *poolSample) float64 { return float64(s.totals.BytesSent) }),
	poolCounter("notifications_total", "Notifications given to clients that listen by the pool's ear.",
		func(s *poolSample) float64 { return float64(s.totals.Notifications) }),
	poolCounter("assignments_total", "Servers lent to clients.",
		func(s *poolSample) float64 { return float64(s.totals.Assignments) }),
	poolCounter("transaction_seconds_total", "Time in which clients had a server for a transaction, at work or idle in it.",
		func(s *poolSample) float64 { return s.totals.TransactionTime.Seconds() }),
	poolCounter("query_seconds_total", "Time in which servers had something to answer to clients.",
		func(s *poolSample) float64 { return s.totals.QueryTime.Seconds() }),
	poolCounter("binds_total", "Binds of prepared statements that have a name (not in session mode).",
		func(s *poolSample) float64 { return float64(s.totals.Binds) }),
}

var (
	poolWaitDesc = describe("pool_wait_seconds",
		"How long clients waited for a server, of those that had to wait.", poolLabelNames...)
	poolParsesDesc = describe("pool_parses_total",
		"Statements with a name that were prepared (not in session mode), by side: client, as clients asked for it; server, on servers.",
		append(poolLabelNames[:len(poolLabelNames):len(poolLabelNames)], "side")...)
	poolErrorsDesc = describe("pool_errors_total",
		"Errors given to clients and servers that ended, by reason; reasons that have not occurred are left out.",
		append(poolLabelNames[:len(poolLabelNames):len(poolLabelNames)], "reason")...)
)

func describePools(ch chan<- *prometheus.Desc) {
	for _, m := range poolMetrics {
		ch <- m.desc
	}
	ch <- poolWaitDesc
	ch <- poolParsesDesc
	ch <- poolErrorsDesc
	describePins(ch)
}

func collectPools(ch chan<- prometheus.Metric, states []PoolState) {
	for labels, s := range mergePools(states) {
		s.send(ch, labels.values())
	}
}

// mergePools adds up states with the same labels. After a reload a pool and its
// successor live side by side until the old one is drained, and Prometheus
// refuses a scrape that names a series twice.
func mergePools(states []PoolState) map[PoolLabels]*poolSample {
	samples := make(map[PoolLabels]*poolSample, len(states))
	for _, state := range states {
		s := samples[state.Labels]
		if s == nil {
			samples[state.Labels] = &poolSample{state, state.Totals()}
			continue
		}
		s.ClientsActive += state.ClientsActive
		s.ClientsWaiting += state.ClientsWaiting
		s.ServersActive += state.ServersActive
		s.ServersIdle += state.ServersIdle
		s.ServersOpening += state.ServersOpening
		s.Size += state.Size
		s.Paused = s.Paused || state.Paused
		s.Listeners += state.Listeners
		s.Channels += state.Channels
		s.MaxWait = max(s.MaxWait, state.MaxWait)
		s.totals.add(state.Totals())
		s.Pins = addPins(s.Pins, state.Pins)
	}
	return samples
}

func (s *poolSample) send(ch chan<- prometheus.Metric, labels []string) {
	for _, m := range poolMetrics {
		m.send(ch, s, labels)
	}
	buckets := s.totals.WaitBuckets
	ch <- prometheus.MustNewConstHistogram(poolWaitDesc,
		buckets.Count(), s.totals.WaitTime.Seconds(), buckets.Cumulative(), labels...)
	for side, n := range map[string]uint64{"client": s.totals.ClientParses, "server": s.totals.ServerParses} {
		ch <- prometheus.MustNewConstMetric(poolParsesDesc, prometheus.CounterValue, float64(n), append(labels[:len(labels):len(labels)], side)...)
	}
	// Pools are many and most never see most reasons: no zeros here.
	sendReasons(ch, poolErrorsDesc, s.totals.Errors, false, labels...)
	sendPins(ch, s.Pins, labels)
}

// values returns the label values in the order of poolLabelNames.
func (l PoolLabels) values() []string {
	return []string{Label(l.Cluster), strconv.Itoa(l.Group), Label(l.Role), Label(l.Mode), Label(l.Database), Label(l.User)}
}
