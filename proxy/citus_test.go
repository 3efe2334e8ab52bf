package proxy_test

import (
	"fmt"
	"strings"
	"testing"
)

// What Citus' nodes call their connections to each other, and two of others.
var citusNames = []string{
	"citus_internal gpid=10000000123", "citus_internal gpid=20000000007", "citus_internal gpid=10000000123 - from 10.0.0.1:5432",
	"citus_rebalancer gpid=10000000124", "citus_run_command gpid=10000000125", "psql", "citus_internal", "a citus_internal gpid=1",
}

// citusKinds is which of those may share servers.
var citusKinds = []string{"internal", "internal", "internal", "rebalancer", "run_command", "", "", ""}

func TestConnectionsBetweenCitusNodesKeepTheirNamesAndServersToThemselves(t *testing.T) {
	for poolMode, servers := range map[string]int{"transaction": 1, "session": len(citusNames)} {
		t.Run(poolMode, func(t *testing.T) {
			w := start(t, mode(poolMode), size(servers))
			clients := make([]*raw, len(citusNames))
			for i, name := range citusNames {
				clients[i] = w.dial("application_name", name)
			}
			kindOf := map[string]string{}
			for round := range 10 {
				for i, c := range clients {
					what := fmt.Sprintf("round %d, %s", round, citusNames[i])
					if got := c.value("select application_name from pg_stat_activity where pid = pg_backend_pid()"); got != asShown(citusNames[i]) {
						t.Fatalf("%s: goes by %q", what, got)
					}
					c.ask("C(BEGIN) T D(1) C(SELECT_1) Z(T)", q("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT 1;"))
					pid := c.value("select pg_backend_pid()")
					if kind, known := kindOf[pid]; known && kind != citusKinds[i] {
						t.Fatalf("%s: has a server of kind %q", what, kind)
					}
					kindOf[pid] = citusKinds[i]
					if got := c.value("show application_name"); got != asShown(citusNames[i]) {
						t.Fatalf("%s: in the transaction it is %q", what, got)
					}
					c.ask("C(COMMIT) Z(I)", q("commit"))
				}
			}
			if poolMode == "transaction" && len(kindOf) != 4 {
				t.Errorf("%d servers for four kinds in pools of one", len(kindOf))
			}
		})
	}
}

// A node looks at the name in the login already, to tell its clients from the
// connections of other nodes.
func TestServersBetweenCitusNodesLogInByANameOfTheirKind(t *testing.T) {
	w := start(t)
	const login = "select reset_val from pg_settings where name = 'application_name'"
	for i, name := range citusNames[:5] {
		if got, want := w.dial("application_name", name).value(login), "citus_"+citusKinds[i]+"_gpid=999999990000000000_-_idle_in_portero"; got != want {
			t.Errorf("the server of %q has logged in as %q, not as %q", name, got, want)
		}
	}
	if got := w.dial("application_name", "psql").value(login); got != "" {
		t.Errorf("a server for all has logged in as %q", got)
	}
}

// asShown is a name as a raw client's value has it.
func asShown(name string) string { return strings.ReplaceAll(name, " ", "_") }

func TestAServerWhoseClientHasTakenOrLeftACitusNameIsClosed(t *testing.T) {
	for _, poolMode := range []string{"transaction", "session"} {
		for _, change := range []struct{ from, to string }{
			{"psql", citusNames[0]}, {citusNames[0], "psql"}, {citusNames[0], citusNames[3]},
		} {
			t.Run(poolMode+": "+change.from+" to "+change.to, func(t *testing.T) {
				w := start(t, mode(poolMode), size(1))
				a := w.dial("application_name", change.from)
				a.query("set application_name = '" + change.to + "'")
				if got := a.value("show application_name"); got != asShown(change.to) {
					t.Errorf("the client goes by %q", got)
				}
				pid := a.value("select pg_backend_pid()")
				a.quit()
				if b := w.dial("application_name", change.from); b.value("select pg_backend_pid()") == pid {
					t.Error("the server was lent on")
				}
			})
		}
	}
}

// Citus begins a transaction by one Query of several statements.
func TestCitusBeginsAndPreparesATransactionAcrossServers(t *testing.T) {
	w := start(t, size(2))
	w.once("create function assign_distributed_transaction_id(int, bigint, timestamptz) returns void language sql as ''")
	w.once("create table citus_rows (x int)")
	a := w.dial("application_name", citusNames[0])
	a.ask("C(BEGIN) C(SET) C(SAVEPOINT) T D(NULL) C(SELECT_1) Z(T)", q("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SET LOCAL citus.defer_drop_after_shard_move TO 'on';"+
		"SAVEPOINT savepoint_1;SELECT assign_distributed_transaction_id(1, 7, '2026-11-29 10:00:00+00');"))
	a.ask("C(INSERT_0_1) Z(T)", q("insert into citus_rows values (1)"))
	a.ask("C(PREPARE_TRANSACTION) Z(I)", q("PREPARE TRANSACTION 'citus_1_1_7_0'"))
	b := w.dial("application_name", citusNames[1])
	b.ask("C(COMMIT_PREPARED) Z(I)", q("COMMIT PREPARED 'citus_1_1_7_0'"))
	if got := a.value("select count(*) from citus_rows"); got != "1" {
		t.Errorf("%s rows", got)
	}
	a.query("drop table citus_rows; drop function assign_distributed_transaction_id")
}
