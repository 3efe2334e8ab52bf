package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"portero/config"
	"portero/metrics"
)

// nodeClient logs in to a node for an origin.
func (w *world) nodeClient(node, gpid int) *raw {
	return w.dial("database", nodeRoutes[node], "application_name", fmt.Sprintf("citus_internal gpid=%d", gpid))
}

// holds has a client begin a transaction, which holds a server.
func (r *raw) holds() {
	r.t.Helper()
	r.ask("C(BEGIN) Z(T)", q("begin"))
}

// waiting is how many clients wait for a server of the pools.
func (w *world) waiting() (n int) {
	for _, s := range w.pools.States() {
		n += s.ClientsWaiting
	}
	return n
}

// stoodStill is how many were given up because they and others waited for each other.
func (w *world) stoodStill() (n uint64) {
	for _, s := range w.pools.States() {
		n += s.Pool.Totals().Errors[metrics.PoolDeadlock]
	}
	return n
}

func internodeReserve(n int) func(*config.Config) {
	return limits(func(p *config.Pool) { p.InternodeReserve = n })
}

// A prepared transaction's row is what the transaction that has the only server waits for.
func TestWhatSettlesPreparedTransactionsGetsThroughAFullPool(t *testing.T) {
	asApp(t, "create table settled (x int)", "insert into settled values (1)")
	defer asApp(t, "drop table settled")
	for _, database := range []string{"citus", "xa"} {
		for _, how := range []string{"COMMIT PREPARED 'p1'", "ROLLBACK PREPARED 'p1'"} {
			t.Run(database+": "+how, func(t *testing.T) {
				w := start(t, size(1))
				dial := func() *raw { return w.dial() }
				if database == "citus" {
					dial = func() *raw { return w.dial("application_name", "citus_internal gpid=10000000001") }
				}
				a, b, c := dial(), w.dial("application_name", "citus_internal gpid=10000000002"), dial()
				if database == "xa" {
					b = dial()
				}
				a.query("begin; update settled set x = x + 1; prepare transaction 'p1'")
				b.holds()
				b.send(q("update settled set x = x + 1"))
				eventually(t, "the second one waits for the first one's row", func() bool {
					return superuser(t, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'update settled%'") == "1"
				})
				if got := c.query(`SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'p%' AND database = current_database()`); got != "T D(p1) C(SELECT_1) Z(I)" {
					t.Errorf("the list of the prepared ones: %s", got)
				}
				c.query(how)
				b.expect("C(UPDATE_1) Z(T)")
				b.query("rollback")
			})
		}
	}
}

// Who is inside gets a first server of the other pool; who is not waits, though one is free.
func TestNoMoreOriginsComeInThanEachPoolHasServersFor(t *testing.T) {
	w := start(t, betweenNodes(2), internodeReserve(1))
	a, b, c := w.nodeClient(0, 1), w.nodeClient(0, 2), w.nodeClient(1, 3)
	a2, b2 := w.nodeClient(1, 1), w.nodeClient(1, 2)
	a.holds()
	b.holds()
	c.send(q("begin"))
	eventually(t, "the third waits", func() bool { return w.waiting() == 1 })
	a2.holds()
	b2.holds()
	for _, r := range []*raw{a, a2} {
		r.query("commit")
	}
	c.expect("C(BEGIN) Z(T)")
	for _, r := range []*raw{b, b2, c} {
		r.query("commit")
	}
	if n := w.stoodStill(); n != 0 {
		t.Errorf("%d were given up", n)
	}
}

// nodeLogin asks for the login of a further connection of an origin, which is not answered yet,
// and begins a transaction by it.
func (w *world) nodeLogin(node, gpid int) *raw {
	r := w.plug()
	r.startup("user", "app", "database", nodeRoutes[node], "application_name", fmt.Sprintf("citus_internal gpid=%d", gpid))
	r.send(q("begin"))
	return r
}

// welcomed reads the answer to a login.
func (r *raw) welcomed() {
	r.t.Helper()
	for word(r.receive()) != "Z(I)" {
	}
}

// The login of a further connection is answered once there is a place for it, which it then has.
func TestAFurtherConnectionLogsInWhenThereIsAServerForIt(t *testing.T) {
	w := start(t, betweenNodes(2))
	a, b, c := w.nodeClient(0, 1), w.nodeClient(0, 2), w.nodeClient(0, 3)
	a.holds()
	b.holds()
	late := w.nodeLogin(0, 1)
	eventually(t, "the login waits", func() bool { return w.waiting() == 1 })
	c.send(q("begin"))
	eventually(t, "the third waits", func() bool { return w.waiting() == 2 })
	b.query("commit")
	late.welcomed()
	late.expect("C(BEGIN) Z(T)")
	late.query("commit")
	late.quit()
	c.expect("C(BEGIN) Z(T)")
	a.query("commit")
	c.query("commit")
}

// A reload gives the clients another pool, where the first connection is still the first.
func TestAClientThatHasMovedIsStillLoggedIn(t *testing.T) {
	w := start(t, betweenNodes(2))
	a, b := w.nodeClient(0, 1), w.nodeClient(0, 2)
	w.reload(func(c *config.Config) { c.Routes[0].Role = "prefer-replica" })
	a.query("select 1")         // and moves
	probe := w.nodeClient(0, 1) // from now on it is known what such a client is told at its login
	probe.quit()
	a.holds()
	b.holds()
	late := w.plug() // which asks for nothing but its login
	late.startup("user", "app", "database", nodeRoutes[0], "application_name", "citus_internal gpid=1")
	eventually(t, "the login waits", func() bool { return w.waiting() == 1 })
	b.query("commit")
	late.welcomed()
	a.query("commit")
}

// Connections that have been logged in for long each hold one server and want another.
func TestOneOfThoseWhoStandStillIsGivenUp(t *testing.T) {
	sideBySide(t)
	w := start(t, betweenNodes(2))
	var first, second [2]*raw
	for i := range first {
		first[i] = w.nodeClient(0, i+1)
		first[i].holds()
		second[i] = w.nodeClient(0, i+1) // when what was promised to the one before is not kept any more
		first[i].query("commit")
	}
	for i := range first {
		first[i].holds()
	}
	for i := range second {
		second[i].send(q("BEGIN;SELECT 1"))
		if i == 0 {
			eventually(t, "it waits", func() bool { return w.waiting() == 1 })
		}
	}
	second[1].expect("E(ERROR_53300) Z(I)")
	second[1].ask("N(25P01) C(ROLLBACK) Z(I)", q("ROLLBACK"))
	first[1].query("ROLLBACK")
	second[0].expect("C(BEGIN) T D(1) C(SELECT_1) Z(T)")
	second[0].query("commit")
	first[0].query("commit")
	if n := w.stoodStill(); n != 1 {
		t.Errorf("%d were given up", n)
	}
}

// Servers of pinned clients are held without a transaction.
func TestThosePinnedWhoStandStillAreFoundToo(t *testing.T) {
	sideBySide(t)
	w := start(t, betweenNodes(2))
	var first, second [2]*raw
	for i := range first {
		first[i] = w.nodeClient(0, i+1)
		first[i].query("begin; select 1; commit")
		second[i] = w.nodeClient(0, i+1)
	}
	for i := range first {
		first[i].query("create temp table pins (x int)")
	}
	for i := range second {
		second[i].send(q("BEGIN;SELECT 1"))
		if i == 0 {
			eventually(t, "it waits", func() bool { return w.waiting() == 1 })
		}
	}
	second[1].expect("E(ERROR_53300) Z(I)")
	first[0].quit()
	second[0].expect("C(BEGIN) T D(1) C(SELECT_1) Z(T)")
	second[0].query("commit")
}

// Both pools have room; what they have in common has none.
func TestWhoStandsStillForWantOfABoundIsToldWhich(t *testing.T) {
	for setting, edit := range map[string]func(c *config.Config){
		"max_user_connections": limits(func(p *config.Pool) { p.MaxUserConnections = 2 }),
		"max_db_connections":   func(c *config.Config) { c.Routes[0].MaxDBConnections, c.Routes[1].MaxDBConnections = 2, 2 },
	} {
		t.Run(setting, func(t *testing.T) {
			w := start(t, betweenNodes(5), edit)
			a, b, a2, b2 := w.nodeClient(0, 1), w.nodeClient(1, 2), w.nodeClient(1, 1), w.nodeClient(0, 2)
			a.holds()
			b.holds()
			a2.send(q("begin"))
			eventually(t, "the first waits", func() bool { return w.waiting() == 1 })
			b2.send(q("begin"))
			if said := b2.lastWord(); !strings.Contains(said, "Code:53300") || !strings.Contains(said, "Raise "+setting+", or lower citus.max_adaptive_executor_pool_size") {
				t.Errorf("it is told %s", said)
			}
			b2.expect("Z(I)")
			b.query("rollback")
			a2.expect("C(BEGIN) Z(T)")
			a2.query("commit")
			a.query("commit")
		})
	}
}

// Each of two COPYs has one connection and waits for the login of another.
func TestOneOfTheLoginsThatStandStillIsRefused(t *testing.T) {
	sideBySide(t)
	w := start(t, betweenNodes(2))
	var first, second [2]*raw
	for i := range first {
		first[i] = w.nodeClient(0, i+1)
		first[i].holds()
	}
	for i := range second {
		second[i] = w.nodeLogin(0, i+1)
		eventually(t, "it waits", func() bool { return w.waiting() == i+1 })
	}
	second[1].expect("R E(FATAL_53300)")
	second[1].ended()
	first[1].query("ROLLBACK")
	second[0].welcomed()
	second[0].expect("C(BEGIN) Z(T)")
	second[0].query("commit")
	first[0].query("commit")
}

// What runs is no standstill, however long it takes.
func TestWhoeverIsAtWorkIsNotGivenUp(t *testing.T) {
	sideBySide(t)
	w := start(t, betweenNodes(1))
	a := w.nodeClient(0, 1)
	a.holds()
	a.send(q("select pg_sleep(2.5)")) // two looks; the third and fourth come before a login is told why it waits
	late := w.nodeLogin(0, 1)
	a.expect("T D() C(SELECT_1) Z(T)")
	if n := w.stoodStill(); n != 0 {
		t.Errorf("%d were given up while one was at work", n)
	}
	late.expect("R E(FATAL_53300)") // now nothing but itself is in its way
	a.query("commit")
}

// A client dies between the two phases: what it has prepared is left for recovery, which
// comes through the same full pool.
func TestWhatADeadClientHasPreparedCanBeEnded(t *testing.T) {
	asApp(t, "create table left_behind (x int)", "insert into left_behind values (1)")
	defer asApp(t, "drop table left_behind")
	w := start(t, betweenNodes(2))
	dead := w.nodeClient(0, 1)
	dead.query("begin; update left_behind set x = 2; prepare transaction 'citus_0_1_1_0'")
	dead.conn.Close()
	var others [3]*raw
	for i := range others {
		others[i] = w.nodeClient(0, i+2)
		others[i].send(q("begin; update left_behind set x = 3"))
	}
	eventually(t, "the pool is full", func() bool {
		return superuser(t, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%left_behind%'") == "2"
	})
	recovery := w.nodeClient(0, 100)
	if got := recovery.query(`SELECT gid FROM pg_prepared_xacts WHERE gid LIKE 'citus\_0\_%' AND database = current_database()`); got != "T D(citus_0_1_1_0) C(SELECT_1) Z(I)" {
		t.Fatalf("recovery sees %s", got)
	}
	recovery.ask("C(ROLLBACK_PREPARED) Z(I)", q("ROLLBACK PREPARED 'citus_0_1_1_0'"))
	for _, r := range others {
		r.conn.Close() // their statements are cancelled
	}
	if n := superuser(t, "select count(*) from pg_prepared_xacts"); n != "0" {
		t.Errorf("%s prepared transactions are left", n)
	}
}
