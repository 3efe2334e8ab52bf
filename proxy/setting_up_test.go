package proxy_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

// settingUp answers what the proxy itself asks to make a server ready by
// answer, and is honest about all else.
func settingUp(answer func(c *fakeConn) bool) func(*fakeConn, pgproto3.FrontendMessage) bool {
	return func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		switch m.(type) {
		case *pgproto3.Parse, *pgproto3.Bind, *pgproto3.Execute:
			return true
		case *pgproto3.Sync:
			return answer(c)
		}
		return honest(c, m)
	}
}

func (c *fakeConn) isSet() bool {
	c.say(&pgproto3.ParseComplete{}, &pgproto3.BindComplete{}, &pgproto3.CommandComplete{CommandTag: []byte("SET")}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
	return true
}

func TestServerThatCannotBeMadeReadyIsReplaced(t *testing.T) {
	sideBySide(t)
	stall := make(chan struct{})
	for name, fails := range map[string]func(c *fakeConn) bool{
		"stalls":                       func(*fakeConn) bool { <-stall; return false },
		"closes":                       func(*fakeConn) bool { return false },
		"sends an empty ReadyForQuery": func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x04")); return true },
		"is ready twice":               func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x05IZ\x00\x00\x00\x05I")); return true },
		"is ready in a transaction":    func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x05T")); return true },
		"refuses and stays in one": func(c *fakeConn) bool {
			c.say(&pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "22023"}, &pgproto3.ReadyForQuery{TxStatus: 'E'})
			return true
		},
		"claims a bad length": func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x00")); return true },
	} {
		t.Run(name, func(t *testing.T) {
			var f *fake
			f = startFake(t, settingUp(func(c *fakeConn) bool {
				if f.logins.Load() == 1 {
					return fails(c)
				}
				return c.isSet()
			}))
			if name == "stalls" {
				defer close(stall)
			}
			w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) { p.ServerConnectTimeout = time.Second }))
			w.dial("application_name", "x").ask(answer, q("select 1"))
			if n := f.logins.Load(); n != 2 {
				t.Errorf("%d servers were opened", n)
			}
		})
	}
}

func TestCancelWhileTheServerIsMadeReadyDoesNotReachIt(t *testing.T) {
	asked, proceed := make(chan struct{}, 9), make(chan struct{}, 9)
	f := startFake(t, settingUp(func(c *fakeConn) bool {
		asked <- struct{}{}
		<-proceed
		return c.isSet()
	}))
	w := startBefore(t, f.address, size(1))
	proceed <- struct{}{}
	proceed <- struct{}{}
	a := w.dial("TimeZone", "Asia/Tokyo")
	w.dial("TimeZone", "Europe/Rome")
	<-asked
	<-asked
	a.send(q("select 1"))
	<-asked
	w.cancel(a)
	proceed <- struct{}{}
	a.expect("E(ERROR_57014) Z(I)")
	if n := f.cancels.Load(); n != 0 {
		t.Errorf("%d cancel requests reached the server", n)
	}
	a.ask(answer, q("select 1"))
}

func TestServerThatNeverMakesReadyHoldsAClientNoLongerThanItMayWait(t *testing.T) {
	f := startFake(t, func(c *fakeConn, m pgproto3.FrontendMessage) bool {
		_, bye := m.(*pgproto3.Terminate)
		return !bye
	})
	w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) {
		p.ServerConnectTimeout, p.QueryWaitTimeout, p.QueryWaitNotify = 50*time.Millisecond, 300*time.Millisecond, 0
	}))
	r := w.plug()
	r.startup("user", "app", "application_name", "x")
	r.expect("R E(FATAL_08006)")
	r.ended()
}
