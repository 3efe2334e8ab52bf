package admin

import (
	"context"
	"slices"
	"strings"
	"testing"

	"portero/metrics"
)

// Who replicates is shown in PgBouncer's words, and counts in the row of his database and user.
func TestWhoReplicatesIsShownAsByPgBouncer(t *testing.T) {
	replicates := poolNamed("app", "ann", "leader")
	replicates.Pool = metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: "leader", Mode: "logical-replication", Database: "app_live", User: "ann"}, 1)
	replicates.Size, replicates.MinSize = 0, 0
	alone := poolNamed("backup", "streamer", "leader")
	alone.Pool = metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: "leader", Mode: "physical-replication", Database: "backup", User: "streamer"}, 1)
	s := openDesk(t, ConsoleOptions{
		Pools: func() []metrics.PoolState {
			return []metrics.PoolState{replicates, poolNamed("app", "ann", "leader"), alone}
		},
		Clients: func(context.Context) []metrics.ClientState {
			return []metrics.ClientState{{ID: 5, User: "ann", Database: "app", State: "active", Connected: noon, Replication: "logical"}}
		},
		Servers: func(context.Context) []metrics.ServerState {
			return []metrics.ServerState{{ID: 9, User: "ann", Database: "replication", State: "active", Connected: noon, Replication: "physical"}}
		},
	}).sit("dba")
	for what, want := range map[string]string{"clients": "C|ann|app|logical|active|", "servers": "S|ann|replication|physical|active|"} {
		if rows := s.rows("show " + what); len(rows) == 0 || !strings.HasPrefix(rows[0], want) {
			t.Errorf("%s: %v", what, rows)
		}
	}
	columns := func(what, name string) (values []string) {
		t.Helper()
		at := slices.Index(strings.Fields(layouts[what].names), name)
		for _, row := range s.rows("show " + what) {
			values = append(values, strings.Split(row, "|")[at])
		}
		return values
	}
	column := func(what, name string) string { return columns(what, name)[0] }
	if got := columns("pools", "pool_mode"); !slices.Equal(got[:2], []string{"transaction", "session"}) {
		t.Errorf("pool_mode %s", got)
	}
	if got := column("pools", "sv_active"); got != "4" {
		t.Errorf("sv_active %s", got)
	}
	if got := column("databases", "pool_size"); got != "20" {
		t.Errorf("pool_size %s", got)
	}
}
