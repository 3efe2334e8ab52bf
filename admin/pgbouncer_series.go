package admin

import "github.com/prometheus/client_golang/prometheus"

// What pgbouncer_exporter 0.12 makes of PgBouncer's tables: names, types, labels and units of
// its series are kept to the letter, as dashboards and alerts go by them.

// exportedTable is a table of which each row is a set of labels.
type exportedTable struct {
	table  string // as SHOW has it
	labels []string
	series []exportedColumn
}

// exportedColumn is a column that is a series.
type exportedColumn struct {
	column string
	desc   *prometheus.Desc
	kind   prometheus.ValueType
	unit   float64 // that the column's values are multiplied by
}

const microseconds = 1e-6

func exporterDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("pgbouncer_"+name, help, labels, nil)
}

var exportedTables = []exportedTable{
	exportTable("databases", []string{"name", "host", "port", "database", "force_user", "pool_mode"}, []column{
		{"pool_size", "pool_size", "Most servers of a pool.", gauge},
		{"reserve_pool_size", "reserve_pool", "Servers beyond that, for clients that have waited.", gauge},
		{"max_connections", "max_connections", "Most servers of the database, 0 if there is no limit.", gauge},
		{"current_connections", "current_connections", "Servers of the database.", gauge},
		{"paused", "paused", "1 if the database is paused, else 0.", gauge},
		{"disabled", "disabled", "1 if the database is disabled, else 0.", gauge},
	}),
	exportTable("stats_totals", []string{"database"}, []column{
		{"query_count", "queries_pooled_total", "Queries run.", counter},
		{"query_time", "queries_duration_seconds_total", "Time in which servers had something to answer.", counterOfTime},
		{"bytes_received", "received_bytes_total", "Bytes received from clients.", counter},
		{"bytes_sent", "sent_bytes_total", "Bytes sent to clients.", counter},
		{"wait_time", "client_wait_seconds_total", "Time that clients waited for a server.", counterOfTime},
		{"xact_count", "sql_transactions_pooled_total", "Transactions run.", counter},
		{"xact_time", "server_in_transaction_seconds_total", "Time in which clients had a server for a transaction, at work or idle in it.", counterOfTime},
		{"client_parse_count", "client_parses_total", "Statements with a name that clients prepared.", counter},
		{"server_parse_count", "server_parses_total", "Statements that were prepared on servers for these.", counter},
		{"bind_count", "binds_total", "Binds of statements with a name.", counter},
		{"server_assignment_count", "server_assignments_total", "Servers lent to clients.", counter},
	}),
	exportTable("pools", []string{"database", "user"}, []column{
		{"cl_active", "client_active_connections", "Clients that have a server, or rest.", gauge},
		{"cl_active_cancel_req", "client_active_cancel_connections", "Cancel requests that are on their way to a server.", gauge},
		{"cl_waiting", "client_waiting_connections", "Clients that wait for a server.", gauge},
		{"cl_waiting_cancel_req", "client_waiting_cancel_connections", "Cancel requests that wait for their turn.", gauge},
		{"sv_active", "server_active_connections", "Servers lent to a client.", gauge},
		{"sv_active_cancel", "server_active_cancel_connections", "Connections that carry a cancel request to a server.", gauge},
		{"sv_being_canceled", "server_being_canceled_connections", "Servers that wait for a cancel request to arrive.", gauge},
		{"sv_idle", "server_idle_connections", "Servers that can be lent at once.", gauge},
		{"sv_used", "server_used_connections", "Always 0: idle servers are tested in the background.", gauge},
		{"sv_tested", "server_testing_connections", "Servers that are asked for a sign of life.", gauge},
		{"sv_login", "server_login_connections", "Servers being dialled or logged in.", gauge},
		{"maxwait", "client_maxwait_seconds", "How long the first in the queue has waited, in whole seconds.", gauge},
	}),
}

// column is a row of the list above: a column, its series, and what that says.
type column struct {
	name, series, help string
	form               form
}

// form is a type and a unit.
type form uint8

const (
	gauge form = iota
	counter
	counterOfTime
)

func exportTable(table string, labels []string, columns []column) exportedTable {
	t := exportedTable{table: table, labels: labels}
	for _, c := range columns {
		e := exportedColumn{column: c.name, desc: exporterDesc(table+"_"+c.series, c.help, labels...), kind: prometheus.CounterValue, unit: 1}
		switch c.form {
		case gauge:
			e.kind = prometheus.GaugeValue
		case counterOfTime:
			e.unit = microseconds
		}
		t.series = append(t.series, e)
	}
	return t
}

// exportedRows are tables of names and values: the series that each name is.
var exportedRows = map[string]map[string]*prometheus.Desc{
	"lists": {
		"databases":     exporterDesc("databases", "Databases."),
		"users":         exporterDesc("users", "Users."),
		"pools":         exporterDesc("pools", "Pools, those of a database and user counted as one."),
		"free_clients":  exporterDesc("free_clients", "Always 0."),
		"used_clients":  exporterDesc("used_clients", "Clients that have logged in."),
		"login_clients": exporterDesc("login_clients", "Clients that are logging in."),
		"free_servers":  exporterDesc("free_servers", "Always 0."),
		"used_servers":  exporterDesc("used_servers", "Servers."),
		"dns_names":     exporterDesc("cached_dns_names", "Always 0."),
		"dns_zones":     exporterDesc("cached_dns_zones", "Always 0."),
		"dns_queries":   exporterDesc("in_flight_dns_queries", "Always 0."),
	},
	"config": {
		"max_client_conn":      exporterDesc("config_max_client_connections", "max_client_conn."),
		"max_user_connections": exporterDesc("config_max_user_connections", "max_user_connections."),
	},
}

var (
	exportedUp      = exporterDesc("up", "1 if all tables could be read, else 0.")
	exportedVersion = exporterDesc("version_info", "Always 1; the label is what SHOW VERSION says.", "version")
	exportedClients = exporterDesc("client_connections", "Clients, by what they are and do.", "database", "user", "application_name", "state")
)
