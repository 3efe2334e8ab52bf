package admin

import (
	"context"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"portero/internal/page"
	"portero/metrics"
)

// exporting is a console of one pool and two clients whose exporter is wanted or not.
func exporting(wanted *bool, o ConsoleOptions) *prometheus.Registry {
	p := metrics.NewPool(metrics.PoolLabels{Cluster: "main", Database: "app", User: "alice", Mode: "transaction"}, 1)
	p.Shard(0).QueryNanos.Add(1_500_000_000)
	p.Shard(0).Queries.Add(3)
	o.Pools = func() []metrics.PoolState {
		return []metrics.PoolState{{Pool: p, Name: "shop", Clients: 3, ClientsActive: 1, ClientsWaiting: 1, ServersActive: 1, MaxWait: 2500 * time.Millisecond}}
	}
	if o.Clients == nil {
		o.Clients = func(context.Context) []metrics.ClientState {
			return []metrics.ClientState{
				{User: "alice", Database: "shop", State: "idle", Application: "web"},
				{User: "alice", Database: "shop", State: "idle", Application: "web"},
				{User: "alice", Database: "shop", State: "active", Application: "we\xffb"},
			}
		}
	}
	o.Settings = func() []Setting {
		return []Setting{{Key: "max_client_conn", Value: "900"}, {Key: "pool_mode", Value: "transaction"}}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewConsole(o).Exporter(func() bool { return *wanted }))
	return registry
}

func TestTheExporterSaysWhatTheTablesSay(t *testing.T) {
	wanted := true
	err := testutil.GatherAndCompare(exporting(&wanted, ConsoleOptions{}), strings.NewReader(`
# HELP pgbouncer_client_connections Clients, by what they are and do.
# TYPE pgbouncer_client_connections gauge
pgbouncer_client_connections{application_name="we\\xffb",database="shop",state="active",user="alice"} 1
pgbouncer_client_connections{application_name="web",database="shop",state="idle",user="alice"} 2
# HELP pgbouncer_config_max_client_connections max_client_conn.
# TYPE pgbouncer_config_max_client_connections gauge
pgbouncer_config_max_client_connections 900
# HELP pgbouncer_pools_client_maxwait_seconds How long the first in the queue has waited, in whole seconds.
# TYPE pgbouncer_pools_client_maxwait_seconds gauge
pgbouncer_pools_client_maxwait_seconds{database="pgbouncer",user="pgbouncer"} 0
pgbouncer_pools_client_maxwait_seconds{database="shop",user="alice"} 2
# HELP pgbouncer_stats_totals_queries_duration_seconds_total Time in which servers had something to answer.
# TYPE pgbouncer_stats_totals_queries_duration_seconds_total counter
pgbouncer_stats_totals_queries_duration_seconds_total{database="pgbouncer"} 0
pgbouncer_stats_totals_queries_duration_seconds_total{database="shop"} 1.5
# HELP pgbouncer_up 1 if all tables could be read, else 0.
# TYPE pgbouncer_up gauge
pgbouncer_up 1
# HELP pgbouncer_used_clients Clients that have logged in.
# TYPE pgbouncer_used_clients gauge
pgbouncer_used_clients 3
# HELP pgbouncer_version_info Always 1; the label is what SHOW VERSION says.
# TYPE pgbouncer_version_info gauge
pgbouncer_version_info{version="PgBouncer 1.25.2"} 1
`), "pgbouncer_client_connections", "pgbouncer_config_max_client_connections", "pgbouncer_pools_client_maxwait_seconds",
		"pgbouncer_stats_totals_queries_duration_seconds_total", "pgbouncer_up", "pgbouncer_used_clients", "pgbouncer_version_info")
	if err != nil {
		t.Error(err)
	}
}

func TestTheExporterIsSilentUntilItIsWanted(t *testing.T) {
	wanted := false
	registry := exporting(&wanted, ConsoleOptions{})
	if families, err := registry.Gather(); err != nil || len(families) != 0 {
		t.Errorf("%d series, %v", len(families), err)
	}
	wanted = true
	if families, err := registry.Gather(); err != nil || len(families) == 0 {
		t.Errorf("%d series, %v", len(families), err)
	}
}

func TestAPanicInATableCostsTheScrapeOnly(t *testing.T) {
	wanted := true
	process := new(metrics.Process)
	registry := exporting(&wanted, ConsoleOptions{Process: process, Clients: func(context.Context) []metrics.ClientState { panic("a bug") }})
	families, err := registry.Gather()
	if err == nil || !strings.Contains(err.Error(), "a bug") || len(families) == 0 || process.Panics.Load() != 1 {
		t.Errorf("%d series, %d panics, %v", len(families), process.Panics.Load(), err)
	}
}

// TestAScrapeThatFailsIsLoggedOnce, and again when one has gone well in between.
func TestAScrapeThatFailsIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wanted, hangs := true, true
		var log strings.Builder
		registry := exporting(&wanted, ConsoleOptions{
			Log: slog.New(slog.NewTextHandler(&log, nil)),
			Clients: func(ctx context.Context) []metrics.ClientState {
				if hangs {
					<-ctx.Done()
				}
				return nil
			},
		})
		for i, c := range []struct {
			hangs bool
			lines int
		}{{true, 1}, {true, 1}, {false, 1}, {true, 2}} {
			hangs = c.hangs
			if _, err := registry.Gather(); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "collecting them has failed"); n != c.lines {
				t.Errorf("scrape %d: %d lines, want %d:\n%s", i, n, c.lines, log.String())
			}
		}
	})
}

func TestThePageHasTheSeriesOfTheExporter(t *testing.T) {
	ch := make(chan *prometheus.Desc, 100)
	NewConsole(ConsoleOptions{}).Exporter(nil).Describe(ch)
	close(ch)
	described, err := page.Series("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(described, func(name string, _ page.Described) bool { return !strings.HasPrefix(name, "pgbouncer_") })
	for desc := range ch {
		name := strings.Split(desc.String(), `"`)[1]
		if _, there := described[name]; !there {
			t.Errorf("%s is not on the page", name)
		}
		delete(described, name)
	}
	for name := range described {
		t.Errorf("%s is on the page alone", name)
	}
}
