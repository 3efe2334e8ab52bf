package admin

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portero/metrics"
)

// exportLimit is for a scrape to read the tables in: loops have to describe their clients.
const exportLimit = 5 * time.Second

// exporter gives Prometheus what pgbouncer_exporter would read from the console: of the same
// tables, so that both say the same.
type exporter struct {
	console *Console
	wanted  func() bool
	failing atomic.Bool // the last scrape has failed, which the log says once
}

// Exporter is a collector of the series of pgbouncer_exporter. While wanted says no it
// collects nothing.
func (c *Console) Exporter(wanted func() bool) prometheus.Collector {
	return &exporter{console: c, wanted: wanted}
}

// Describe implements prometheus.Collector.
func (e *exporter) Describe(ch chan<- *prometheus.Desc) {
	for _, t := range exportedTables {
		for _, s := range t.series {
			ch <- s.desc
		}
	}
	for _, rows := range exportedRows {
		for _, desc := range rows {
			ch <- desc
		}
	}
	ch <- exportedUp
	ch <- exportedVersion
	ch <- exportedClients
}

// Collect implements prometheus.Collector. As a scrape's goroutine is the library's, a panic
// would end the process; it costs that scrape some series.
func (e *exporter) Collect(ch chan<- prometheus.Metric) {
	if !e.wanted() {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			if p := e.console.o.Process; p != nil {
				p.Panics.Add(1)
			}
			ch <- prometheus.NewInvalidMetric(exportedUp, fmt.Errorf("collect metrics: panic: %v", v))
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), exportLimit)
	defer cancel()
	up := 1.0
	err := e.export(ctx, ch)
	if err != nil {
		up = 0
	}
	if was := e.failing.Swap(err != nil); err != nil && !was {
		e.console.log.Warn("series of pgbouncer_exporter: collecting them has failed", "error", err)
	}
	ch <- prometheus.MustNewConstMetric(exportedUp, prometheus.GaugeValue, up)
}

// export sends all but up. The tables that there was time for are sent in any case.
func (e *exporter) export(ctx context.Context, ch chan<- prometheus.Metric) (failed error) {
	read := func(table string, send func(ch chan<- prometheus.Metric, t *table)) {
		t, err := shown[table](e.console, ctx)
		if err != nil {
			failed = err
			return
		}
		send(ch, t)
	}
	read("version", sendVersion)
	for _, t := range exportedTables {
		read(t.table, t.send)
	}
	for name, rows := range exportedRows {
		read(name, func(ch chan<- prometheus.Metric, t *table) { sendRows(ch, t, rows) })
	}
	read("clients", sendClients)
	return failed
}

func sendVersion(ch chan<- prometheus.Metric, t *table) {
	ch <- prometheus.MustNewConstMetric(exportedVersion, prometheus.GaugeValue, 1, t.label(t.rows[0], "version"))
}

func (e exportedTable) send(ch chan<- prometheus.Metric, t *table) {
	for _, row := range t.rows {
		labels := make([]string, len(e.labels))
		for i, name := range e.labels {
			labels[i] = t.label(row, name)
		}
		for _, s := range e.series {
			if v, ok := t.number(row, s.column); ok {
				ch <- prometheus.MustNewConstMetric(s.desc, s.kind, v*s.unit, labels...)
			}
		}
	}
}

// sendRows is for tables whose first column has names and whose second has values.
func sendRows(ch chan<- prometheus.Metric, t *table, series map[string]*prometheus.Desc) {
	for _, row := range t.rows {
		desc := series[t.label(row, t.columns[0])]
		if v, ok := t.number(row, t.columns[1]); ok && desc != nil {
			ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v)
		}
	}
}

// sendClients counts those that are the same in all labels.
func sendClients(ch chan<- prometheus.Metric, t *table) {
	counts := make(map[[4]string]float64)
	for _, row := range t.rows {
		counts[[4]string{t.label(row, "database"), t.label(row, "user"), t.label(row, "application_name"), t.label(row, "state")}]++
	}
	for labels, n := range counts {
		ch <- prometheus.MustNewConstMetric(exportedClients, prometheus.GaugeValue, n, labels[:]...)
	}
}

// text is a value of a row as a client of the console has it; nil is NULL.
func (t *table) text(row []any, name string) []byte {
	i := slices.Index(t.columns, name)
	return format(t.kinds[i], row[i])
}

func (t *table) label(row []any, name string) string { return metrics.Label(string(t.text(row, name))) }

// number is false for what is none.
func (t *table) number(row []any, name string) (float64, bool) {
	v, err := strconv.ParseFloat(string(t.text(row, name)), 64)
	return v, err == nil
}
