package proxy_test

import (
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// packet is a startup packet of any length, code and body.
func packet(length, code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func startupPacket(code uint32, body string) []byte {
	return packet(uint32(8+len(body)), code, body)
}

const version3 = 3 << 16

// refusedAtOnce sees to it that nobody was believed until the time for a login was over:
// that has the same SQLSTATE.
func (w *world) refusedAtOnce() {
	w.t.Helper()
	if n := w.process.Refused()[metrics.ClientLoginTimeout]; n != 0 {
		w.t.Errorf("%d clients were refused for being slow", n)
	}
}

func TestBadFirstBytes(t *testing.T) {
	w := start(t)
	defer w.refusedAtOnce()
	bystander := w.dial()
	long := "user\x00app\x00x\x00" + strings.Repeat("y", 10000) + "\x00\x00"
	cases := []struct {
		name string
		send []byte
		want string
	}{
		{"plain HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "E(FATAL_08P01)"},
		{"garbage", []byte{0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7}, "E(FATAL_08P01)"},
		{"TLS without a certificate of ours", []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, "E(FATAL_08P01)"},
		{"a length too small", packet(7, version3, ""), "E(FATAL_08P01)"},
		{"more than 10 000 bytes", startupPacket(version3, long), "E(FATAL_08P01)"},
		{"a gigabyte", packet(1<<30, version3, "user"), "E(FATAL_08P01)"},
		{"protocol 2.0", startupPacket(2<<16, strings.Repeat("\x00", 280)), "E(FATAL_0A000)"},
		{"protocol 4.0", startupPacket(4<<16, "user\x00app\x00\x00"), "E(FATAL_0A000)"},
		{"no terminator", startupPacket(version3, "user\x00app\x00"), "E(FATAL_08P01)"},
		{"a name without value", startupPacket(version3, "user\x00app\x00database\x00"), "E(FATAL_08P01)"},
		{"bytes behind the terminator", startupPacket(version3, "user\x00app\x00\x00x"), "E(FATAL_08P01)"},
		{"no user", startupPacket(version3, "database\x00app\x00\x00"), "E(FATAL_28000)"},
		{"an empty user", startupPacket(version3, "user\x00\x00\x00"), "E(FATAL_28000)"},
		{"no word for replication", startupPacket(version3, "user\x00app\x00replication\x00perhaps\x00\x00"), "E(FATAL_22023)"},
		{"two requests for TLS", append(append([]byte(nil), sslRequest...), sslRequest...), "N E(FATAL_08P01)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := w.plug()
			r.sendBytes(c.send)
			want, asked := strings.CutPrefix(c.want, "N ")
			if asked {
				r.answers('N')
			}
			r.expect(want)
			r.ended()
			bystander.ask(answer, q("select 1"))
		})
	}
}

func TestTruncatedStartupEndsQuietly(t *testing.T) {
	w := start(t)
	defer w.refusedAtOnce()
	for _, b := range [][]byte{packet(50, version3, "user\x00app"), {0, 0}, sslRequest[:5], sslRequest} {
		r := w.plug()
		r.sendBytes(b)
		closeWrite(t, r)
		r.ended()
	}
	w.dial().ask(answer, q("select 1"))
}

func TestHealthProbeLogsNothing(t *testing.T) {
	w := start(t, secured(t, "prefer"))
	quiet := w.log.text()
	for range 5 {
		w.plug().conn.Close()
		r := w.plug()
		r.sendBytes(sslRequest)
		r.answers('S')
		r.conn.Close()
	}
	eventually(t, "all seen", func() bool { return w.process.ClientsAccepted.Load() == 10 && w.process.LoginsInFlight.Load() == 0 })
	if s := w.log.text(); s != quiet {
		t.Errorf("logged: %s", strings.TrimPrefix(s, quiet))
	}
}

func TestSilentClientIsClosedInTime(t *testing.T) {
	sideBySide(t)
	w := start(t, limits(func(p *config.Pool) { p.ClientLoginTimeout = time.Second }), authBy(t, "password", user("app", "x")))
	silent, half, undecided := w.plug(), w.plug(), w.plug()
	half.sendBytes(packet(50, version3, "user\x00"))
	undecided.startup("user", "app")
	undecided.receive() // asks for a password
	for _, r := range []*raw{silent, half, undecided} {
		r.expect("E(FATAL_08P01)")
		r.ended()
	}
}

func TestClientThatIsLoggedInIsNotUnderTheLoginTimeout(t *testing.T) {
	sideBySide(t)
	w := start(t, limits(func(p *config.Pool) { p.ClientLoginTimeout = time.Second }))
	r := w.dial()
	<-time.After(1200 * time.Millisecond)
	r.ask(answer, q("select 1"))
}

func TestHugePasswordMessage(t *testing.T) {
	w := start(t, authBy(t, "password", user("app", "x")))
	defer w.refusedAtOnce()
	r := w.plug()
	r.startup("user", "app")
	r.receive()
	grown := heapGrowth(func(look func()) {
		r.sendBytes(binary.BigEndian.AppendUint32([]byte{'p'}, 64<<20))
		look()
		r.expect("E(FATAL_08P01)")
		go io.Copy(r.conn, io.LimitReader(zeros{}, 8<<20)) //nolint:errcheck // until it is closed
		r.ended()
		look()
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestOtherMessageInPlaceOfThePassword(t *testing.T) {
	w := start(t, authBy(t, "scram-sha-256", user("app", "x")))
	defer w.refusedAtOnce()
	for _, m := range []pgproto3.FrontendMessage{q("select 1"), &pgproto3.PasswordMessage{Password: "x"}} {
		r := w.plug()
		r.startup("user", "app")
		r.receive()
		r.send(m)
		if s := word(r.receive()); s != "E(FATAL_08P01)" {
			t.Errorf("%T: %s", m, s)
		}
		r.ended()
	}
}

func TestNewerProtocolIsNegotiatedOnce(t *testing.T) {
	w := start(t)
	for _, c := range []struct {
		code    uint32
		options string
		want    []string
	}{{3<<16 | 2, "", nil}, {version3, "_pq_.x\x001\x00_pq_.y\x00\x00", []string{"_pq_.x", "_pq_.y"}}, {3<<16 | 9999, "_pq_.z\x001\x00", []string{"_pq_.z"}}} {
		r := w.plug()
		r.sendBytes(startupPacket(c.code, "user\x00app\x00"+c.options+"\x00"))
		m, ok := r.receive().(*pgproto3.NegotiateProtocolVersion)
		if !ok || m.NewestMinorProtocol != version3 || strings.Join(m.UnrecognizedOptions, " ") != strings.Join(c.want, " ") {
			t.Fatalf("%v: %+v", c, m)
		}
		r.expect("R")
		for ready := false; !ready; {
			switch m := r.receive().(type) {
			case *pgproto3.BackendKeyData:
				if len(m.SecretKey) != 4 { // as 3.0 has it; that of 3.2 may be longer
					t.Errorf("%v: a key of %d bytes", c, len(m.SecretKey))
				}
			case *pgproto3.NegotiateProtocolVersion:
				t.Errorf("%v: negotiated twice", c)
			case *pgproto3.ReadyForQuery:
				ready = true
			}
		}
		r.ask(answer, q("select 1"))
	}
}

func TestBadMessagesOfALoggedInClient(t *testing.T) {
	w := start(t, size(2))
	bystander := w.dial()
	for name, b := range map[string][]byte{
		"unknown type":           {'z', 0, 0, 0, 4},
		"a login message":        {'p', 0, 0, 0, 5, 0},
		"a server's message":     {'T', 0, 0, 0, 4},
		"a length too small":     {'Q', 0, 0, 0, 3},
		"a negative length":      {'Q', 0xff, 0xff, 0xff, 0xff},
		"more than a gigabyte":   {'Q', 0x7f, 0xff, 0xff, 0xff},
		"plain HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"garbage behind a query": append(must(q("select 1").Encode(nil))(t), 0xff, 0xff, 0xff, 0xff, 0xff),
	} {
		t.Run(name, func(t *testing.T) {
			r := w.dial()
			r.sendBytes(b)
			if name != "garbage behind a query" {
				r.expect("E(FATAL_08P01)")
			}
			r.ended()
			bystander.ask(answer, q("select 1"))
			bystander.ask("C(BEGIN) T D(1) C(SELECT_1) C(COMMIT) Z(I)", q("begin; select 1; commit"))
		})
	}
}

func TestServersErrorForAMalformedMessageIsForwarded(t *testing.T) {
	r := start(t, size(1)).dial()
	r.sendBytes([]byte{'B', 0, 0, 0, 5, 'x'}) // a Bind without its end
	r.ask("E(ERROR_08P01) Z(I)", syncs())
	r.ask(answer, q("select 1"))
}

func TestQueriesSentBeforeTheWelcomeAreServed(t *testing.T) {
	w := start(t, size(1))
	r := w.plug()
	hello := must((&pgproto3.StartupMessage{ProtocolVersion: version3, Parameters: map[string]string{"user": "app"}}).Encode(nil))(t)
	r.sendBytes(must(q("select 2").Encode(must(q("select 1").Encode(hello))(t)))(t))
	r.expect("R")
	for word(r.receive()) != "Z(I)" {
	}
	r.expect("T D(1) C(SELECT_1) Z(I) T D(2) C(SELECT_1) Z(I)")
}

func TestBytesOneByOne(t *testing.T) {
	w := start(t, size(1))
	r := w.plug()
	b := must((&pgproto3.StartupMessage{ProtocolVersion: version3, Parameters: map[string]string{"user": "app"}}).Encode(nil))(t)
	for _, m := range []pgproto3.FrontendMessage{q("select 1"), parse("select $1::int"), bind("5"), execute(), syncs(), &pgproto3.Terminate{}} {
		b = must(m.Encode(b))(t)
	}
	for i := range b {
		r.sendBytes(b[i : i+1])
	}
	r.expect("R")
	for word(r.receive()) != "Z(I)" {
	}
	r.expect("T D(1) C(SELECT_1) Z(I) 1 2 D(5) C(SELECT_1) Z(I)")
	r.ended()
}
