package pool

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"portero/config"
	"portero/loop"
	"portero/wire"
)

// serverTLS builds the TLS settings for a cluster's servers; nil means none.
//
// As in libpq, a CA that is given is verified in every mode (PostgreSQL
// documentation, "SSL Support": require with a root certificate is verify-ca).
// Without one, prefer and require take any certificate.
func serverTLS(c config.ServerTLS) (*tls.Config, error) {
	if c.Mode == "disable" {
		return nil, nil
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Mode != "verify-full"}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("server CA: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("server CA %s: no certificate in it", c.CA)
		}
	}
	if c.Mode == "verify-ca" || c.CA != "" && c.Mode != "verify-full" {
		t.VerifyConnection = verifyChain(t.RootCAs)
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("client certificate for servers: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// verifyChain checks that a server's certificate leads to roots, whatever name
// is in it. crypto/tls knows only "with the name" and "not at all"; it runs
// this before the handshake tells the server anything of ours.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		shown := s.PeerCertificates
		between := x509.NewCertPool()
		for _, c := range shown[1:] {
			between.AddCert(c)
		}
		_, err := shown[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: shown, Err: err}
		}
		return nil
	}
}

var sslRequest = wire.SSLRequest()

// secure asks a server for TLS and begins it. Only a server that offers none is
// taken without, and only in mode prefer: where libpq would go on in plain
// after a handshake that failed, an impostor could have all it wants by a
// certificate that does not verify.
func (how *safety) secure(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	if _, err := conn.Write(sslRequest); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, err
	}
	switch answer[0] {
	case 'S':
	case 'N':
		if how.mode == "prefer" {
			return conn, nil
		}
		return nil, errors.New("the server does not offer TLS")
	default:
		return nil, fmt.Errorf("unexpected answer %q", answer[0])
	}
	settings := how.tls.Clone()
	settings.ServerName, _, _ = net.SplitHostPort(address)
	t := tls.Client(&loop.Transport{Conn: conn}, settings)
	return t, t.HandshakeContext(ctx)
}
