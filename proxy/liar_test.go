package proxy_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
)

const answer = "T D(1) C(SELECT_1) Z(I)"

func TestServerThatLiesIsDroppedAndTheClientTold(t *testing.T) {
	closes := func(*fakeConn) bool { return false }
	says := func(b string) func(*fakeConn) bool {
		return func(c *fakeConn) bool {
			c.Write([]byte(b))
			return true
		}
	}
	fatal := func(c *fakeConn) bool {
		c.say(&pgproto3.ErrorResponse{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: "57P01", Message: "shut down"})
		return false
	}
	cases := []struct {
		name   string
		begin  bool
		ask    string
		behave func(c *fakeConn) bool
		want   string // what the client hears; then the connection lives
	}{
		{"dies without a word", false, "x", closes, "E(ERROR_08007) Z(I)"},
		{"dies in a transaction", true, "x", closes, "E(ERROR_08006) Z(E)"},
		{"dies in COMMIT", true, "commit", closes, "E(ERROR_08007) Z(E)"},
		{"ends a COMMIT with FATAL", true, "commit", fatal, "E(ERROR_08007) Z(E)"},
		{"ends a statement with FATAL", false, "x", fatal, "E(ERROR_08006) Z(I)"},
		{"dies in a row", false, "x", func(c *fakeConn) bool {
			c.Write([]byte("D\x00\x00\x00\x0b\x00\x01\x00\x00\x00\x011" + "D\x00\x00\x00\x10\x00\x01"))
			return false
		}, "D(1) E(ERROR_08007) Z(I)"},
		{"claims a bad length", false, "x", says("T\x00\x00\x00\x03"), "E(ERROR_08007) Z(I)"},
		{"claims a huge length", false, "x", says("D\x7f\xff\xff\xff"), "E(ERROR_08007) Z(I)"},
		{"sends an unknown message", false, "x", says("?\x00\x00\x00\x04"), "E(ERROR_08007) Z(I)"},
		{"sends an empty ReadyForQuery", false, "x", says("Z\x00\x00\x00\x04"), "E(ERROR_08007) Z(I)"},
		{"sends an impossible status", false, "x", says("Z\x00\x00\x00\x05Q"), "E(ERROR_08007) Z(I)"},
		{"answers what was not asked", false, "x", says("1\x00\x00\x00\x04"), "E(ERROR_08007) Z(I)"},
		{"is ready twice", false, "x", says("C\x00\x00\x00\x07ab\x00" + "Z\x00\x00\x00\x05I" + "Z\x00\x00\x00\x05I"), "C(ab) Z(I)"},
		{"asks for a password again", false, "x", says("R\x00\x00\x00\x08\x00\x00\x00\x03"), "E(ERROR_08007) Z(I)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := startFake(t, lying(map[string]func(*fakeConn) bool{c.ask: c.behave}))
			w := startBefore(t, f.address, size(1))
			r := w.dial()
			if c.begin {
				r.ask("C(BEGIN) Z(T)", q("begin"))
			}
			r.ask(c.want, q(c.ask))
			w.dial().ask(answer, q("select 1"))
			if n := f.logins.Load(); n != 2 {
				t.Errorf("%d servers were opened: the liar was not replaced", n)
			}
			if c.begin {
				r.ask("E(ERROR_25P02) Z(E)", q("select 1"))
				r.ask("C(ROLLBACK) Z(I)", q("rollback"))
			}
			r.ask(answer, q("select 1"))
		})
	}
}

func TestServerThatDiesInALargeRowEndsTheClient(t *testing.T) {
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
		c.Write([]byte("D\x00\x10\x00\x00\x00\x01"))
		c.Write(bytes.Repeat([]byte("x"), 100_000))
		return false
	}}))
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	r.send(q("x"))
	if s := r.untilError(); s != "" {
		t.Errorf("in the middle of a row it was told %s", s)
	}
	w.dial().ask(answer, q("select 1"))
}

func TestServerThatIsReadyUnaskedWhileIdleIsReplaced(t *testing.T) {
	for name, b := range map[string]string{"ready": "Z\x00\x00\x00\x05I", "half a message": "N\x00\x00", "fatal": "E\x00\x00\x00\x05\x00"} {
		t.Run(name, func(t *testing.T) {
			poke := make(chan *fakeConn, 1)
			f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
				c.rows("1")
				c.complete("SELECT 1", 'I')
				poke <- c
				return true
			}}))
			w := startBefore(t, f.address, size(1))
			r := w.dial()
			r.ask(answer, q("x"))
			(<-poke).Write([]byte(b))
			eventually(t, "dropped", func() bool { return w.log.has("server closed") })
			r.ask(answer, q("select 1"))
		})
	}
}

func TestServerThatClosesIdleIsReplacedUnseen(t *testing.T) {
	poke := make(chan *fakeConn, 1)
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
		c.rows("1")
		c.complete("SELECT 1", 'I')
		poke <- c
		return true
	}}))
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	r.ask(answer, q("x"))
	(<-poke).Close()
	eventually(t, "dropped", func() bool { return w.log.has("server lost") })
	r.ask(answer, q("select 1"))
}

func TestServerThatTalksBehindItsLoginIsNotUsed(t *testing.T) {
	f := startFake(t, honest)
	f.greet = func(c *fakeConn) {
		if f.logins.Load() == 1 {
			// The answer to the pool's question, before it was asked, and more.
			c.rows("f", "00000001", "4711")
			c.complete("SELECT 1", 'I')
			c.say(&pgproto3.ReadyForQuery{TxStatus: 'I'}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	r.ask(answer, q("select 1"))
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d servers were opened", n)
	}
}

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
	stall := make(chan struct{})
	for name, fails := range map[string]func(c *fakeConn) bool{
		"stalls":                       func(*fakeConn) bool { <-stall; return false },
		"closes":                       func(*fakeConn) bool { return false },
		"sends an empty ReadyForQuery": func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x04")); return true },
		"is ready twice":               func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x05IZ\x00\x00\x00\x05I")); return true },
		"claims a bad length":          func(c *fakeConn) bool { c.Write([]byte("Z\x00\x00\x00\x00")); return true },
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
			w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) { p.ServerConnectTimeout = 300 * time.Millisecond }))
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
	a := w.dial("application_name", "a")
	w.dial("application_name", "b")
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

func TestServerThatStallsInAnAnswerIsClosedWithItsClient(t *testing.T) {
	f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool { return true }}))
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	r.send(q("x"))
	eventually(t, "asked", func() bool { return w.pools.States()[0].ClientsActive == 1 })
	r.conn.Close()
	w.dial().ask(answer, q("select 1"))
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d servers were opened", n)
	}
}

// TestNoSpinWhenAServerClosesBehindAnUnreadResult: the close waits in the
// kernel behind bytes that the client does not take yet, and nothing of them
// is lost.
func TestNoSpinWhenAServerClosesBehindAnUnreadResult(t *testing.T) {
	for name, linger := range map[string]int{"close": -1, "reset": 0} {
		t.Run(name, func(t *testing.T) {
			sent, stalled := 0, make(chan struct{})
			f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
				defer close(stalled)
				for backlog := 0; backlog < 20; sent++ {
					c.say(&pgproto3.DataRow{Values: [][]byte{bytes.Repeat([]byte("x"), 1000)}})
					if unread(c.Conn) == 0 {
						backlog = 0
						continue
					}
					backlog++
					<-time.After(time.Millisecond)
				}
				c.Conn.(*net.TCPConn).SetLinger(linger) //nolint:errcheck // of the test
				return false
			}}))
			r := startBefore(t, f.address, size(1)).dial()
			r.send(q("x"))
			<-stalled
			assertLittleCPU(t)
			if rows, said := r.countRows(); rows != sent || said != "E(ERROR_08007) Z(I)" {
				t.Errorf("%d rows were sent, %d came; then %q", sent, rows, said)
			}
			r.ask(answer, q("select 1"))
		})
	}
}

// unread is the number of bytes that the peer's kernel has and the peer has
// not read (proc(5), /proc/net/tcp).
func unread(c net.Conn) int {
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return 0
	}
	ends := fmt.Sprintf(":%04X 0100007F:%04X ", c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port)
	_, rest, _ := strings.Cut(string(table), ends)
	var state, sending, receiving int
	fmt.Sscanf(rest, "%x %x:%x", &state, &sending, &receiving) //nolint:errcheck // 0 if it is not there
	return receiving
}
