package proxy

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"

	"portero/config"
	"portero/metrics"
)

// poor is a listener that is out of descriptors every other time.
type poor struct {
	net.Listener
	calls, end int
}

func (l *poor) Accept() (net.Conn, error) {
	switch l.calls++; {
	case l.calls > l.end:
		return nil, net.ErrClosed
	case l.calls%2 == 0:
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	conn, far := net.Pipe()
	far.Close()
	return conn, nil
}

func (l *poor) Addr() net.Addr { return &net.TCPAddr{} }

func TestWantOfDescriptorsIsNotSaidEachTime(t *testing.T) {
	var log bytes.Buffer
	process := &metrics.Process{}
	p := New(config.Default(), Room{Clients: 100, Logins: 100, Late: 1}, nil, nil, nil, process, slog.New(slog.NewTextHandler(&log, nil)))
	p.accepting.Add(1)
	l := &listener{Listener: &poor{end: 100}}
	l.terms.Store(&terms{cfg: &p.config().Listeners[0]})
	p.accept(l)
	p.handshakes.Wait()
	if n := process.ClientsAccepted.Load(); n != 50 {
		t.Errorf("%d connections were accepted, want 50", n)
	}
	if n := strings.Count(log.String(), "msg=accept"); n < 1 || n > 3 {
		t.Errorf("it is said %d times:\n%s", n, log.String())
	}
}
