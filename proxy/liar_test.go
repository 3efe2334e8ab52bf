package proxy_test

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"

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
		{"dies in COMMIT", true, "commit", closes, "E(ERROR_08007) Z(I)"},
		{"ends a COMMIT with FATAL", true, "commit", fatal, "E(ERROR_08007) Z(I)"},
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
		{"begins to replicate", false, "x", says("W\x00\x00\x00\x07\x00\x00\x00"), "E(ERROR_08007) Z(I)"},
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
			if strings.HasSuffix(c.want, "Z(E)") {
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

// unasked: what is wrong with an idle server is not found out by a question for its life.
func unasked(c *config.Config) { c.Pool.ServerCheckDelay = time.Hour }

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
			w := startBefore(t, f.address, size(1), unasked)
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
	w := startBefore(t, f.address, size(1), unasked)
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
			// The answer to the pool's question, before it was asked, and more; all
			// at once, or what comes behind would be taken for a client's answer.
			c.prepare("f", "00000001", "4711")
			c.say(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
				&pgproto3.ReadyForQuery{TxStatus: 'I'}, &pgproto3.ReadyForQuery{TxStatus: 'I'}, &pgproto3.ReadyForQuery{TxStatus: 'I'})
		}
	}
	w := startBefore(t, f.address, size(1))
	r := w.dial()
	r.ask(answer, q("select 1"))
	if n := f.logins.Load(); n != 2 {
		t.Errorf("%d servers were opened", n)
	}
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
				row := &pgproto3.DataRow{Values: [][]byte{bytes.Repeat([]byte("x"), 1000)}}
				for ; !hasBacklog(c.Conn); sent += 16 {
					c.say(row, row, row, row, row, row, row, row, row, row, row, row, row, row, row, row)
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

// hasBacklog reports whether the peer has stopped to read.
func hasBacklog(c net.Conn) bool {
	for range 10 {
		if unread(c) == 0 {
			return false
		}
		<-time.After(2 * time.Millisecond)
	}
	return true
}

// unread is the number of bytes that the peer, a socket of this process, has
// not read from its kernel.
func unread(c net.Conn) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	for _, e := range list {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || portOf(unix.Getsockname(fd)) != c.RemoteAddr().(*net.TCPAddr).Port ||
			portOf(unix.Getpeername(fd)) != c.LocalAddr().(*net.TCPAddr).Port {
			continue
		}
		n, _ := unix.IoctlGetInt(fd, unix.TIOCINQ)
		return n
	}
	return 0
}

func portOf(a unix.Sockaddr, err error) int {
	if in, ok := a.(*unix.SockaddrInet4); ok && err == nil {
		return in.Port
	}
	return 0
}

// An error need not have a code, or anything (CVE-2026-6666 in PgBouncer): what
// there is of it is passed on.
func TestErrorsThatSayLittleArePassedOn(t *testing.T) {
	little := map[string]string{
		"E\x00\x00\x00\x05\x00":                      "E(_)",
		"E\x00\x00\x00\x0cSERROR\x00\x00":            "E(ERROR_)",
		"E\x00\x00\x00\x0bMwhat\x00\x00":             "E(_)",
		"E\x00\x00\x00\x0cC42P01\x00\x00":            "E(_42P01)",
		"E\x00\x00\x00\x09\xff?!\x00\x00":            "E(_)",
		"E\x00\x00\x00\x0cVERROR\x00\x00":            "E(_)",
		"N\x00\x00\x00\x05\x00C\x00\x00\x00\x05\x00": "N() C()",
	}
	for b, want := range little {
		f := startFake(t, lying(map[string]func(*fakeConn) bool{"x": func(c *fakeConn) bool {
			c.Write([]byte(b + "Z\x00\x00\x00\x05I"))
			return true
		}}))
		r := startBefore(t, f.address, size(1)).dial()
		r.ask(want+" Z(I)", q("x"))
		r.ask(answer, q("select 1"))
	}
}

// Nor need one that refuses a login: whoever waits for it is told in the end, with a
// code.
func TestARefusalThatSaysNothingIsARefusal(t *testing.T) {
	f := startFake(t, honest)
	f.prove = func(c *fakeConn) bool {
		c.Write([]byte("E\x00\x00\x00\x05\x00"))
		return false
	}
	w := startBefore(t, f.address, size(1), limits(func(p *config.Pool) { p.QueryWaitTimeout = 300 * time.Millisecond }))
	r := w.plug()
	r.startup("user", "app")
	if said := r.lastWords(); said != "R E(FATAL_08006)" {
		t.Error(said)
	}
}
