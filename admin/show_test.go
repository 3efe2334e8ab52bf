package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/metrics"
)

// layouts are the tables of PgBouncer 1.25: its letters for the types, and the names.
var layouts = map[string]struct{ kinds, names string }{
	"pools":     {"ssiiiiiiiiiiiiiss", "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode load_balance_hosts"},
	"databases": {"ssissiiiissiiiiii", "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode load_balance_hosts max_connections current_connections max_client_connections current_client_connections paused disabled"},
	"clients":   {"ssssssisiTTiiississii", "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id"},
	"servers":   {"ssssssisiTTiiississii", "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id"},
	"sockets":   {"ssssssisiTTiiississiiiiiiiii", "type user database replication state addr port local_addr local_port connect_time request_time wait wait_us close_needed ptr link remote_pid tls application_name prepared_statements id recv_pos pkt_pos pkt_remain send_pos send_remain pkt_avail send_avail"},
	"stats": {"sNNNNNNNNNNNNNNNNNNNNNN", "database total_server_assignment_count total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time total_client_parse_count total_server_parse_count total_bind_count" +
		" avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time avg_client_parse_count avg_server_parse_count avg_bind_count"},
	"stats_totals":   {"sNNNNNNNNNNN", "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time client_parse_count server_parse_count bind_count"},
	"stats_averages": {"sNNNNNNNNNNN", "database server_assignment_count xact_count query_count bytes_received bytes_sent xact_time query_time wait_time avg_client_parse_count avg_server_parse_count avg_bind_count"},
	"totals":         {"sN", "name value"},
	"lists":          {"si", "list items"},
	"config":         {"ssss", "key value default changeable"},
	"users":          {"ssssiiii", "name pool_size reserve_pool_size pool_mode max_user_connections current_connections max_user_client_connections current_client_connections"},
	"peers":          {"isii", "peer_id host port pool_size"},
	"peer_pools":     {"iiiii", "peer_id cl_active_cancel_req cl_waiting_cancel_req sv_active_cancel sv_login"},
	"mem":            {"siiii", "name size used free memtotal"},
	"state":          {"ss", "key value"},
	"dns_hosts":      {"sqs", "hostname ttl addrs"},
	"dns_zones":      {"sqi", "zonename serial count"},
	"version":        {"s", "version"},
	"fds":            {"issssiqisssssbb", "fd task user database addr port cancel link client_encoding std_strings datestyle timezone password scram_client_key scram_server_key"},
}

func TestTheTablesAreThoseOfPgBouncer125(t *testing.T) {
	layouts := layouts
	layouts["active_sockets"] = layouts["sockets"]
	s := fullDesk(t).sit("dba")
	types := map[byte]uint32{'s': 25, 'T': 25, 'i': 23, 'q': 20, 'N': 1700, 'b': 17}
	for what, want := range layouts {
		names, fields, rows, tag, err := s.ask("show " + what)
		if err != nil || tag != "SHOW" {
			t.Errorf("%s: %q, %v", what, tag, err)
			continue
		}
		if got := strings.Join(names, " "); got != want.names {
			t.Errorf("%s has the columns %s\nwant %s", what, got, want.names)
		}
		for i, f := range fields {
			if f.DataTypeOID != types[want.kinds[i]] || f.Format != 0 || f.TableOID != 0 {
				t.Errorf("%s: column %s is of type %d", what, f.Name, f.DataTypeOID)
			}
		}
		for _, row := range rows {
			if n := strings.Count(row, "|") + 1; n != len(want.kinds) {
				t.Errorf("%s: %d values: %s", what, n, row)
			}
		}
	}
	for what := range shown {
		if _, theirs := layouts[what]; !theirs && !slices.Contains([]string{"all_pools", "failovers", "groups", "members", "pins", "portero"}, what) {
			t.Errorf("%s is neither PgBouncer's nor known as ours", what)
		}
	}
}

// Moments of the fakes.
var (
	noon     = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	inDetail = noon.Add(1234 * time.Millisecond)
)

func poolNamed(name, user, role string) metrics.PoolState {
	p := metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: role, Mode: "transaction", Database: "app_live", User: user}, 1)
	shard := p.Shard(0)
	shard.Transactions.Add(10)
	shard.Queries.Add(30)
	shard.BytesReceived.Add(1000)
	shard.BytesSent.Add(5000)
	shard.Waited(2 * time.Second)
	return metrics.PoolState{Pool: p, Name: name, Clients: 7, ClientsActive: 2, ClientsWaiting: 1, ClientsCancelling: 1, ServersActive: 3, ServersIdle: 3, ServersOpening: 1, ServersTested: 1,
		Size: 20, MinSize: 1, MaxWait: 1234567 * time.Microsecond, Pins: map[string]metrics.PinState{"temporary table": {Clients: 1, Times: 4}}}
}

// fullDesk is a console that has something to show.
func fullDesk(t *testing.T) *desk {
	return openDesk(t, ConsoleOptions{
		Version: "1.2.3", Started: noon, ListenPort: func() int { return 6432 },
		Pools: func() []metrics.PoolState {
			paused := poolNamed("app", "ann", "replica")
			paused.MaxWait, paused.Paused = time.Millisecond, true
			return []metrics.PoolState{poolNamed("app", "bob", "leader"), poolNamed("app", "ann", "leader"), paused, poolNamed("", "ann", "any")}
		},
		Ordered: func(name string) (paused, disabled bool) { return name == "app", name == "unused" },
		Databases: func() []metrics.DatabaseState {
			return []metrics.DatabaseState{{Name: "app", Host: "10.0.0.1", Port: 5432, Database: "app_live", PoolSize: 20, MinPoolSize: 1, ServerLifetime: time.Hour, PoolMode: "session"}, {Name: "unused", Database: "unused"}}
		},
		Users: func() []metrics.UserState {
			return []metrics.UserState{{Name: "zoe", ReserveSize: -1}, {Name: "ann", PoolSize: 7, ReserveSize: 2, PoolMode: "session", MaxServers: 30, MaxClients: 50}}
		},
		Settings: func() []Setting {
			return []Setting{{"max_client_conn", "100", "10000", false}, {"pool_mode", "session", "transaction", true}}
		},
		Clients: func(context.Context) []metrics.ClientState {
			return []metrics.ClientState{
				{ID: 5, User: "ann", Database: "app", State: "active", Address: netip.MustParseAddrPort("10.1.1.1:555"), Local: netip.MustParseAddrPort("[::ffff:10.0.0.2]:6432"),
					Connected: noon, Requested: inDetail, Link: 9, TLS: "TLSv1.3/TLS_AES_128_GCM_SHA256", Application: "psql", Statements: 3},
				{ID: 6, User: "bob", Database: "app", State: "waiting", Connected: noon, Wait: 1234567 * time.Microsecond, RemotePID: 4242},
				{ID: 7, User: "bob", Database: "app", State: "idle", Connected: noon},
			}
		},
		Servers: func(context.Context) []metrics.ServerState {
			return []metrics.ServerState{
				{ID: 9, User: "ann", Database: "app", State: "active", Address: netip.MustParseAddrPort("10.0.0.1:5432"), Local: netip.MustParseAddrPort("10.0.0.2:999"),
					Connected: noon, Requested: inDetail, CloseNeeded: true, Link: 5, RemotePID: 77, Application: "psql", Statements: 1, Member: "n1", Role: "leader"},
				{ID: 10, User: "ann", Database: "app", State: "new", Connected: noon, Member: "n2", Role: "leader"},
			}
		},
		Groups: func() []metrics.GroupState {
			return []metrics.GroupState{{Cluster: "main", Group: 0, Leader: "n1", Epoch: 3, Timeline: 2, Connected: true, HeldSeconds: 1.5, SingleHost: "db-1", Warnings: []string{"alone", "undecided"}, Members: []metrics.MemberState{
				{Name: "n1", Address: "10.0.0.1:5432", Role: "primary", State: "running", Timeline: 2, Lag: -1, Host: "db-1", Servers: 3},
				{Name: "n2", Address: "10.0.0.3:5432", Role: "replica", State: "streaming", Timeline: 2, Lag: 100, Measured: true, LagTime: 20 * time.Millisecond, Host: "db-1", Zone: "north"},
			}}}
		},
		Failovers: func() []metrics.FailoverState {
			return []metrics.FailoverState{{Cluster: "main", From: "n2", To: "n1", Epoch: 3, Timeline: 2, Lost: noon, Released: inDetail, ClientsHeld: 4, Outcomes: metrics.Outcomes{Repeated: 2}}}
		},
		Holding: func() string { return "paused" },
		Process: &metrics.Process{},
	})
}

// local is a moment as the tables show it.
func local(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05 MST") }

func TestRowsSayWhatTheFunctionsSay(t *testing.T) {
	d := fullDesk(t)
	s := d.sit("dba")
	for what, want := range map[string][]string{
		"pools": {
			"app|ann|12|2|2|0|4|0|0|6|0|2|2|1|234567|transaction|NULL", // two pools of one database and user
			"app|bob|6|1|1|0|2|0|0|3|0|1|1|1|234567|transaction|NULL",
			"app_live|ann|6|1|1|0|2|0|0|3|0|1|1|1|234567|transaction|NULL",
			"pgbouncer|pgbouncer|1|0|0|0|0|0|0|0|0|0|0|0|0|statement|NULL",
		},
		"databases": {
			"app|10.0.0.1|5432|app_live|NULL|20|1|0|3600|session|NULL|0|21|0|21|1|0",
			"app_live|NULL|0|app_live|NULL|20|1|0|0|NULL|NULL|0|7|0|7|0|0",
			"pgbouncer|NULL|6432|pgbouncer|pgbouncer|2|0|0|0|statement|NULL|0|0|0|1|0|0",
			"unused|NULL|0|unused|NULL|0|0|0|0|NULL|NULL|0|0|0|0|0|1",
		},
		"users": {
			"ann|        7|        2|session|30|21|50|21", "bob|||NULL|0|7|0|7", "pgbouncer|||NULL|0|0|0|1", "zoe|||NULL|0|0|0|0",
		},
		"lists": {
			"databases|4", "users|4", "peers|0", "pools|4", "peer_pools|0", "free_clients|0", "used_clients|29", "login_clients|0", "free_servers|0", "used_servers|28",
			"dns_names|0", "dns_zones|0", "dns_queries|0", "dns_pending|0",
		},
		"servers": {
			"S|ann|app|none|active|10.0.0.1|5432|10.0.0.2|999|" + local(noon) + "|" + local(inDetail) + "|0|0|1|0x500000000009|0xc00000000005|77||psql|1|9",
			"S|ann|app|none|new|unix|0|unix|0|" + local(noon) + "|" + local(noon) + "|0|0|0|0x50000000000a||0|||0|10",
		},
		"config":     {"max_client_conn|100|10000|no", "pool_mode|session|transaction|yes"},
		"state":      {"active|no", "paused|yes", "suspended|no"},
		"version":    {"PgBouncer 1.25.2"},
		"fds":        nil,
		"peers":      nil,
		"groups":     {"main|0|n1|3|2|0|2|yes|no|no|NULL|1500|NULL|no|no|NULL|db-1|alone; undecided"},
		"members":    {"main|0|n1|yes|10.0.0.1:5432|primary|running|2|NULL|NULL|db-1|NULL|3", "main|0|n2|no|10.0.0.3:5432|replica|streaming|2|100|20|db-1|north|0"},
		"failovers":  {"main|0|n2|n1|3|2|NULL|NULL|" + timestamp(noon) + "|NULL|NULL|" + timestamp(inDetail) + "|NULL|4|0|0|2|0|0"},
		"dns_hosts;": nil,
	} {
		if got := s.rows("show " + what); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestClientsAndTheConsolesOwnAreShownAlike(t *testing.T) {
	s := fullDesk(t).sit("dba")
	rows := s.rows("show clients")
	want := []string{
		"C|ann|app|none|active|10.1.1.1|555|10.0.0.2|6432|" + local(noon) + "|" + local(inDetail) + "|0|0|0|0xc00000000005|0x500000000009|0|TLSv1.3/TLS_AES_128_GCM_SHA256|psql|3|5",
		"C|bob|app|none|waiting|unix|0|unix|0|" + local(noon) + "|" + local(noon) + "|1|234567|0|0xc00000000006||4242|||0|6",
		"C|bob|app|none|idle|unix|0|unix|0|" + local(noon) + "|" + local(noon) + "|0|0|0|0xc00000000007||0|||0|7",
	}
	if len(rows) != 4 || !slices.Equal(rows[:3], want) || !strings.HasPrefix(rows[3], "C|dba|pgbouncer|none|active|127.0.0.1|") {
		t.Errorf("%s", strings.Join(rows, "\n"))
	}
	states := func(what string) (all []string) {
		for _, row := range s.rows("show " + what) {
			all = append(all, strings.Split(row, "|")[4])
		}
		return all
	}
	if got := states("sockets"); !slices.Equal(got, []string{"cl_active", "cl_waiting", "cl_active", "cl_active", "sv_active", "sv_login"}) {
		t.Errorf("sockets: %q", got)
	}
	if got := states("active_sockets"); !slices.Equal(got, []string{"cl_active", "cl_waiting", "cl_active", "sv_active", "sv_login"}) {
		t.Errorf("active sockets: %q", got)
	}
}

func TestStatsHaveOneRowForEachDatabase(t *testing.T) {
	d := fullDesk(t)
	s := d.sit("dba")
	rows := s.rows("show stats_totals")
	want := []string{"app|0|30|90|3000|15000|0|0|6000000|0|0|0", "app_live|0|10|30|1000|5000|0|0|2000000|0|0|0", "pgbouncer|0|1|1|0|0|0|0|0|0|0|0"}
	if !slices.Equal(rows, want) {
		t.Errorf("%q", rows)
	}
	if rows := s.rows("show stats"); len(rows) != 3 || !strings.HasPrefix(rows[0], "app|0|30|90|3000|15000|0|0|6000000|0|0|0|") {
		t.Errorf("%q", rows)
	}
	if rows := s.rows("show totals"); rows[3] != "total_client_bytes|4000" || rows[10] != "total_ps_bind_count|0" || !strings.HasPrefix(rows[21], "avg_ps_bind_count|") {
		t.Errorf("%q", rows)
	}
	if rows := s.rows("show stats_averages"); len(rows) != 3 {
		t.Errorf("%q", rows)
	}
}

func TestPoolsOfOneUserAreToldApartInATableOfOurs(t *testing.T) {
	s := fullDesk(t).sit("dba")
	names, _, rows, _, err := s.ask("show all_pools")
	if err != nil || len(rows) != 4 {
		t.Fatalf("%q, %v", rows, err)
	}
	for i, name := range []string{"cluster", "group", "role", "pool_mode", "database", "server_database", "user", "members"} {
		if names[i] != name {
			t.Errorf("column %d is %s", i, names[i])
		}
	}
	if !strings.HasPrefix(rows[1], "main|0|leader|transaction|app|app_live|ann|n1: 1, n2: 1|7|2|1|") || !strings.HasPrefix(rows[3], "main|0|replica|transaction|app|app_live|ann||7|") {
		t.Errorf("%s", strings.Join(rows, "\n"))
	}
	if got := s.rows("show pins")[0]; got != "temporary table|app_live|ann|main|0|any|transaction|1|4" {
		t.Error(got)
	}
	all := strings.Join(s.rows("show portero"), "\n")
	if !strings.Contains(all, "version|1.2.3") || !strings.Contains(all, "console|PgBouncer 1.25.2") {
		t.Error(all)
	}
}
