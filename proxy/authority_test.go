package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"portero/config"
)

// authority signs certificates for clients.
type authority struct {
	t    testing.TB
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its own certificate, PEM
}

func newAuthority(t testing.TB, dir string) *authority {
	t.Helper()
	a := &authority{t: t, dir: dir, file: filepath.Join(dir, "client-ca.crt")}
	a.key = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	a.ca = certificateFor("client CA")
	a.ca.IsCA, a.ca.BasicConstraintsValid, a.ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, a.ca, a.ca, a.key.Public(), a.key))(t)
	a.write(a.file, "CERTIFICATE", der)
	return a
}

// certificateFor is a certificate for a client of that common name, yet to be signed.
func certificateFor(cn string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: cn},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

// issued is the files of a client's certificate.
type issued struct{ cert, key string }

// sign issues a certificate under a file name.
func (a *authority) sign(name string, who *x509.Certificate) issued {
	a.t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(a.t)
	der := must(x509.CreateCertificate(rand.Reader, who, a.ca, key.Public(), a.key))(a.t)
	files := issued{filepath.Join(a.dir, name+".crt"), filepath.Join(a.dir, name+".key")}
	a.write(files.cert, "CERTIFICATE", der)
	a.write(files.key, "PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(key))(a.t))
	return files
}

func (a *authority) write(file, kind string, der []byte) {
	a.t.Helper()
	mode := os.FileMode(0o644)
	if kind == "PRIVATE KEY" { // libpq wants it closed to others
		mode = 0o600
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		a.t.Fatal(err)
	}
}

// certifying gives a listener TLS and a client_ca.
func certifying(t testing.TB, i int, a *authority, mode string) func(*config.Config) {
	files := postgres(t).Certificate
	return func(c *config.Config) {
		c.Listeners[i].TLS = config.ListenerTLS{Cert: files.Cert, Key: files.Key, ClientCA: a.file, Mode: mode}
	}
}

// as goes over to TLS with a client's certificate, if it has one. The error is
// that of the handshake, or of what came in its place.
func (r *raw) as(id issued, protocols ...string) (*raw, error) {
	r.t.Helper()
	c := &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
	if id.cert != "" {
		c.Certificates = []tls.Certificate{must(tls.LoadX509KeyPair(id.cert, id.key))(r.t)}
	}
	conn := tls.Client(r.conn, c)
	err := conn.Handshake()
	return plugInto(r.t, conn), err
}
