package admin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// figures is how many columns each half of SHOW STATS has.
const figures = 11

// names of the figures, which have others in each table.
const (
	totalNames   = " total_server_assignment_count total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time total_client_parse_count total_server_parse_count total_bind_count"
	averageNames = " avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time avg_client_parse_count avg_server_parse_count avg_bind_count"

	bareNames       = "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time"
	bareParses      = " client_parse_count server_parse_count bind_count"
	parsesOfAverage = " avg_client_parse_count avg_server_parse_count avg_bind_count" // PgBouncer's own slip

	totalRows = "server_assignment_count xact_count query_count client_bytes server_bytes xact_time query_time wait_time ps_client_parse_count ps_server_parse_count ps_bind_count"
)

var allNumeric = strings.Repeat(string(kindNumeric), figures)

// figures are in the order of the columns, times in microseconds.
func (t totals) figures() []any {
	return []any{
		t.assignments, t.transactions, t.queries, t.received, t.sent,
		t.transactionTime.Microseconds(), t.queryTime.Microseconds(), t.waitTime.Microseconds(),
		t.clientParses, t.serverParses, t.binds,
	}
}

// perDatabase calls fn for each database with its totals and its averages.
func (c *Console) perDatabase(fn func(database string, total, average totals)) {
	all, now := c.totals(), time.Now()
	c.mu.Lock()
	stats := c.stats // its samples are not changed once they are taken
	c.mu.Unlock()
	for _, database := range slices.Sorted(maps.Keys(all)) {
		fn(database, all[database], stats.of(database, all[database], now))
	}
}

func (c *Console) showStats(context.Context) (*table, error) {
	t := newTable("s"+allNumeric+allNumeric, "database"+totalNames+averageNames)
	c.perDatabase(func(database string, total, average totals) {
		t.add(append(append([]any{database}, total.figures()...), average.figures()...)...)
	})
	return t, nil
}

func (c *Console) showStatsTotals(context.Context) (*table, error) {
	t := newTable("s"+allNumeric, bareNames+bareParses)
	c.perDatabase(func(database string, total, _ totals) {
		t.add(append([]any{database}, total.figures()...)...)
	})
	return t, nil
}

func (c *Console) showStatsAverages(context.Context) (*table, error) {
	t := newTable("s"+allNumeric, bareNames+parsesOfAverage)
	c.perDatabase(func(database string, _, average totals) {
		t.add(append([]any{database}, average.figures()...)...)
	})
	return t, nil
}

// showTotals has a row for each figure of all databases together.
func (c *Console) showTotals(context.Context) (*table, error) {
	t := newTable("sN", "name value")
	all := c.totals()
	c.mu.Lock()
	older := c.stats.older
	c.mu.Unlock()
	total := sumTotals(all)
	average := total.averageSince(sumTotals(older.totals), time.Since(older.at))
	names := strings.Fields(totalRows)
	for i, v := range total.figures() {
		t.add("total_"+names[i], v)
	}
	for i, v := range average.figures() {
		t.add("avg_"+names[i], v)
	}
	return t, nil
}
