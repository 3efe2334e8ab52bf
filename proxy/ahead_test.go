package proxy_test

import (
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
)

func errCancelled() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "57014", Message: "canceling statement due to user request"}
}

// namedFake is a server that answers all, and calls named with each Query that gives it the
// name "second" ahead of a client's own.
func namedFake(t *testing.T, named func(c *fakeConn), behave func(c *fakeConn, m pgproto3.FrontendMessage) bool) *fake {
	return startFake(t, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && strings.Contains(ask.String, "set_config('application_name', 'second'") {
			named(c)
			return true
		}
		switch m.(type) { // the names are set at the logins
		case *pgproto3.Parse:
			c.say(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			c.say(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			c.say(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			c.say(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
		return behave(c, m)
	})
}

// A cancel request of somebody hits the name that goes ahead. The client's statement behind it is
// in the backend's hands already, and runs under another's name: it is cancelled as well, the
// client hears what has come of it, and the server gets its name.
func TestWhatRunsBehindANameThatWasNotTakenIsCancelled(t *testing.T) {
	var names atomic.Int32
	busy := make(chan *fakeConn, 1)
	f := namedFake(t, func(c *fakeConn) {
		if names.Add(1) == 1 {
			c.say(errCancelled(), &pgproto3.ReadyForQuery{TxStatus: 'I'})
			return
		}
		c.rows("second")
		c.say(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && ask.String == "update" {
			busy <- c // it takes its time
			return true
		}
		return honest(c, m)
	})
	f.onCancel = func() {
		(<-busy).say(errCancelled(), &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	logins := f.logins.Load()
	second.ask("E(ERROR_57014) Z(I)", q("update"))
	second.ask(answer, q("select 1"))
	if n := names.Load(); n != 2 {
		t.Errorf("the server was given the name %d times", n)
	}
	first.ask(answer, q("select 1"))
	if n := w.pools.States()[0].Pool.Totals().Errors[metrics.ServerProtocol]; n != 0 || f.cancels.Load() != 1 || f.logins.Load() != logins {
		t.Errorf("%d servers were given up, %d cancel requests sent, %d servers opened", n, f.cancels.Load(), f.logins.Load()-logins)
	}
}

// Whoever is bound to the server would go on at another one without what binds it: here, with the
// rights that it has given up.
func TestWhoIsBoundToAServerThatTakesNoNameIsTold(t *testing.T) {
	f := namedFake(t, func(c *fakeConn) {
		c.say(errCancelled(), &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && strings.HasPrefix(ask.String, "set session authorization") {
			c.say(&pgproto3.ParameterStatus{Name: "session_authorization", Value: "humble"}, &pgproto3.CommandComplete{CommandTag: []byte("SET")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
			return true
		}
		return honest(c, m)
	})
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	second.ask(answer, q("select 1")) // is not bound, and has another server next time
	first.ask(answer, q("select 1"))
	second.send(q("set session authorization humble"))
	second.expect("S(session_authorization=humble) C(SET) Z(I)")
	if said := second.lastWord(); !strings.Contains(said, "Code:08006") {
		t.Errorf("it is told %s", said)
	}
	first.ask(answer, q("select 1"))
}

func TestAClientIsKilledWhileItsServerIsGivenTheNameAgain(t *testing.T) {
	var names atomic.Int32
	f := namedFake(t, func(c *fakeConn) {
		if names.Add(1) == 1 {
			c.say(errCancelled(), &pgproto3.ReadyForQuery{TxStatus: 'I'})
		} // and says nothing to the next
	}, honest)
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	second.send(q("select 1"))
	if _, err := second.conn.Write([]byte{'Q', 0, 0}); err != nil { // the beginning of a next one
		t.Fatal(err)
	}
	eventually(t, "the name goes there again", func() bool { return names.Load() == 2 })
	if !w.proxy.KillClient(second.number()) {
		t.Fatal("it is not there")
	}
	eventually(t, "it is gone", func() bool { return w.proxy.Clients() == 1 })
}

// A transaction that has been opened under another's name is not gone on with.
func TestATransactionUnderANameThatWasNotTakenIsGivenUp(t *testing.T) {
	f := namedFake(t, func(c *fakeConn) {
		c.say(errCancelled(), &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		if ask, ok := m.(*pgproto3.Query); ok && ask.String == "begin" {
			c.say(&pgproto3.CommandComplete{CommandTag: []byte("BEGIN")}, &pgproto3.ReadyForQuery{TxStatus: 'T'})
			return true
		}
		return honest(c, m)
	})
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	second.ask("C(BEGIN) Z(T)", q("begin"))
	second.ask("E(ERROR_08006) Z(E)", q("update"))
	second.ask("C(ROLLBACK) Z(I)", q("rollback"))
	first.ask(answer, q("select 1"))
}

// A client dies while its server takes the name that goes ahead of what it has asked. What cancels
// that is sent when the server is at it: before, it would hit the name.
func TestWhatAClientLeavesBehindANameIsCancelledWhenItRuns(t *testing.T) {
	taken := make(chan struct{})
	take := sync.OnceFunc(func() { close(taken) })
	t.Cleanup(take)
	var named atomic.Bool
	f := namedFake(t, func(c *fakeConn) {
		named.Store(true)
		<-taken
		c.rows("second")
		c.say(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	}, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		ask, ok := m.(*pgproto3.Query)
		return ok && ask.String == "update" || honest(c, m) // it takes its time
	})
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	second.send(q("update"))
	eventually(t, "the server takes the name", named.Load)
	second.conn.(interface{ CloseWrite() error }).CloseWrite()
	io.Copy(io.Discard, second.conn) //nolint:errcheck // to its end
	first.ask("Z(I)", syncs())       // and what the loop had to do then is done
	if s := w.pools.States()[0]; f.cancels.Load() != 0 || s.ServersCancelled != 0 {
		t.Error("a cancel request is sent while the server takes the name")
	}
	take()
	eventually(t, "what runs is cancelled", func() bool { return f.cancels.Load() == 1 })
}
