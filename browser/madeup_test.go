package browser

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"portero/admin"
	"portero/metrics"
)

// madeUp is a Portero of which only the HTTP side is real.
type madeUp struct {
	*admin.Server
	mu sync.Mutex // guards what follows
	s  admin.Snapshot
	n  int // snapshots taken

	hurry bool          // a snapshot each tenth of a second, for a second
	ahead time.Duration // of the clock, so

	grow func(s *admin.Snapshot, n int) // with each snapshot; may be nil
}

// serve shows s at an address of its own, until the end of the test.
func serve(t *testing.T, s admin.Snapshot, grow func(s *admin.Snapshot, n int)) *madeUp {
	t.Helper()
	m := &madeUp{s: s, grow: grow}
	m.start(t, "127.0.0.1:0")
	return m
}

func (m *madeUp) start(t *testing.T, address string) {
	t.Helper()
	m.Server = admin.New(address, admin.Options{
		Snapshot: m.snapshot, Clients: m.clients, Servers: m.servers,
		Ready: m.ready,
	})
	if err := m.Server.Start(); err != nil {
		t.Fatal(err)
	}
	server := m.Server
	t.Cleanup(func() { server.Close(context.Background()) })
}

// ready has a snapshot taken at once where it is another than before.
func (m *madeUp) ready([]string) ([]admin.Check, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	why := m.s.NotReady
	if m.hurry {
		why = []string{fmt.Sprint(m.n)}
	}
	return []admin.Check{{Name: "process", Why: why}}, nil
}

func (m *madeUp) address() string { return "http://" + m.Addr() + "/" }

func (m *madeUp) snapshot() admin.Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hurry {
		m.ahead += 900 * time.Millisecond
	}
	m.s.Now = time.Now().Add(m.ahead)
	if m.grow != nil {
		m.grow(&m.s, m.n)
	}
	m.n++
	s := m.s
	s.Pools = append([]metrics.PoolState(nil), m.s.Pools...)
	return s
}

// change changes what is shown.
func (m *madeUp) change(fn func(s *admin.Snapshot)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn(&m.s)
}

// hostile is a name that a page must not take for markup.
const hostile = `<img src=x onerror="document.title='eaten'">`

func (m *madeUp) clients(context.Context) (all []metrics.ClientState) {
	states := []string{"idle", "active", "waiting"}
	for i := range 1000 {
		c := metrics.ClientState{
			ID: uint64(i + 1), Database: fmt.Sprintf("db%d", i%7), User: "app", State: states[i%3], Address: netip.MustParseAddrPort("10.1.2.3:40000"),
			Connected: time.Now().Add(-time.Hour), Requested: time.Now().Add(-time.Duration(i) * time.Second), Application: hostile, TLS: "TLSv1.3/TLS_AES_128_GCM_SHA256", Role: "leader",
		}
		if c.State == "waiting" {
			c.Wait = time.Duration(i) * time.Millisecond
		}
		if c.State == "active" {
			c.Member, c.Link, c.Pins = "pg1", uint64(i), "temporary table"
		}
		all = append(all, c)
	}
	return all
}

func (m *madeUp) servers(context.Context) (all []metrics.ServerState) {
	for i := range 30 {
		all = append(all, metrics.ServerState{
			ID: uint64(i + 1), Database: fmt.Sprintf("db%d", i%7), User: "app", State: "active", Address: netip.MustParseAddrPort("10.0.0.1:5432"),
			Connected: time.Now().Add(-time.Minute), Requested: time.Now(), RemotePID: 4000 + i, Member: "pg1", Role: "leader",
		})
	}
	return all
}

// quiet is a Portero that has just been started.
func quiet() admin.Snapshot {
	return admin.Snapshot{Version: "1.0.0", Started: time.Now().Add(-26 * time.Hour), Listeners: []string{"127.0.0.1:6432"}, MaxClients: 10000, MaxPools: 1000, Process: new(metrics.Process)}
}

// withPools has a group and so many pools, of which each fourth has waiting clients.
func withPools(n int) admin.Snapshot {
	s := quiet()
	s.Clients = 12 * n
	s.Groups = []metrics.GroupState{group()}
	databases := []string{"shop", "billing", "reports", "search", "audit", "mail", "stock"}
	users := []string{"app", "worker", "reader", "cron"}
	for i := range n {
		labels := metrics.PoolLabels{Cluster: "main", Role: "leader", Mode: "transaction", Database: databases[i%len(databases)], User: users[i/len(databases)%len(users)]}
		if i >= len(databases)*len(users) {
			labels.Database = fmt.Sprintf("%s_%03d", labels.Database, i)
		}
		if i%5 == 2 {
			labels.Role = "replica"
		}
		p := metrics.PoolState{Pool: metrics.NewPool(labels, 1), Clients: 12, ClientsActive: 3, ServersActive: 3, ServersIdle: 2, Size: 20}
		s.Pools = append(s.Pools, p)
	}
	return s
}

// work has all pools at work, and clients wait in each fourth of them.
func work(s *admin.Snapshot, n int) {
	for i := range s.Pools {
		p := &s.Pools[i]
		shard := p.Shard(0)
		transactions := uint64(40 + 13*(i%9))
		shard.Transactions.Add(transactions)
		shard.Queries.Add(3 * transactions)
		shard.QueryNanos.Add(3 * transactions * uint64(300+50*(i%4)) * 1000)
		shard.TransactionNanos.Add(transactions * uint64(2+i%3) * 1_100_000)
		shard.BytesReceived.Add(transactions * 180)
		shard.BytesSent.Add(transactions * 2300)
		if i%4 == 0 {
			waiting := max(0, (n*(i+3)*7)%23-8)
			p.ClientsWaiting, p.MaxWait, p.ServersActive, p.ServersIdle = waiting, time.Duration(waiting)*37*time.Millisecond, 3, 2
			if waiting > 0 {
				p.ServersActive, p.ServersIdle = 20, 0
				shard.Waited(time.Duration(waiting) * 11 * time.Millisecond)
			}
		}
	}
}

func group() metrics.GroupState {
	return metrics.GroupState{
		Cluster: "main", Leader: "pg1", Epoch: 4, Timeline: 9, EpochChanges: 3, LeaderlessSeconds: 2.25, HeldSeconds: 1.5, Connected: true,
		Warnings: []string{"group 0 is lost with host db-3.eu-west-1.example.internal: no member elsewhere may be promoted without loss"},
		Members: []metrics.MemberState{
			{Name: "pg1", Address: "10.0.0.1:5432", Role: "primary", State: "running", Timeline: 9, Lag: -1},
			{Name: "pg2", Address: "10.0.0.2:5432", Role: "sync_standby", State: "streaming", Timeline: 9, Lag: 0, Zone: "north"},
			{Name: "pg3", Address: "10.0.0.3:5432", Role: "replica", State: "starting", Timeline: 9, Lag: 16 << 20, Measured: true, LagTime: 1500 * time.Millisecond},
		},
	}
}

// switchover is one that is over, so long ago.
func switchover(ago time.Duration) metrics.FailoverState {
	at := func(ms int) time.Time { return time.Now().Add(-ago).Add(time.Duration(ms) * time.Millisecond) }
	return metrics.FailoverState{
		Cluster: "main", From: "pg2", To: "pg1", Epoch: 4, Timeline: 9, Announced: at(0), Held: at(410), Lost: at(620), Elected: at(1480), Proved: at(1655), Released: at(1656),
		ClientsHeld: 8, Outcomes: metrics.Outcomes{Repeated: 5, Unknown: 1},
	}
}

// crash is a failover that nobody had announced.
func crash(ago time.Duration) metrics.FailoverState {
	at := func(ms int) time.Time { return time.Now().Add(-ago).Add(time.Duration(ms) * time.Millisecond) }
	return metrics.FailoverState{
		Cluster: "main", From: "pg1", To: "pg2", Epoch: 3, Timeline: 8, Lost: at(0), Held: at(3), Elected: at(26400), Proved: at(27100), Released: at(27110),
		ClientsHeld: 112, Outcomes: metrics.Outcomes{Failed: 7, Repeated: 12, Unknown: 2, Resolved: 1},
	}
}
