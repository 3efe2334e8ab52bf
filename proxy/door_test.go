package proxy_test

import (
	"bytes"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sys/unix"

	"portero/config"
	"portero/loop"
	"portero/metrics"
)

// goroutinesIn says how many goroutines are in a function.
func goroutinesIn(function string) int {
	b := make([]byte, 1<<20)
	return bytes.Count(b[:runtime.Stack(b, true)], []byte(function+"("))
}

func TestLoginThatWaitsForItsClientHasNoGoroutine(t *testing.T) {
	w := start(t, loops(2), authBy(t, "scram-sha-256", user("scrammer", storedSecret(t, "scrammer"))))
	var all []*raw
	for range 20 {
		r := w.plug()
		r.startup("user", "scrammer", "database", "app")
		if _, ok := r.receive().(*pgproto3.AuthenticationSASL); !ok {
			t.Fatal("it was not asked for SCRAM")
		}
		all = append(all, r)
	}
	if n := w.process.LoginsInFlight.Load(); n != 20 {
		t.Errorf("%d logins are under way, want 20", n)
	}
	if n := goroutinesIn("loop.(*Task).goOn") + goroutinesIn("proxy.(*Proxy).handshake"); n != 0 {
		t.Errorf("%d logins are not on a loop", n)
	}
	for _, r := range all {
		r.conn.Close()
	}
	eventually(t, "they have gone", func() bool { return w.process.LoginsInFlight.Load() == 0 })
}

func TestLoginIsAnsweredAtOnce(t *testing.T) {
	w := start(t)
	w.dial() // from here on the welcome is known
	r := w.plug()
	r.startup("user", "app")
	b := make([]byte, 64<<10)
	n := must(r.conn.Read(b))(t)
	if !bytes.HasPrefix(b[:n], []byte{'R', 0, 0, 0, 8}) || !bytes.HasSuffix(b[:n], []byte{'Z', 0, 0, 0, 5, 'I'}) {
		t.Errorf("%q", b[:n])
	}
}

func TestClientThatIsHeldHasHeardThatItHasProvedItself(t *testing.T) {
	nobody := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	address := nobody.Addr().String()
	nobody.Close()
	w := startBefore(t, address)
	r := w.plug()
	r.startup("user", "app")
	r.expect("R")
}

func TestLoginTimesOutOnTheLoop(t *testing.T) {
	w := start(t, limits(func(p *config.Pool) { p.ClientLoginTimeout = 100 * time.Millisecond }))
	r := w.plug()
	r.sendBytes([]byte{0, 0, 0, 40, 0, 3, 0, 0, 'u'})
	if said := r.lastWord(); !strings.Contains(said, "client_login_timeout") {
		t.Errorf("it heard %q", said)
	}
	r.conn.Close()
	eventually(t, "it is refused for that", func() bool { return w.process.Refused()[metrics.ClientLoginTimeout] == 1 })
}

func TestLoginByteByByte(t *testing.T) {
	w := start(t, authBy(t, "md5", user("app", "x")))
	r := w.plug()
	m := &pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "app"}}
	for _, b := range []byte{0, 0, 0, 8, 4, 210, 22, 48} { // GSSENCRequest
		r.sendBytes([]byte{b})
	}
	r.answers('N')
	for _, b := range must(m.Encode(nil))(t) {
		r.sendBytes([]byte{b})
	}
	if _, ok := r.receive().(*pgproto3.AuthenticationMD5Password); !ok {
		t.Error("it was not asked for a password")
	}
	r.send(&pgproto3.PasswordMessage{Password: "no"})
	r.expect("E(FATAL_28P01)")
	r.ended()
}

// option is what the proxy's end of a connection has for an option of TCP.
func option(t *testing.T, far net.Conn, option int) int {
	t.Helper()
	for fd := range 4096 {
		if a, err := unix.Getpeername(fd); err == nil && loop.AddressOf(a).String() == far.LocalAddr().String() {
			return must(unix.GetsockoptInt(fd, unix.IPPROTO_TCP, option))(t)
		}
	}
	t.Fatal("the proxy has no such connection")
	return 0
}

func TestReloadedKeepaliveHoldsForWhoComesFromThenOn(t *testing.T) {
	w := start(t, tcp(90*time.Second, 0))
	if idle := option(t, w.dial().conn, unix.TCP_KEEPIDLE); idle != 90 {
		t.Errorf("it is probed behind %d s, want 90", idle)
	}
	w.reload(tcp(40*time.Second, 0))
	r := w.dial()
	if idle := option(t, r.conn, unix.TCP_KEEPIDLE); idle != 40 {
		t.Errorf("it is probed behind %d s, want 40", idle)
	}
	if option(t, r.conn, unix.TCP_NODELAY) != 1 {
		t.Error("what is sent to it may be delayed")
	}
}

func TestShutdownEndsLoginsOnTheLoop(t *testing.T) {
	w := start(t, loops(2))
	var all []*raw
	for range 6 {
		r := w.plug()
		r.sendBytes([]byte{0, 0, 0, 40})
		all = append(all, r)
	}
	w.accepted(6)
	w.close()
	for _, r := range all {
		if n, err := r.conn.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes", n)
		}
	}
}
