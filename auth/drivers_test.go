package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// openDoor listens on loopback and handles each client by d, over TLS when
// cert is given; what Client returned of each goes to the channel.
func openDoor(t *testing.T, d door, cert *tls.Certificate) (port int, results <-chan doorResult) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan doorResult, 16)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			out <- handle(conn, d, cert)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().(*net.TCPAddr).Port, out
}

type doorResult struct {
	creds Credentials
	err   error
}

func handle(conn net.Conn, d door, cert *tls.Certificate) doorResult {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	var rw io.ReadWriter = conn
	if cert != nil {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err != nil { // SSLRequest
			return doorResult{err: err}
		}
		if _, err := conn.Write([]byte{'S'}); err != nil {
			return doorResult{err: err}
		}
		rw = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{*cert}})
	}
	c, err := d.let(rw)
	if err == nil {
		serveQueries(rw)
	}
	return doorResult{c, err}
}

// makeCertificate returns a self-signed certificate for 127.0.0.1.
func makeCertificate(t *testing.T) (tls.Certificate, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, leaf
}

// driver is a client program or library that logs in and out.
type driver struct {
	name    string
	connect func(ctx context.Context, port int, user, password, options string) error
}

func drivers(t *testing.T) []driver {
	all := []driver{{"pgconn", connectPgconn}}
	if bin, err := lab.PostgresBin(); err == nil {
		return append(all, driver{"psql", psql(filepath.Join(bin, "psql"))})
	}
	t.Log("no psql here: pgconn only")
	return all
}

func conninfo(port int, user, options string) string {
	return fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=x connect_timeout=20 %s", port, user, options)
}

func connectPgconn(ctx context.Context, port int, user, password, options string) error {
	conn, err := pgconn.Connect(ctx, conninfo(port, user, options+" password='"+password+"'"))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "select 1").ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// psql is libpq. -w: it does not ask for a password, it gives up.
func psql(path string) func(context.Context, int, string, string, string) error {
	return func(ctx context.Context, port int, user, password, options string) error {
		cmd := exec.CommandContext(ctx, path, "-X", "-w", "-c", "select 1", conninfo(port, user, options))
		cmd.Env = []string{"PGPASSWORD=" + password, "HOME=" + filepath.Dir(path)}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
}

func TestDriversLogInByAllMethods(t *testing.T) {
	for _, method := range []string{"trust", "password", "md5", "scram-sha-256"} {
		port, results := openDoor(t, newDoor(t, method, pencilUsers()), nil)
		for _, d := range drivers(t) {
			for _, user := range []string{"plain", "hashed", "scram"} {
				wanted := method != "scram-sha-256" || user != "hashed"
				err := d.connect(t.Context(), port, user, "pencil", "sslmode=disable")
				if r := <-results; (err == nil) != wanted || (r.err == nil) != wanted {
					t.Errorf("%s, %s, %s: %v; %v", d.name, method, user, err, r.err)
				}
				if method == "trust" {
					continue
				}
				err = d.connect(t.Context(), port, user, "wrong", "sslmode=disable")
				<-results
				if want := `password authentication failed for user "` + user + `"`; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s, %s, %s, wrong password: %v", d.name, method, user, err)
				}
			}
		}
	}
}

func TestDriversRequireAndGetChannelBindingToOurCertificate(t *testing.T) {
	cert, leaf := makeCertificate(t)
	d := newDoor(t, "scram-sha-256", pencilUsers())
	d.binding = TLSServerEndPoint(leaf)
	bound, boundResults := openDoor(t, d, &cert)
	d.binding = []byte("the hash of another certificate")
	other, otherResults := openDoor(t, d, &cert)
	d.binding = nil
	without, withoutResults := openDoor(t, d, &cert)
	for _, c := range drivers(t) {
		for _, binding := range []string{"require", "prefer", "disable"} {
			options := "sslmode=require channel_binding=" + binding
			if err := c.connect(t.Context(), bound, "scram", "pencil", options); err != nil {
				t.Errorf("%s, %s: %v", c.name, binding, err)
			}
			if r := <-boundResults; r.err != nil || r.creds.kind != secretKeys {
				t.Errorf("%s, %s: %v, %v", c.name, binding, r.creds, r.err)
			}
		}
		if err := c.connect(t.Context(), other, "scram", "pencil", "sslmode=require channel_binding=require"); err == nil {
			t.Errorf("%s: logged in through a stranger's certificate", c.name)
		}
		if r := <-otherResults; code(r.err) != "28000" {
			t.Errorf("%s: %v", c.name, r.err)
		}
		if err := c.connect(t.Context(), without, "scram", "pencil", "sslmode=require channel_binding=prefer"); err != nil {
			t.Errorf("%s, not offered: %v", c.name, err)
		}
		<-withoutResults
	}
}

func TestPsqlThatHasNoPasswordIsEOF(t *testing.T) {
	bin, err := lab.PostgresBin()
	if err != nil && testing.Short() {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"password", "md5", "scram-sha-256"} {
		port, results := openDoor(t, newDoor(t, method, pencilUsers()), nil)
		err := psql(filepath.Join(bin, "psql"))(t.Context(), port, "plain", "", "sslmode=disable")
		if r := <-results; err == nil || r.err != io.EOF {
			t.Errorf("%s: %v; %v", method, err, r.err)
		}
	}
}
