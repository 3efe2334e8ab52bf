package proxy

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"portero/auth"
	"portero/config"
)

// listener is one open address.
type listener struct {
	net.Listener
	address string // as the configuration has it
	terms   atomic.Pointer[terms]
}

// terms is what a listener asks of its clients and what it shows them, until a reload
// brings others. Immutable.
type terms struct {
	cfg     *config.Listener
	tls     *tls.Config // nil: it is not offered
	binding []byte      // channel-binding data of the certificate
}

// socketName is how libpq looks for a socket in a directory (PostgreSQL
// documentation, unix_socket_directories).
const socketName = ".s.PGSQL.6432"

// openListener opens the address of a configuration, unless it is open already.
func openListener(c *config.Listener, open net.Listener) (*listener, error) {
	t, err := newTerms(c)
	if err != nil {
		return nil, err
	}
	l := &listener{address: c.Address}
	l.terms.Store(t)
	if path, ok := strings.CutPrefix(c.Address, "unix:"); open != nil {
		l.Listener = open
	} else if ok {
		l.Listener, err = listenUnix(path)
	} else {
		care := net.ListenConfig{KeepAlive: -1} // see door.keepAlive
		care.SetMultipathTCP(false)             // which cannot be told of keep-alive before Linux 6.10
		if c.ReusePort {
			care.Control = reusePort
		}
		l.Listener, err = care.Listen(context.Background(), network(c.Address), c.Address)
	}
	if t, ok := l.Listener.(*net.TCPListener); ok && err == nil {
		l.Listener, err = newDoor(t)
	}
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", c.Address, err)
	}
	return l, nil
}

// network is by which an address is listened at: 0.0.0.0 is all of IPv4 and nothing else, as
// for PostgreSQL, where Go would take IPv6 with it.
func network(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err == nil && at.Addr() == netip.IPv4Unspecified() {
		return "tcp4"
	}
	return "tcp"
}

// reusePort lets other processes of the same user listen at the same address (socket(7),
// SO_REUSEPORT).
func reusePort(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, failed)
}

// newTerms reads the certificate to show to clients, if there is one. On a Unix socket
// there is none, as in PostgreSQL.
func newTerms(c *config.Listener) (*terms, error) {
	t := &terms{cfg: c}
	if !offersTLS(c) {
		return t, nil
	}
	settings, err := tlsFor(c.TLS)
	if err != nil {
		return t, err
	}
	leaf, err := x509.ParseCertificate(settings.Certificates[0].Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("listener %s: certificate: %w", c.Address, err)
	}
	t.tls, t.binding = settings, auth.TLSServerEndPoint(leaf)
	return t, nil
}

func offersTLS(c *config.Listener) bool {
	return !isUnix(c) && c.TLS.Cert != "" && c.TLS.Mode != "disable"
}

func isUnix(c *config.Listener) bool { return strings.HasPrefix(c.Address, "unix:") }

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
