package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"portero/auth"
	"portero/config"
	"portero/loop"
)

// listener is one open address with its TLS settings.
type listener struct {
	net.Listener
	cfg     *config.Listener
	tls     *tls.Config // nil: it is not offered
	binding []byte      // channel-binding data of the certificate
}

// socketName is how libpq looks for a socket in a directory (PostgreSQL
// documentation, unix_socket_directories).
const socketName = ".s.PGSQL.6432"

func openListener(c *config.Listener, keepalive time.Duration) (*listener, error) {
	l := &listener{cfg: c}
	var err error
	if path, ok := strings.CutPrefix(c.Address, "unix:"); ok {
		l.Listener, err = listenUnix(path) // without TLS, as in PostgreSQL
	} else if err = l.prepareTLS(); err == nil {
		care := net.ListenConfig{KeepAlive: -1, KeepAliveConfig: loop.KeepAlive(keepalive)} // -1: not even by default
		l.Listener, err = care.Listen(context.Background(), "tcp", c.Address)
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", c.Address, err)
	}
	return l, nil
}

// prepareTLS reads the certificate to show to clients, if there is one.
func (l *listener) prepareTLS() error {
	t, err := tlsFor(l.cfg.TLS)
	if t == nil || err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(t.Certificates[0].Certificate[0])
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	l.tls, l.binding = t, auth.TLSServerEndPoint(leaf)
	return nil
}

// String is the address in use, with unix: before a path.
func (l *listener) String() string {
	if a := l.Addr(); a.Network() == "unix" {
		return "unix:" + a.String()
	}
	return l.Addr().String()
}

// listenUnix opens a socket for everybody, as PostgreSQL does; who may log in
// is decided by the login. A socket that nobody answers on is a leftover.
func listenUnix(path string) (net.Listener, error) {
	if !strings.HasPrefix(filepath.Base(path), ".s.PGSQL.") {
		path = filepath.Join(path, socketName)
	}
	if conn, err := net.Dial("unix", path); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", path, syscall.EADDRINUSE)
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func readPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("client CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("client CA %s: no certificate in it", file)
	}
	return pool, nil
}
