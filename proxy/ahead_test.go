package proxy_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/metrics"
)

// A cancel request of somebody hits the name that goes ahead. The client's statement behind it is
// in the backend's hands already, and would run to its end for nobody, under another's name.
func TestWhatRunsBehindANameThatWasNotTakenIsCancelled(t *testing.T) {
	f := startFake(t, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		ask, ok := m.(*pgproto3.Query)
		switch {
		case ok && strings.Contains(ask.String, "set_config('application_name', 'second'"):
			c.say(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "57014", Message: "canceling statement due to user request"},
				&pgproto3.ReadyForQuery{TxStatus: 'I'})
			return true
		case ok && ask.String == "update":
			return true // it takes its time
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
		return honest(c, m)
	})
	w := startBefore(t, f.address, size(1))
	first, second := w.dial("application_name", "first"), w.dial("application_name", "second")
	first.ask(answer, q("select 1"))
	second.ask("E(ERROR_08007) Z(I)", q("update"))
	eventually(t, "what runs is cancelled", func() bool { return f.cancels.Load() == 1 })
	first.ask(answer, q("select 1"))
	if n := w.pools.States()[0].Pool.Totals().Errors[metrics.ServerProtocol]; n != 1 {
		t.Errorf("%d servers were given up", n)
	}
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d servers were opened", n)
	}
}
