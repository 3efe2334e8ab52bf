package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// quick is a timeout that a test waits for; nearly is what a statement takes that
// must not run into it, and twice does.
const (
	quick  = 2 * time.Second
	nearly = "select pg_sleep(1.2)"
)

// expired is how a client's last word tells a timeout.
func (w *world) expired(r *raw, code, words, setting string, why metrics.Reason) {
	w.t.Helper()
	if got := r.lastWord(); !strings.Contains(got, code) || !strings.Contains(got, words) || !strings.Contains(got, setting) {
		w.t.Errorf("told %s", got)
	}
	r.ended()
	eventually(w.t, why.String(), func() bool { return w.process.Ended()[why] == 1 })
	eventually(w.t, "a line in the log", func() bool { return w.log.has(`reason="` + why.String() + `"`) })
}

func TestAQueryThatTakesTooLongIsCancelledAndItsClientClosed(t *testing.T) {
	sideBySide(t)
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(1), mode(m), limits(func(p *config.Pool) { p.QueryTimeout = quick }))
			a := w.dial()
			a.ask("C(BEGIN) Z(T)", q("begin"))
			a.query(nearly)
			a.query(nearly) // each is one
			a.query("commit")
			a.send(q("select pg_sleep(600), 'too long'"))
			w.expired(a, "57014", "query timeout", "query_timeout is 2s", metrics.QueryTimeout)
			eventually(t, "the statement's end", func() bool {
				return superuser(t, "select count(*) from pg_stat_activity where query like '%too long%' and state = 'active' and pid <> pg_backend_pid()") == "0"
			})
			w.dial().ask(answer, q("select 1"))
		})
	}
}

func TestAClientThatWaitsForAServerRunsIntoQueryTimeoutToo(t *testing.T) {
	w := start(t, size(1), limits(func(p *config.Pool) { p.QueryTimeout = 200 * time.Millisecond }))
	holder, r := w.dial(), w.dial()
	holder.ask("C(BEGIN) Z(T)", q("begin"))
	r.send(q("select 1"))
	w.expired(r, "57014", "query_timeout", "", metrics.QueryTimeout)
	holder.ask("C(COMMIT) Z(I)", q("commit"))
}

func TestATransactionThatTakesTooLongEndsItsClient(t *testing.T) {
	sideBySide(t)
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(1), mode(m), limits(func(p *config.Pool) { p.TransactionTimeout = quick }))
			a := w.dial()
			for range 2 { // each is one
				a.query("begin")
				a.query(nearly)
				a.query("commit")
			}
			a.query("begin")
			a.query("create table half (i int)")
			w.expired(a, "25P04", "transaction timeout", "transaction_timeout is 2s", metrics.TransactionTimeout)
			if got := w.dial().value("select to_regclass('half') is null"); got != "t" {
				t.Error("it was not rolled back")
			}
		})
	}
}

func TestAClientThatIsIdleInATransactionIsClosed(t *testing.T) {
	sideBySide(t)
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(1), mode(m), limits(func(p *config.Pool) { p.IdleTransactionTimeout = 300 * time.Millisecond }))
			a := w.dial()
			a.query("begin")
			a.query(nearly) // it is not idle meanwhile
			w.expired(a, "25P03", "idle transaction timeout", "idle_transaction_timeout is 300ms", metrics.IdleTransactionTimeout)
			b := w.dial()
			b.query("begin")
			b.query("select x") // which fails
			w.expiredAgain(b, "25P03")
			w.dial().ask(answer, q("select 1"))
		})
	}
}

// expiredAgain is expired for the second client of a test.
func (w *world) expiredAgain(r *raw, code string) {
	w.t.Helper()
	if got := r.lastWord(); !strings.Contains(got, code) {
		w.t.Errorf("told %s", got)
	}
	r.ended()
}

func TestAClientThatRestsForTooLongIsClosed(t *testing.T) {
	sideBySide(t)
	for _, m := range []string{"transaction", "session"} {
		t.Run(m, func(t *testing.T) {
			w := start(t, size(2), mode(m), limits(func(p *config.Pool) { p.ClientIdleTimeout = quick }))
			a, b := w.dial(), w.dial()
			b.query("begin")
			a.query("select 1")
			w.expired(a, "57P05", "client_idle_timeout", "client_idle_timeout is 2s", metrics.ClientIdle)
			b.query("commit") // in a transaction it does not rest
		})
	}
}

func TestOneUsersTimeoutsComeBeforeThoseOfAll(t *testing.T) {
	sideBySide(t)
	w := start(t, size(2), func(c *config.Config) {
		c.Pool.ClientIdleTimeout, c.Pool.IdleTransactionTimeout, c.Pool.QueryWaitTimeout = quick, quick, quick
		patient := c.User("postgres")
		patient.Name, patient.ClientIdleTimeout, patient.IdleTransactionTimeout = "postgres", 0, 0
		c.Users = []config.User{patient}
	})
	a, b := w.dial(), w.dial()
	calm, busy := w.superuser(), w.superuser()
	busy.query("begin")
	b.query("begin")
	w.expired(a, "57P05", "client_idle_timeout", "", metrics.ClientIdle)
	w.expired(b, "25P03", "idle transaction timeout", "", metrics.IdleTransactionTimeout)
	calm.ask(answer, q("select 1"))
	busy.query("commit")
}

// Idle clients have no coroutine, so that none can have an alarm of its own: whatever
// loop they rest on and however many they are, one look finds them all.
func TestAllThatRestAreFound(t *testing.T) {
	sideBySide(t)
	w := start(t, loops(2), limits(func(p *config.Pool) { p.ClientIdleTimeout = quick }))
	const clients = 100
	for range clients {
		w.dial()
	}
	eventually(t, "no client", func() bool { return w.proxy.Clients() == 0 })
	if n := w.process.Ended()[metrics.ClientIdle]; n != clients {
		t.Errorf("%d have ended for it", n)
	}
}

// What a client says is a sign that it goes on: a COPY takes as long as its data.
func TestACopyIsNoQueryThatTakesTooLongWhileItsDataComes(t *testing.T) {
	sideBySide(t)
	w := start(t, size(1), limits(func(p *config.Pool) { p.QueryTimeout = quick }))
	a := w.dial()
	a.query("begin")
	a.query("create table copied (i int)")
	a.ask("G", q("copy copied from stdin"))
	for range 3 {
		superuser(t, "select pg_sleep(1.2)")
		a.send(&pgproto3.CopyData{Data: []byte("1\n")})
	}
	a.ask("C(COPY_3) Z(T)", &pgproto3.CopyDone{})
	a.query("rollback")
}
