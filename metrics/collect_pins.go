package metrics

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	pinLabelNames = append(poolLabelNames[:len(poolLabelNames):len(poolLabelNames)], "reason")
	pinnedDesc    = describe("pool_pinned", "Clients that keep their servers between transactions now, by reason; a client may have several.", pinLabelNames...)
	pinsDesc      = describe("pool_pins_total", "How often a client was pinned to its server, by reason.", pinLabelNames...)
)

func describePins(ch chan<- *prometheus.Desc) {
	ch <- pinnedDesc
	ch <- pinsDesc
}

// sendPins leaves out reasons that have not occurred, as errors are.
func sendPins(ch chan<- prometheus.Metric, pins map[string]PinState, labels []string) {
	for reason, p := range pins {
		values := append(labels[:len(labels):len(labels)], reason)
		ch <- prometheus.MustNewConstMetric(pinnedDesc, prometheus.GaugeValue, float64(p.Clients), values...)
		ch <- prometheus.MustNewConstMetric(pinsDesc, prometheus.CounterValue, float64(p.Times), values...)
	}
}

// addPins is a and b together; it changes neither.
func addPins(a, b map[string]PinState) map[string]PinState {
	if len(b) == 0 {
		return a
	}
	sum := maps.Clone(a)
	if sum == nil {
		sum = make(map[string]PinState)
	}
	for reason, p := range b {
		sum[reason] = PinState{Clients: sum[reason].Clients + p.Clients, Times: sum[reason].Times + p.Times}
	}
	return sum
}
