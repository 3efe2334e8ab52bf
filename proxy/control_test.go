package proxy_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/config"
	"portero/metrics"
)

const killed = "E(FATAL_57P01)"

// number is a client's in this process, by its cancel key.
func (r *raw) number() uint64 { return uint64(r.id - 1<<30) }

// stateOf is what is known of a client.
func (w *world) stateOf(number uint64) metrics.ClientState {
	w.t.Helper()
	for _, s := range w.proxy.ClientStates(bounded(w.t)) {
		if s.ID == number {
			return s
		}
	}
	w.t.Fatalf("client %d is not there", number)
	panic("unreachable")
}

func (w *world) kill(r *raw) {
	w.t.Helper()
	if !w.proxy.KillClient(r.number()) {
		w.t.Fatalf("client %d is not known", r.number())
	}
}

func TestKillClientClosesItWhereverItIs(t *testing.T) {
	w := start(t, size(1))
	bystander := w.dial()
	t.Run("at rest", func(t *testing.T) {
		r := w.dial()
		r.query("select 1")
		w.kill(r)
		r.expect(killed)
		r.ended()
		eventually(t, "it is not known any more", func() bool { return !w.proxy.KillClient(r.number()) })
		if w.proxy.KillClient(1 << 40) {
			t.Error("one was killed that never was")
		}
	})
	t.Run("in a statement, which ends with it", func(t *testing.T) {
		r := w.dial()
		pid := r.value("select pg_backend_pid()")
		r.send(q("select pg_sleep(60)"))
		asleep(t, pid)
		w.kill(r)
		r.expect(killed)
		r.ended()
		eventually(t, "the statement ends", func() bool {
			return superuser(t, "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and pid = "+pid) == "0"
		})
	})
	t.Run("idle in a transaction, which is rolled back", func(t *testing.T) {
		r := w.dial()
		pid := r.value("select pg_backend_pid()")
		r.query("begin")
		w.kill(r)
		r.expect(killed)
		r.ended()
		eventually(t, "the backend ends", func() bool { return superuser(t, "select count(*) from pg_stat_activity where pid = "+pid) == "0" })
	})
	t.Run("waiting for a server", func(t *testing.T) {
		holder, r := w.dial(), w.dial()
		holder.query("begin")
		r.send(q("select 1"))
		eventually(t, "it waits", func() bool { return w.stateOf(r.number()).State == "waiting" })
		w.kill(r)
		r.expect(killed)
		r.ended()
		holder.query("commit")
	})
	bystander.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	if n := w.process.Ended()[metrics.Killed]; n != 4 {
		t.Errorf("%d were counted", n)
	}
}

func TestKillClosesClientsAndServersOfADatabaseUntilResume(t *testing.T) {
	w := start(t, size(4))
	idle, open, other := w.dial(), w.dial(), w.plug()
	other.login("user", "app", "database", "postgres")
	open.query("begin")
	idle.query("select 1")
	if err := w.proxy.Kill("app"); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*raw{idle, open} {
		r.expect(killed)
		r.ended()
	}
	eventually(t, "no backend is left", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where usename = 'app' and datname = 'app'") == "0"
	})
	other.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	next := w.dial() // what it is to be told is known
	next.send(q("select 1"))
	eventually(t, "it waits", func() bool { return w.stateOf(next.number()).State == "waiting" })
	if err := w.pools.Resume("app"); err != nil {
		t.Fatal(err)
	}
	next.expect("T D(1) C(SELECT_1) Z(I)")
}

func TestADisabledDatabaseRefusesNewClients(t *testing.T) {
	w := start(t)
	r := w.dial()
	if err := w.pools.Disable("app"); err != nil {
		t.Fatal(err)
	}
	late := w.plug()
	late.startup("user", "app")
	late.receive() // AuthenticationOk
	if said := late.lastWord(); !strings.Contains(said, "Severity:FATAL") || !strings.Contains(said, "Code:55000") ||
		!strings.Contains(said, "Message:database does not allow connections: app") {
		t.Error(said)
	}
	r.ask("T D(1) C(SELECT_1) Z(I)", q("select 1"))
	eventually(t, "it is counted", func() bool { return w.process.Refused()[metrics.DatabaseDisabled] == 1 })
	if err := w.pools.Enable("app"); err != nil {
		t.Fatal(err)
	}
	w.dial()
}

// TestAClientOfAPausedDatabaseIsHeldAtItsLogin, where it needs a server for that.
func TestAClientOfAPausedDatabaseIsHeldAtItsLogin(t *testing.T) {
	w := start(t, limits(func(c *config.Pool) { c.QueryWaitTimeout = time.Second }))
	if err := w.pools.Pause(bounded(t), "app"); err != nil {
		t.Fatal(err)
	}
	late := w.plug()
	late.startup("user", "app")
	late.receive()
	// query_wait_timeout goes on in a PAUSE, as in PgBouncer.
	if said := late.lastWord(); !strings.Contains(said, "Code:08006") || !strings.Contains(said, "Clients are held: paused.") {
		t.Error(said)
	}
	if err := w.pools.Resume("app"); err != nil {
		t.Fatal(err)
	}
	w.dial()
}

// TestAPauseLeavesNoConnectionAndListenersHearAgain: the connection by which they hear is closed
// with the servers, and opened again.
func TestAPauseLeavesNoConnectionAndListenersHearAgain(t *testing.T) {
	w := start(t, size(2))
	hearer, sender := w.dial(), w.dial()
	hearer.ask("C(LISTEN) Z(I)", q("listen news"))
	if err := w.pools.Pause(bounded(t), ""); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody is there", func() bool { return superuser(t, "select count(*) from pg_stat_activity where usename = 'app'") == "0" })
	if err := w.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	hearer.ask("C(LISTEN) Z(I)", q("listen more")) // heard from here on for certain
	sender.query("notify news, 'hello'")
	hearer.expect("A(news)")
}

// TestPauseAndResumeCostDriversNoError: 50 cycles beside clients that prepare, begin and commit.
func TestPauseAndResumeCostDriversNoError(t *testing.T) {
	w := start(t, size(4), loops(2))
	const clients, cycles = 12, 50
	superuser(t, "select 1")
	ctx, stop := context.WithCancel(bounded(t))
	ended := make(chan error, clients)
	var done atomic.Int64
	for i := range clients {
		conn := w.pgx("application_name=worker" + strconv.Itoa(i))
		go work(ctx, conn, &done, ended)
	}
	for i := range cycles {
		before := done.Load()
		if err := w.pools.Pause(bounded(t), "app"); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			eventually(t, "nobody is there", func() bool { return superuser(t, "select count(*) from pg_stat_activity where usename = 'app'") == "0" })
			conn := w.pgx("application_name=worker0") // logs in meanwhile, as what it is to be told is known
			conn.Close(bounded(t))
		}
		if err := w.pools.Resume("app"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "work goes on", func() bool { return done.Load() > before })
	}
	stop()
	for range clients {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if n := w.process.Ended()[metrics.Killed]; n > 0 || done.Load() < cycles {
		t.Errorf("%d transactions, %d killed", done.Load(), n)
	}
}

// work is what a driver does, until ctx ends.
func work(ctx context.Context, conn *pgx.Conn, done *atomic.Int64, ended chan<- error) {
	for i := 0; ; i++ {
		if ctx.Err() != nil {
			ended <- nil
			return
		}
		err := pgx.BeginFunc(context.Background(), conn, func(tx pgx.Tx) error {
			var got int
			if err := tx.QueryRow(context.Background(), "select $1::int", i).Scan(&got); err != nil || got != i {
				return fmt.Errorf("%d in place of %d: %w", got, i, err)
			}
			return nil
		})
		if err != nil {
			ended <- err
			return
		}
		done.Add(1)
	}
}

func TestClientsAreDescribed(t *testing.T) {
	w := start(t, size(1))
	rest, active, waiting := w.dial("application_name", "rests"), w.dial("application_name", "works"), w.dial()
	rest.converse(messages{parseAs("s", "select 1"), syncs()})
	active.query("begin")
	waiting.send(q("select 1"))
	eventually(t, "one waits", func() bool { return w.stateOf(waiting.number()).State == "waiting" })
	states := w.proxy.ClientStates(bounded(t))
	if len(states) != 3 {
		t.Fatalf("%+v", states)
	}
	server := w.pools.ServerStates(bounded(t))
	if len(server) != 1 || server[0].Link != active.number() {
		t.Fatalf("%+v", server)
	}
	for _, c := range []struct {
		r    *raw
		want metrics.ClientState
	}{
		{rest, metrics.ClientState{State: "idle", Application: "rests", Statements: 1}},
		{active, metrics.ClientState{State: "active", Application: "works", Link: server[0].ID, Member: server[0].Member}},
		{waiting, metrics.ClientState{State: "waiting"}},
	} {
		got := w.stateOf(c.r.number())
		if got.Address.String() != c.r.conn.LocalAddr().String() || got.Local.String() != w.address() || got.User != "app" || got.Database != "app" || got.Role != "leader" {
			t.Errorf("%+v", got)
		}
		for what, at := range map[string]time.Time{"connected": got.Connected, "requested": got.Requested} {
			if age := time.Since(at); age < 0 || age > patience {
				t.Errorf("%s: %s is %s ago", c.want.State, what, age)
			}
		}
		if (got.Wait > 0) != (got.State == "waiting") {
			t.Errorf("%s waits for %s", got.State, got.Wait)
		}
		if got.State != c.want.State || got.Application != c.want.Application || got.Statements != c.want.Statements || got.Link != c.want.Link || got.Member != c.want.Member {
			t.Errorf("got  %+v\nwant %+v", got, c.want)
		}
	}
	active.query("commit")
	waiting.expect("T D(1) C(SELECT_1) Z(I)")
}

func TestAClientByAUnixSocketIsDescribedByItsProcess(t *testing.T) {
	w := start(t, func(c *config.Config) { c.Listeners[0].Address = "unix:" + t.TempDir() })
	r := plugInto(t, must(net.Dial("unix", strings.TrimPrefix(w.address(), "unix:")))(t))
	r.login("user", "app")
	if got := w.stateOf(r.number()); got.RemotePID != os.Getpid() || got.Address.IsValid() || got.Local.IsValid() || got.TLS != "" {
		t.Errorf("%+v", got)
	}
}

func TestTheEncryptionOfAClientIsDescribed(t *testing.T) {
	w := start(t, secured(t, "require"))
	conn := must(pgx.Connect(bounded(t), strings.Replace(w.dsn("app", ""), "sslmode=disable", "sslmode=require", 1)))(t)
	defer conn.Close(bounded(t))
	states := w.proxy.ClientStates(bounded(t))
	if len(states) != 1 || !strings.HasPrefix(states[0].TLS, "TLSv1.3/TLS_") {
		t.Errorf("%+v", states)
	}
}

// TestManyClientsAreDescribedInSlices: all of them, and others are served meanwhile.
func TestManyClientsAreDescribedInSlices(t *testing.T) {
	const clients = 1500
	w := start(t, loops(2), limits(func(c *config.Pool) { c.MaxClientConn = 2 * clients }))
	for range clients {
		w.dial()
	}
	states := w.proxy.ClientStates(bounded(t))
	seen := make(map[uint64]bool)
	for _, s := range states {
		seen[s.ID] = s.State == "idle"
	}
	if len(states) != clients || len(seen) != clients {
		t.Errorf("%d states of %d clients", len(states), len(seen))
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	w.proxy.ClientStates(gone) // does not wait
}
