package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// streaming begins to stream the WAL from where it is now, to a client that has a slot of its own
// name, which ends with it.
func (w *world) streaming() *raw {
	w.t.Helper()
	r := w.replicate("true")
	r.query("CREATE_REPLICATION_SLOT streamed TEMPORARY PHYSICAL RESERVE_WAL")
	r.send(q("START_REPLICATION SLOT streamed PHYSICAL " + atPublisher(w.t, "select pg_current_wal_lsn()")))
	if m, is := r.receive().(*pgproto3.CopyBothResponse); !is {
		w.t.Fatalf("%s in place of a stream", word(m))
	}
	return r
}

// untilWord reads what streams up to something else, and returns that.
func (r *raw) untilWord() string {
	r.t.Helper()
	for {
		m := r.receive()
		if _, streams := m.(*pgproto3.CopyData); !streams {
			return word(m)
		}
	}
}

// replicating are the clients that replicate, and their servers.
func (w *world) replicating() (clients []metrics.ClientState, servers []metrics.ServerState) {
	w.t.Helper()
	for _, s := range w.proxy.ClientStates(bounded(w.t)) {
		if s.Replication != "" {
			clients = append(clients, s)
		}
	}
	for _, s := range w.pools.ServerStates(bounded(w.t)) {
		if s.Replication != "" {
			servers = append(servers, s)
		}
	}
	return clients, servers
}

// sleepThere has its walsender be at something for long.
func (r *raw) sleepThere() {
	r.t.Helper()
	r.send(q("select pg_sleep(60)"))
	eventually(r.t, "it is asleep", func() bool {
		return atPublisher(r.t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == "1"
	})
}

func noSenders(t *testing.T) {
	t.Helper()
	eventually(t, "the walsenders have ended", func() bool { return senders(t) == "0" })
}

func TestClientsThatReplicateAreShownAsSuch(t *testing.T) {
	w := startPublishing(t, size(7))
	r := w.replicate("database", "application_name", "mover")
	clients, servers := w.replicating()
	if len(clients) != 1 || len(servers) != 1 {
		t.Fatalf("clients %+v, servers %+v", clients, servers)
	}
	c, s := clients[0], servers[0]
	if c.Replication != "logical" || c.State != "active" || c.Application != "mover" || c.Link != s.ID {
		t.Errorf("client %+v", c)
	}
	if s.Replication != "logical" || s.State != "active" || s.Link != c.ID || fmt.Sprint(s.RemotePID) != r.value("select pg_backend_pid()") {
		t.Errorf("server %+v", s)
	}
	for _, p := range w.pools.States() {
		if p.Labels.Mode != "logical-replication" || p.Size != 0 || p.ServersActive != 1 {
			t.Errorf("pool %+v", p)
		}
	}
	r.quit()
	physical := w.streaming()
	if clients, _ := w.replicating(); len(clients) != 1 || clients[0].Replication != "physical" || clients[0].State != "active" {
		t.Errorf("clients %+v", clients)
	}
	physical.conn.Close()
	noSenders(t)
}

// However a client goes, its walsender goes with it.
func TestAWalsenderEndsWithItsClient(t *testing.T) {
	w := startPublishing(t)
	for name, leave := range map[string]func() *raw{
		"at rest, closed":       func() *raw { return w.replicate("database") },
		"streaming, closed":     w.streaming,
		"in a block, closed":    func() *raw { r := w.replicate("database"); r.query("begin"); return r },
		"streaming, goodbye":    func() *raw { r := w.streaming(); r.send(&pgproto3.Terminate{}); return r },
		"in a message, closed":  func() *raw { r := w.replicate("database"); r.sendBytes([]byte{'Q', 0, 0, 1, 0, 's'}); return r },
		"no message, closed":    func() *raw { r := w.replicate("database"); r.sendBytes([]byte{'Q', 0, 0, 0, 1}); return r },
		"at a question, closed": func() *raw { r := w.replicate("database"); r.sleepThere(); return r },
	} {
		r := leave()
		r.conn.Close()
		eventually(t, name+": the walsender has ended", func() bool { return senders(t) == "0" })
	}
}

func TestAClientEndsWithItsWalsender(t *testing.T) {
	w := startPublishing(t)
	kill := func() {
		atPublisher(t, "select count(pg_terminate_backend(pid)) from pg_stat_activity where backend_type = 'walsender'")
	}
	rests, streams := w.replicate("database"), w.streaming()
	kill()
	rests.expect("E(FATAL_57P01)")
	rests.ended()
	if got := streams.untilWord(); got != "E(FATAL_57P01)" {
		t.Errorf("told %s", got)
	}
	streams.ended()
	noSenders(t)
}

// A leader that moves takes its walsenders with it, and who comes again comes to the next.
func TestWalsendersEndWhenTheEpochMoves(t *testing.T) {
	w := startPublishing(t)
	rests, streams := w.replicate("database"), w.streaming()
	w.moveEpoch()
	for _, r := range []*raw{rests, streams} {
		if got := r.untilWord(); got != "E(FATAL_08006)" {
			t.Errorf("told %s", got)
		}
		r.ended()
	}
	noSenders(t)
}

func TestOperatorsCloseWhoReplicates(t *testing.T) {
	w := startPublishing(t)
	for _, come := range []func() *raw{func() *raw { return w.replicate("database") }, w.streaming} {
		r := come()
		clients, _ := w.replicating()
		if len(clients) != 1 || !w.proxy.KillClient(clients[0].ID) {
			t.Fatalf("clients %+v", clients)
		}
		if got := r.untilWord(); got != killed {
			t.Errorf("told %s", got)
		}
		r.ended()
		noSenders(t)
	}
	at := w.replicate("database")
	at.sleepThere()
	clients, _ := w.replicating()
	w.proxy.KillClient(clients[0].ID)
	at.expect(killed)
	noSenders(t) // what it was at is cancelled
	streams := w.replicate("database")
	if err := w.proxy.Kill("app"); err != nil {
		t.Fatal(err)
	}
	streams.expect(killed)
	noSenders(t)
	if err := w.pools.Resume("app"); err != nil {
		t.Fatal(err)
	}
	w.replicate("database").quit()
}

// RECONNECT would wait for ever until who replicates gives up its server.
func TestReconnectCutsWhoReplicates(t *testing.T) {
	w := startPublishing(t)
	r, stays := w.replicate("database"), w.dial("database", "app")
	stays.query("begin")
	if err := w.pools.Reconnect("app"); err != nil {
		t.Fatal(err)
	}
	r.expect("E(FATAL_08006)")
	r.ended()
	stays.ask("C(COMMIT) Z(I)", q("commit"))
	w.replicate("database").quit()
}

// PAUSE waits for who replicates as for a client in session mode.
func TestPauseWaitsForWhoReplicates(t *testing.T) {
	w := startPublishing(t)
	r := w.replicate("database")
	paused := make(chan error, 1)
	go func() { paused <- w.pools.Pause(bounded(t), "app") }()
	eventually(t, "it is ordered", func() bool { yes, _ := w.pools.Ordered("app"); return yes })
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	select {
	case err := <-paused:
		t.Fatalf("PAUSE is over: %v", err)
	default:
	}
	r.quit()
	if err := <-paused; err != nil {
		t.Errorf("PAUSE: %v", err)
	}
	noSenders(t)
	waits := w.plug()
	waits.startup("user", "app", "database", "app", "replication", "database")
	waits.expect("R")
	if err := w.pools.Resume("app"); err != nil {
		t.Fatal(err)
	}
	for word(waits.receive()) != "Z(I)" {
	}
	waits.quit()
}

// SUSPEND has no end to wait for in a stream, which goes on.
func TestSuspendLeavesWhoReplicatesAlone(t *testing.T) {
	w := startPublishing(t)
	rests, streams := w.replicate("database"), w.streaming()
	if err := w.pools.Suspend(bounded(t)); err != nil {
		t.Fatal(err)
	}
	rests.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	w.publish("select pg_switch_wal()")
	if _, is := streams.receive().(*pgproto3.CopyData); !is {
		t.Error("no WAL came")
	}
	if err := w.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	rests.quit()
	streams.conn.Close()
	noSenders(t)
}

// At its end Portero closes a stream, which has no end of its own, and lets what is asked come to
// its end.
func TestShutdownEndsStreamsAtOnceAndQuestionsWhenTheyAreAnswered(t *testing.T) {
	w := startPublishing(t)
	rests, streams, block, asks := w.replicate("database"), w.streaming(), w.replicate("database"), w.replicate("database")
	block.query("begin")
	block.query("select pg_advisory_lock(5)")
	asks.send(q("select pg_advisory_lock(5)"))
	eventually(t, "it waits", func() bool {
		return atPublisher(t, "select count(*) from pg_stat_activity where wait_event = 'advisory'") == "1"
	})
	ended := w.shutdown(patience)
	for _, r := range []*raw{rests, streams} {
		if got := r.untilWord(); got != "E(FATAL_57P01)" {
			t.Errorf("told %s", got)
		}
		r.ended()
	}
	block.ask("T D(t) C(SELECT_1) Z(T)", q("select pg_advisory_unlock(5)"))
	asks.expect("T D() C(SELECT_1) Z(I) E(FATAL_57P01)")
	block.ask("C(COMMIT) Z(I) E(FATAL_57P01)", q("commit"))
	<-ended
}

// None of the times of other clients counts for who replicates.
func TestTimesOfClientsAreNotForWhoReplicates(t *testing.T) {
	const short = 50 * time.Millisecond
	w := startPublishing(t)
	rests, block, asks := w.replicate("database"), w.replicate("database"), w.replicate("database")
	other := w.dial("database", "app")
	block.query("begin")
	w.reload(func(c *config.Config) {
		p := &c.Pool
		p.ClientIdleTimeout, p.QueryTimeout, p.IdleTransactionTimeout, p.TransactionTimeout, p.ServerIdleTimeout, p.ServerLifetime = short, short, short, short, short, short
	})
	asks.ask("T D() C(SELECT_1) Z(I)", q("select pg_sleep(1.5)"))
	other.ended() // client_idle_timeout, and a sweep
	rests.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	block.ask("T D(1) C(SELECT_1) Z(T)", q("select 1"))
}

// Who waits for its walsender has asked nothing that query_timeout could be about.
func TestQueryTimeoutIsNotForWhoWaitsForItsWalsender(t *testing.T) {
	w := startPublishing(t)
	other := w.dial("database", "app")
	w.reload(limits(func(p *config.Pool) { p.QueryTimeout = 100 * time.Millisecond })) // not before, as a login that waits for a server runs into it
	if err := w.pools.Pause(bounded(t), "app"); err != nil {
		t.Fatal(err)
	}
	r := w.plug()
	r.startup("user", "app", "database", "app", "replication", "database")
	r.expect("R")
	eventually(t, "it waits", func() bool { return w.pools.Candidates().ClientsWaiting == 1 })
	other.send(q("select 1")) // and so a time longer than that goes by
	if got := other.lastWord(); !strings.Contains(got, "query_timeout") {
		t.Errorf("told %s", got)
	}
	if err := w.pools.Resume("app"); err != nil {
		t.Fatal(err)
	}
	for word(r.receive()) != "Z(I)" {
	}
	r.quit()
}

func TestACancelRequestReachesTheWalsender(t *testing.T) {
	w := startPublishing(t)
	r := w.replicate("database")
	r.sleepThere()
	w.cancel(r)
	r.expect("T E(ERROR_57014) Z(I)")
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
}

// A reload leaves who replicates where it is, unless its route leads elsewhere, or there is none.
func TestReloadsAndWhoReplicates(t *testing.T) {
	w := startPublishing(t)
	r := w.replicate("database")
	pid := r.value("select pg_backend_pid()")
	w.reload(func(c *config.Config) { c.Routes[0].PoolSize, c.Routes[0].MaxLag = 1, time.Second })
	if got := r.value("select pg_backend_pid()"); got != pid {
		t.Errorf("server %s, not %s", got, pid)
	}
	w.reload(func(c *config.Config) { c.Routes[0].Role = "any" })
	r.expect("E(FATAL_57P01)")
	r.ended()
	r = w.replicate("database")
	w.reload(func(c *config.Config) { c.Routes[0].User = "nobody" })
	r.expect("E(FATAL_57P01)")
	r.ended()
}
