package pool

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

// authority is a certificate with its key.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign makes a certificate for localhost and 127.0.0.1; by nil signs itself.
func sign(t testing.TB, by *authority, edit func(*x509.Certificate)) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	if edit != nil {
		edit(c)
	}
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{cert: c, key: key}
}

func isCA(c *x509.Certificate) {
	c.Subject.CommonName = "an authority"
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

// shown is what a server shows of a: its certificate and those between.
func (a *authority) shown(between ...*authority) *tls.Certificate {
	pair := &tls.Certificate{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}
	for _, b := range between {
		pair.Certificate = append(pair.Certificate, b.cert.Raw)
	}
	return pair
}

// file writes the certificate where a configuration can name it as ca.
func (a *authority) file(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// front stands before a fake with a certificate, and notes each byte that it
// is told besides the request for TLS and the handshake.
type front struct {
	addr string

	mu    sync.Mutex // guards what follows
	cert  *tls.Certificate
	heard []byte
}

// startFront has a fake reached through a front; without a certificate it
// offers no TLS.
func startFront(t testing.TB, f *fake, cert *tls.Certificate) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	x := &front{addr: l.Addr().String(), cert: cert}
	go x.accept(l, f)
	return x
}

func (x *front) accept(l net.Listener, f *fake) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go x.serve(c, f)
	}
}

func (x *front) serve(c net.Conn, f *fake) {
	defer c.Close()
	stop := context.AfterFunc(f.t.Context(), func() { c.Close() })
	defer stop()
	first := make([]byte, len(sslRequest))
	if n, err := c.Read(first); err != nil || n < len(first) {
		return
	}
	x.mu.Lock()
	cert := x.cert
	x.mu.Unlock()
	heard := &witness{Conn: c, front: x}
	switch {
	case string(first) != string(sslRequest):
		heard.first = first
	case cert == nil:
		c.Write([]byte{'N'})
	default:
		c.Write([]byte{'S'})
		secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{*cert}})
		if secured.HandshakeContext(f.t.Context()) != nil {
			return
		}
		heard.Conn = secured
	}
	f.serve(heard)
}

func (x *front) show(cert *tls.Certificate) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cert, x.heard = cert, nil
}

func (x *front) told() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return string(x.heard)
}

// witness notes what is read.
type witness struct {
	net.Conn
	front *front
	first []byte // read before
}

func (e *witness) Read(b []byte) (int, error) {
	n, err := copy(b, e.first), error(nil)
	if e.first = e.first[n:]; n == 0 {
		n, err = e.Conn.Read(b)
	}
	e.front.mu.Lock()
	defer e.front.mu.Unlock()
	e.front.heard = append(e.front.heard, b[:n]...)
	return n, err
}

// securedStage is a stage with TLS as given, and a client of a user with a
// password.
func securedStage(t testing.TB, c config.ServerTLS, host string) (*stage, *Pool, *client) {
	t.Helper()
	s := newStageOf(t, nil, config.Cluster{Name: "main", Discovery: "static", Hosts: []string{host}, TLS: c})
	p, err := s.pools.Join(Key{Cluster: "main", Role: "leader", Database: "postgres", User: "app"}, terms(1, 0), auth.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	return s, p, s.client(p, 0)
}

// What becomes of a server with a mode and a ca.
const (
	plain   = "plain"
	secured = "TLS"
	refused = "refused"
)

// outcome opens a server and says how. It fails the test if one that is
// refused has been asked for only a few times, or for another reason.
func outcome(t *testing.T, c config.ServerTLS, host string) string {
	t.Helper()
	s, p, a := securedStage(t, c, host)
	a.ask()
	var g grant
	wait(t, "a server or its refusal", func() error {
		if len(a.granted) > 0 {
			g = <-a.granted
			return nil
		}
		return until(p.Metrics().Totals().Errors[metrics.ServerConnect] > 2)
	})
	switch {
	case g.err != nil:
		t.Errorf("mode %s: %v", c.Mode, g.err)
		return g.err.Error()
	case g.server == nil:
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := s.pools.clusters()["main"].dial(ctx, host)
		if err == nil || !strings.Contains(err.Error(), "certificate") && !strings.Contains(err.Error(), "does not offer TLS") {
			t.Errorf("mode %s: %v", c.Mode, err)
		}
		return refused
	}
	defer a.release()
	if _, err := a.query("select 1"); err != nil {
		t.Errorf("mode %s: %v", c.Mode, err)
	}
	if g.server.Sock.IsTLS() {
		return secured
	}
	return plain
}

var allModes = []string{"disable", "prefer", "require", "verify-ca", "verify-full"}

// TestServersAreVerifiedAsTheModeAndTheCAAsk: each mode before a real server
// and before an impostor, which must not be told a thing where it is refused.
func TestServersAreVerifiedAsTheModeAndTheCAAsk(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	pg := lab.PostgresForTest(t, lab.PostgresOptions{
		TLS: true, Auth: "scram-sha-256", SQL: []string{"create role app login password 'secret'"},
		Settings: map[string]string{"listen_addresses": "127.0.0.1,127.0.0.2"},
	})
	_, port, _ := net.SplitHostPort(pg.Address())
	root := sign(t, nil, isCA)
	between := sign(t, root, isCA)
	behind := sign(t, between, nil)
	impostor := sign(t, nil, nil)
	ca, stranger := pg.Certificate.CA, impostor.file(t)
	for _, row := range []struct {
		name string
		ca   string
		host string           // a real server, or "" for an impostor
		cert *tls.Certificate // the impostor's, nil for none
		want string           // in each of allModes
	}{
		{"its CA", ca, pg.Address(), nil, "plain TLS TLS TLS TLS"},
		{"another CA", stranger, pg.Address(), nil, "plain refused refused refused refused"},
		{"no CA", "", pg.Address(), nil, "plain TLS TLS refused refused"},
		{"its CA, another name", ca, "127.0.0.2:" + port, nil, "plain TLS TLS TLS refused"},
		{"no TLS", ca, sharedPostgres.ForTest(t).Address(), nil, "plain plain refused refused refused"},
		{"impostor, self-signed", ca, "", impostor.shown(), "plain refused refused refused refused"},
		{"impostor, of another CA of that name", root.file(t), "", sign(t, sign(t, nil, isCA), nil).shown(), "plain refused refused refused refused"},
		{"impostor, of another CA", ca, "", behind.shown(between), "plain refused refused refused refused"},
		{"impostor, nobody asks", "", "", impostor.shown(), "plain TLS TLS refused refused"},
		{"impostor without TLS", ca, "", nil, "plain plain refused refused refused"},
		{"behind an authority between", root.file(t), "", behind.shown(between), "plain TLS TLS TLS TLS"},
		{"behind one that it does not show", root.file(t), "", behind.shown(), "plain refused refused refused refused"},
		{"expired", root.file(t), "", sign(t, root, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }).shown(), "plain refused refused refused refused"},
		{"a client's certificate", root.file(t), "", sign(t, root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }).shown(), "plain refused refused refused refused"},
	} {
		for i, mode := range allModes {
			t.Run(row.name+", "+mode, func(t *testing.T) {
				host := row.host
				var x *front
				if host == "" {
					x = startFront(t, startFake(t), row.cert)
					host = x.addr
				}
				got := outcome(t, config.ServerTLS{Mode: mode, CA: row.ca}, host)
				if want := strings.Fields(row.want)[i]; got != want {
					t.Errorf("%s, want %s", got, want)
				}
				if x != nil && (x.told() == "") != (got == refused) {
					t.Errorf("%s, and it was told %q", got, x.told())
				}
			})
		}
	}
}

// TestCancelRequestsVerifyTheServerToo: the key in one is worth a query to
// whoever took the server's place meanwhile.
func TestCancelRequestsVerifyTheServerToo(t *testing.T) {
	root := sign(t, nil, isCA)
	right, wrong := sign(t, root, nil).shown(), sign(t, nil, nil).shown()
	for _, mode := range []string{"prefer", "require", "verify-ca", "verify-full"} {
		t.Run(mode, func(t *testing.T) {
			f := startFake(t)
			x := startFront(t, f, right)
			_, p, c := securedStage(t, config.ServerTLS{Mode: mode, CA: root.file(t)}, x.addr)
			server := c.get()
			if err := c.begin().Send(t.Context()); err != nil {
				t.Errorf("to the server itself: %v", err)
			}
			if pid := within(t, "the request", f.cancels); pid != server.PID() {
				t.Errorf("cancels %d, want %d", pid, server.PID())
			}
			x.show(wrong)
			if err := c.begin().Send(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("to an impostor: %v", err)
			}
			if told := x.told(); told != "" || len(f.cancels) > 0 {
				t.Errorf("the impostor was told %q", told)
			}
			x.show(right)
			c.release()
			wait(t, "balance", p.balanced)
		})
	}
}
