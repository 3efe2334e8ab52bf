package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

const (
	named    = "SELECT pg_catalog.set_config('application_name', 'citus_internal gpid=10000000123', false)"
	unnamed  = "RESET application_name"
	ofNobody = "citus_internal gpid=999999990000000000 - idle in portero"
)

// ofCitus are the requests of a transaction in two phases at one node, as Citus makes them.
func ofCitus(number int) [][]pgproto3.FrontendMessage {
	one := func(sql string) []pgproto3.FrontendMessage { return []pgproto3.FrontendMessage{q(sql)} }
	return [][]pgproto3.FrontendMessage{
		one(fmt.Sprintf("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT assign_distributed_transaction_id(0, %d, '2026-11-30 10:00:00+00');", number)),
		{&pgproto3.Parse{Query: "UPDATE economy SET x = x + 1"}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		one(fmt.Sprintf("PREPARE TRANSACTION 'citus_0_123_%d_0'", number)),
		one(fmt.Sprintf("COMMIT PREPARED 'citus_0_123_%d_0'", number)),
	}
}

var answersToCitus = []string{"C(BEGIN) T D(NULL) C(SELECT_1) Z(T)", "1 2 n C(UPDATE_1) Z(T)", "C(PREPARE_TRANSACTION) Z(I)", "C(COMMIT_PREPARED) Z(I)"}

func (w *world) prepareEconomy() {
	w.once("create function assign_distributed_transaction_id(int, bigint, timestamptz) returns void language sql as ''")
	w.once("drop table if exists economy")
	w.once("create table economy (x int)")
	w.once("insert into economy values (1)")
	w.t.Cleanup(func() { w.once("drop table economy; drop function assign_distributed_transaction_id") })
}

// idleNames is what the servers between nodes are called.
func idleNames(t *testing.T) string {
	return superuser(t, "select string_agg(application_name, ', ') from pg_stat_activity where application_name like 'citus%'")
}

// What the server says is held back until the client's own frames have reached it: nobody has
// waited for an answer to a question of ours.
func TestATransactionOfCitusCostsNoRoundTripOfOurs(t *testing.T) {
	x := startTap(t)
	w := startBefore(t, x.address, size(1))
	w.prepareEconomy()
	a := w.dial("application_name", citusNames[0])
	eventually(t, "the server is nobody's", func() bool { return idleNames(t) == ofNobody })
	x.take()
	for i, request := range ofCitus(7) {
		var whole []string
		for _, m := range request {
			switch m := m.(type) {
			case *pgproto3.Query:
				whole = append(whole, m.String)
			case *pgproto3.Parse:
				whole = append(whole, "P("+m.Query+")")
			}
		}
		x.hold()
		a.send(request...)
		eventually(t, "the client's frames reach the server ahead of any answer", func() bool { return x.has(whole[0]) })
		x.release()
		a.expect(answersToCitus[i])
		if answersToCitus[i][len(answersToCitus[i])-2] == 'I' { // it is free
			eventually(t, "the server is nobody's again", func() bool { return idleNames(t) == ofNobody })
		}
	}
	want := []string{named, ofCitus(7)[0][0].(*pgproto3.Query).String, "P(UPDATE economy SET x = x + 1)", "B", "D", "E", "S", "PREPARE TRANSACTION 'citus_0_123_7_0'", unnamed,
		named, "COMMIT PREPARED 'citus_0_123_7_0'", unnamed}
	if got := x.take(); got != strings.Join(want, " | ") {
		t.Errorf("the server was sent\n%s\nnot\n%s", got, strings.Join(want, " | "))
	}
}

// A server that goes from one client to the next is not renamed in between.
func TestAServerBetweenCitusNodesIsNobodysOnlyWhileItIsIdle(t *testing.T) {
	x := startTap(t)
	w := startBefore(t, x.address, size(1))
	a, b := w.dial("application_name", citusNames[0]), w.dial("application_name", citusNames[1])
	a.ask("C(BEGIN) Z(T)", q("begin"))
	b.send(q("select 2"))
	eventually(t, "a client waits", func() bool { return w.stateOf(b.number()).State == "waiting" })
	x.take()
	a.ask("C(COMMIT) Z(I)", q("commit"))
	b.expect(strings.Replace(answer, "D(1)", "D(2)", 1))
	eventually(t, "the server is nobody's", func() bool { return idleNames(t) == ofNobody })
	if want := "commit | " + strings.Replace(named, "10000000123", "20000000007", 1) + " | select 2 | " + unnamed; x.take() != want {
		t.Errorf("the server was not sent %q", want)
	}
}

// Citus finds the backends of a session by its number, in pg_stat_activity, and cancels them.
func TestABackendIsFoundByTheGpidOfTheSessionThatItWorksFor(t *testing.T) {
	w := start(t, size(3))
	w.prepareEconomy()
	for round := range 5 {
		a, b := w.dial("application_name", citusNames[round%2]), w.dial("application_name", citusNames[2])
		b.ask("C(BEGIN) Z(T)", q("begin"))
		b.ask("C(UPDATE_1) Z(T)", q("update economy set x = 2"))
		a.ask("C(BEGIN) Z(T)", q("begin"))
		a.send(q("update economy set x = 3"))
		waits := "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = '" + citusNames[round%2] + "'"
		eventually(t, "the session is found", func() bool { return superuser(t, waits) == "1" })
		if got := superuser(t, "select count(*) from pg_stat_activity where application_name like 'citus%' and state <> 'idle' and application_name not in ('"+
			citusNames[round%2]+"', '"+citusNames[2]+"')"); got != "0" {
			t.Errorf("%s backends at work go by other names", got)
		}
		superuser(t, "select count(pg_cancel_backend(pid)) from pg_stat_activity where application_name = '"+citusNames[round%2]+"'")
		a.expect("E(ERROR_57014) Z(E)")
		a.ask("C(ROLLBACK) Z(I)", q("rollback"))
		b.ask("C(ROLLBACK) Z(I)", q("rollback"))
		a.quit()
		b.quit()
	}
}

// Clients that set what they like and share servers are always called what they are.
func TestNoStatementRunsUnderTheNameOfAnother(t *testing.T) {
	w := start(t, size(2), loops(2))
	const each = 60
	names := []string{citusNames[0], citusNames[1], citusNames[2], "plain", "it's", "näme", "other"}
	done := make(chan error, len(names))
	for _, name := range names {
		r := w.dial("application_name", name)
		go func() { done <- r.namedThroughout(each) }()
	}
	for range names {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// namedThroughout asks the server for its name, in many transactions: it is the same as in
// the first.
func (r *raw) namedThroughout(times int) error {
	first := ""
	for i := range times {
		r.fe.Send(q("begin; select application_name from pg_stat_activity where pid = pg_backend_pid(); commit"))
		if err := r.fe.Flush(); err != nil {
			return err
		}
		name := ""
		for ended := false; !ended; {
			m, err := r.fe.Receive()
			if err != nil {
				return err
			}
			switch m := m.(type) {
			case *pgproto3.DataRow:
				name = string(m.Values[0])
			case *pgproto3.ErrorResponse:
				return fmt.Errorf("%s: %s", m.Code, m.Message)
			case *pgproto3.ReadyForQuery:
				ended = true
			}
		}
		if i == 0 {
			first = name
		} else if name != first {
			return fmt.Errorf("%q is called %q", first, name)
		}
	}
	return nil
}
