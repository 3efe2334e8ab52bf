package proxy_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/metrics"
)

// secured gives the listener the real server's certificate.
func secured(t *testing.T, mode string) func(*config.Config) {
	t.Helper()
	files := postgres(t).Certificate
	return func(c *config.Config) {
		c.Listeners[0].TLS = config.ListenerTLS{Cert: files.Cert, Key: files.Key, Mode: mode}
	}
}

// serverTLS asks for TLS on the way to the servers.
func serverTLS(t *testing.T, mode string) func(*config.Config) {
	t.Helper()
	ca := postgres(t).Certificate.CA
	return func(c *config.Config) { c.Clusters[0].TLS = config.ServerTLS{Mode: mode, CA: ca} }
}

// shake runs the client's half of a TLS handshake.
func shake(t *testing.T, conn net.Conn, protocols ...string) *tls.Conn {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(must(os.ReadFile(postgres(t).Certificate.CA))(t))
	c := tls.Client(conn, &tls.Config{RootCAs: roots, ServerName: "localhost", NextProtos: protocols})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

var sslRequest = []byte{0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}

var gssRequest = []byte{0, 0, 0, 8, 4, 0xd2, 0x16, 0x30}

// answers reads one byte.
func (r *raw) answers(want byte) {
	r.t.Helper()
	b := make([]byte, 1)
	if _, err := r.conn.Read(b); err != nil || b[0] != want {
		r.t.Fatalf("%q, %v; want %q", b, err, want)
	}
}

// secure asks for TLS and goes over to it.
func (r *raw) secure(t *testing.T) *raw {
	t.Helper()
	r.sendBytes(sslRequest)
	r.answers('S')
	return plugInto(t, shake(t, r.conn))
}

func TestTLSClient(t *testing.T) {
	for _, mode := range []string{"prefer", "require"} {
		w := start(t, secured(t, mode))
		r := w.plug().secure(t)
		r.login("user", "app")
		r.ask(answer, q("select 1"))
		r.quit()
		if code := w.sqlState("app", "", "sslmode=verify-full", "sslrootcert="+postgres(t).Certificate.CA); code != "" {
			t.Errorf("%s: %s", mode, code)
		}
		out, err := w.psql([]string{"PGSSLMODE=require"}, "-c", "select ssl from pg_stat_ssl where pid = pg_backend_pid()")
		if err != nil || out != "f" {
			t.Errorf("%s: psql: %s, %v", mode, out, err)
		}
	}
}

func TestPlainClientOfATLSListener(t *testing.T) {
	start(t, secured(t, "prefer")).dial().ask(answer, q("select 1"))
	r := start(t, secured(t, "require")).plug()
	r.startup("user", "app")
	r.expect("E(FATAL_28000)")
	r.ended()
}

func TestTLSIsRefusedWithoutACertificateAndThePlainLoginGoesOn(t *testing.T) {
	w := start(t)
	for _, order := range [][][]byte{{sslRequest}, {gssRequest}, {gssRequest, sslRequest}, {sslRequest, gssRequest}} {
		r := w.plug()
		for _, request := range order {
			r.sendBytes(request)
			r.answers('N')
		}
		r.login("user", "app")
		r.ask(answer, q("select 1"))
	}
}

func TestGSSRequestBeforeTLS(t *testing.T) {
	r := start(t, secured(t, "require")).plug()
	r.sendBytes(gssRequest)
	r.answers('N')
	r = r.secure(t)
	r.login("user", "app")
	r.ask(answer, q("select 1"))
}

func TestDirectTLSNeedsALPN(t *testing.T) {
	w := start(t, secured(t, "require"))
	defer w.refusedAtOnce()
	r := plugInto(t, shake(t, w.plug().conn, "postgresql"))
	r.login("user", "app")
	r.ask(answer, q("select 1"))
	r = plugInto(t, shake(t, w.plug().conn))
	r.startup("user", "app")
	if said := r.lastWord(); !strings.Contains(said, "08P01") || !strings.Contains(said, "without ALPN") {
		t.Error(said)
	}
	r.ended()
	other := tls.Client(w.plug().conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err := other.Handshake(); err == nil || !strings.Contains(err.Error(), "no application protocol") {
		t.Errorf("with the name of another protocol: %v", err)
	}
}

func TestChannelBinding(t *testing.T) {
	w := start(t, secured(t, "require"), authBy(t, "scram-sha-256", user("scrammer", "secret")))
	env := []string{"PGUSER=scrammer", "PGPASSWORD=secret", "PGSSLMODE=require", "PGCHANNELBINDING=require"}
	if out, err := w.psql(env, "-c", "select 1"); err != nil || out != "1" {
		t.Errorf("%s, %v", out, err)
	}
}

func TestTLSOnBothSidesRelaysALargeResult(t *testing.T) {
	w := start(t, secured(t, "require"), serverTLS(t, "verify-full"), size(1))
	r := w.plug().secure(t)
	r.login("user", "app")
	r.ask("T D(t) C(SELECT_1) Z(I)", q("select ssl from pg_stat_ssl where pid = pg_backend_pid()"))
	for range 3 {
		r.send(q("select repeat('x', 1000000) from generate_series(1, 20)"), q("select repeat('x', 100) from generate_series(1, 20000)"))
		if rows, said := r.countRows(); rows != 20 || said != " Z(I)" {
			t.Fatalf("%d rows, %s", rows, said)
		}
		if rows, said := r.countRows(); rows != 20000 || said != " Z(I)" {
			t.Fatalf("%d rows, %s", rows, said)
		}
	}
	pid := r.value("select pg_backend_pid()")
	r.send(q("select pg_sleep(60)"))
	asleep(t, pid)
	conn := must(net.Dial("tcp", w.address()))(t)
	conn.Write(sslRequest)
	conn.Read(make([]byte, 1))
	c := shake(t, conn)
	sendCancel(t, c, r)
	c.Close()
	r.expect("T E(ERROR_57014) Z(I)")
	killBackend(t, pid)
	w.noServerLeft()
	r.ask(answer, q("select 1"))
}

func TestHugeResultOverTLSToASlowClientTakesNoMemory(t *testing.T) {
	r := start(t, secured(t, "require"), serverTLS(t, "require")).plug().secure(t)
	r.login("user", "app")
	grown := heapGrowth(func(look func()) {
		r.send(q("select repeat('x', 1000000) from generate_series(1, 60)"))
		stalledOnClient(t)
		look()
		r.drink(60*1000000, 16<<20, look)
	})
	if grown > maxGrowth {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestTLSClientThatVanishesMidHandshake(t *testing.T) {
	sideBySide(t)
	w := start(t, secured(t, "require"), limits(func(p *config.Pool) { p.ClientLoginTimeout = time.Second }))
	r := w.plug()
	r.sendBytes(sslRequest)
	r.answers('S')
	r.sendBytes([]byte{0x16, 3, 1, 1, 0, 1}) // and no more
	if n, _ := r.conn.Read(make([]byte, 100)); n != 0 {
		t.Errorf("%d bytes in the middle of a handshake", n)
	}
	r = w.plug()
	r.sendBytes(append(append([]byte(nil), sslRequest...), "stuffed behind it"...))
	r.expect("E(FATAL_08P01)")
	r.ended()
	ok := w.plug().secure(t)
	ok.login("user", "app")
	ok.ask(answer, q("select 1"))
}

// A client that closes its connection under TLS without close_notify has gone like
// any other, whatever it was at: no noise in the log, and its server is free.
func TestTLSClientThatClosesWithoutAWord(t *testing.T) {
	w := start(t, secured(t, "require"), size(1))
	for _, at := range []messages{nil, {q("begin")}, {q("select pg_sleep(60)")}, {parse("select 1"), &pgproto3.Flush{}}} {
		below := w.plug()
		r := below.secure(t)
		r.login("user", "app")
		r.ask(answer, q("select 1"))
		if len(at) > 0 {
			r.send(at...)
			eventually(t, "it has a server", func() bool { return w.pools.States()[0].ServersActive == 1 })
		}
		below.conn.Close()
		eventually(t, "it is gone", func() bool { return w.proxy.Clients() == 0 })
		w.allServersFree()
	}
	// One that leaves unread what it was sent resets its connection.
	if n := w.process.Ended(); n[metrics.ClientClosed] == 0 || n[metrics.ClientClosed]+n[metrics.ClientGone] != 4 {
		t.Errorf("they ended otherwise: %v", n)
	}
	if log := w.log.text(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
		t.Errorf("logged: %s", log)
	}
}

// What was asked before a goodbye is answered, though the client's side is closed.
func TestTLSClientThatSaysGoodbyeAndClosesItsSideIsAnswered(t *testing.T) {
	w := start(t, secured(t, "require"), size(1))
	r := w.plug().secure(t)
	r.login("user", "app")
	r.send(q("select 1 from pg_sleep(0.1)"), &pgproto3.Terminate{})
	closeWrite(t, r)
	r.expect(answer)
	r.ended()
}

// tickets counts what a client is given to come back with.
type tickets struct{ given int }

func (c *tickets) Put(string, *tls.ClientSessionState) { c.given++ }

func (c *tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }

func TestNobodyIsGivenASessionTicket(t *testing.T) {
	w := start(t, secured(t, "require"))
	r := w.plug()
	r.sendBytes(sslRequest)
	r.answers('S')
	var got tickets
	c := tls.Client(r.conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", ClientSessionCache: &got})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	plugInto(t, c).login("user", "app") // what it reads there comes behind a ticket
	if got.given > 0 {
		t.Errorf("%d tickets", got.given)
	}
}
