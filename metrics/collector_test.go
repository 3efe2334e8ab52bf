package metrics

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// madeUp is a collector of one busy pool, one group that is well and one that
// nothing is known of.
func madeUp() *Collector {
	process := new(Process)
	process.ClientsAccepted.Add(12)
	process.ClientsLimit.Store(900)
	process.ServersLimit.Store(300)
	process.LoginsInFlight.Add(1)
	process.LogLinesLost.Add(8)
	process.ShuttingDown.Store(true)
	process.Loops = make([]Loop, 1)
	process.Loops[0].SetBusy(0.25)
	process.Loops[0].Clients.Add(5)
	process.Loops[0].Moved.Add(2)
	process.End(ClientClosed)
	process.Refuse(NoRoute)

	pool := NewPool(PoolLabels{"main", 0, "leader", "session", "app", "alice"}, 2)
	pool.Shard(0).Transactions.Add(3)
	pool.Shard(1).Transactions.Add(4)
	pool.Shard(0).Queries.Add(9)
	pool.Shard(1).Repeated.Add(4)
	pool.Shard(1).Moved.Add(3)
	pool.Shard(0).BytesReceived.Add(700)
	pool.Shard(1).BytesSent.Add(900)
	pool.Shard(1).Notifications.Add(11)
	pool.Shard(0).Assignments.Add(12)
	pool.Shard(0).TransactionNanos.Add(1_250_000_000)
	pool.Shard(1).QueryNanos.Add(750_000_000)
	pool.Shard(0).ClientParses.Add(13)
	pool.Shard(1).ServerParses.Add(14)
	pool.Shard(1).Binds.Add(15)
	pool.Shard(0).Waited(2 * time.Millisecond)
	pool.Shard(1).Waited(time.Hour)
	pool.Error(ServerLost)

	pools := []PoolState{{
		Pool: pool, ClientsActive: 2, ClientsWaiting: 1, ServersActive: 2, ServersIdle: 3,
		ServersOpening: 1, Size: 20, Paused: true, Listeners: 6, Channels: 5, MaxWait: 1500 * time.Millisecond,
		Pins: map[string]PinState{"advisory lock": {Clients: 2, Times: 5}},
	}}
	route := NewRoute(2)
	route.Shard(0).Transaction.Add(int64(3*time.Millisecond), 1)
	route.Shard(1).Query.Add(int64(2*time.Millisecond), 1)
	route.Shard(1).Wait.Add(0, 1)
	candidates := CandidatesState{Pools: 3, ClientsWaiting: 4, MaxWait: 250 * time.Millisecond, Errors: ReasonCounts{ServerLogin: 6}}
	groups := []GroupState{
		{
			Cluster: "main", Leader: "pg1", Epoch: 3, Timeline: 7, EpochChanges: 2,
			MetadataHeard: true, MetadataDiffers: true, MetadataLagSeconds: 2.5, MetadataLastLagSeconds: 0.75,
			LeaderlessSeconds: 1.25, HeldSeconds: 1.5, Outcomes: Outcomes{Failed: 2, Repeated: 3}, Connected: true,
			Members:    []MemberState{{Name: "pg1", Lag: -1}, {Name: "pg2", Lag: 4096, Measured: true, LagTime: 1500 * time.Millisecond, Zone: "north", Servers: 4}},
			SingleHost: "db-1", EtcdHost: "db-1",
		},
		{Cluster: "other", Group: 2, Held: "no leader", Stale: true, Paused: true, Unconfirmed: true, Behind: 6, Undecided: true},
	}
	return NewCollector(process,
		func() []PoolState { return pools },
		func() CandidatesState { return candidates },
		func() []GroupState { return groups },
		func() int { return 5 },
		func() []RouteState { return []RouteState{{route, "app/*", "main"}} })
}

func TestCollectorWritesTheMadeUpState(t *testing.T) {
	want, err := os.Open("testdata/made_up.prom")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if err := testutil.CollectAndCompare(madeUp(), want); err != nil {
		t.Error(err)
	}
}

func TestCollectorHasNothingToLint(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(madeUp(), buildInfo("1.0"))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestRegistryHasBuildProcessAndRuntime(t *testing.T) {
	n, err := testutil.GatherAndCount(NewRegistry("1.0", madeUp()),
		"portero_build_info", "portero_clients", "process_open_fds", "go_goroutines")
	if err != nil || n != 4 {
		t.Errorf("%d of 4 metrics, %v", n, err)
	}
}

// collectorOfRoutes is a collector of routes and nothing else.
func collectorOfRoutes(routes ...RouteState) *Collector {
	c := collectorOf()
	c.routes = func() []RouteState { return routes }
	return c
}

// collectorOf is a collector of pools and nothing else.
func collectorOf(pools ...PoolState) *Collector {
	return NewCollector(new(Process),
		func() []PoolState { return pools },
		func() CandidatesState { return CandidatesState{} },
		func() []GroupState { return nil },
		func() int { return 0 },
		func() []RouteState { return nil })
}

func TestCollectorAddsUpPoolsOfTheSameLabels(t *testing.T) {
	labels := PoolLabels{"main", 0, "leader", "session", "app", "alice"}
	old, young := NewPool(labels, 1), NewPool(labels, 2)
	old.Shard(0).Transactions.Add(5)
	old.Shard(0).Waited(time.Second)
	young.Shard(1).Transactions.Add(2)
	young.Error(Shutdown)
	c := collectorOf(
		PoolState{Pool: old, ServersActive: 1, MaxWait: time.Second, Pins: map[string]PinState{"held cursor": {1, 2}}},
		PoolState{Pool: young, ServersActive: 4, Pins: map[string]PinState{"held cursor": {2, 3}}},
	)
	const series = `{cluster="main",database="app",group="0",mode="session",role="leader",user="alice"}`
	err := testutil.CollectAndCompare(c, strings.NewReader(`
# HELP portero_pool_max_wait_seconds How long the first client in the queue has waited.
# TYPE portero_pool_max_wait_seconds gauge
portero_pool_max_wait_seconds`+series+` 1
# HELP portero_pool_pinned Clients that keep their servers between transactions now, by reason; a client may have several.
# TYPE portero_pool_pinned gauge
portero_pool_pinned{cluster="main",database="app",group="0",mode="session",reason="held cursor",role="leader",user="alice"} 3
# HELP portero_pool_pins_total How often a client was pinned to its server, by reason.
# TYPE portero_pool_pins_total counter
portero_pool_pins_total{cluster="main",database="app",group="0",mode="session",reason="held cursor",role="leader",user="alice"} 5
# HELP portero_pool_servers_active Servers lent to a client.
# TYPE portero_pool_servers_active gauge
portero_pool_servers_active`+series+` 5
# HELP portero_pool_transactions_total Transactions run.
# TYPE portero_pool_transactions_total counter
portero_pool_transactions_total`+series+` 7
`), "portero_pool_max_wait_seconds", "portero_pool_pinned", "portero_pool_pins_total", "portero_pool_servers_active", "portero_pool_transactions_total")
	if err != nil {
		t.Error(err)
	}
}

func TestCollectorTakesNamesThatAreNotUTF8(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(collectorOf(
		PoolState{Pool: NewPool(PoolLabels{User: "\xff"}, 1)},
		PoolState{Pool: NewPool(PoolLabels{User: "\xfe"}, 1)},
	))
	n, err := testutil.GatherAndCount(registry, "portero_pool_size")
	if err != nil || n != 2 {
		t.Errorf("%d series, %v", n, err)
	}
}

func TestLabelKeepsWhatIsUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"alice": "alice", `a"b`: `a"b`, "señor": "señor", "a\xffb": `a\xffb`, "\xff\"": `\xff\"`,
	} {
		if got := Label(in); got != want {
			t.Errorf("Label(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPanicWhileCollectingCostsTheScrapeOnly(t *testing.T) {
	process := new(Process)
	c := NewCollector(process,
		func() []PoolState { panic("a bug") },
		func() CandidatesState { return CandidatesState{} },
		func() []GroupState { return nil },
		func() int { return 0 },
		func() []RouteState { return nil })
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("error = %v", err)
	}
	if len(families) == 0 {
		t.Error("what was collected before the panic is lost")
	}
	if process.Panics.Load() != 1 {
		t.Error("the panic was not counted")
	}
}

func TestClusterIsHeardAsItsWorstGroup(t *testing.T) {
	clusters := hearing([]GroupState{
		{Cluster: "citus", Group: 0, Connected: true},
		{Cluster: "citus", Group: 1, Stale: true},
		{Cluster: "main", Connected: true},
	})
	if got := *clusters["citus"]; got != (heard{connected: false, stale: true}) {
		t.Errorf("citus: %+v", got)
	}
	if got := *clusters["main"]; got != (heard{connected: true}) {
		t.Errorf("main: %+v", got)
	}
}

func BenchmarkCollect(b *testing.B) {
	pools := make([]PoolState, 1000)
	for i := range pools {
		pools[i].Pool = NewPool(PoolLabels{Cluster: "main", Group: i}, 8)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectorOf(pools...))
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
