package loop

import (
	"io"
	"net"
	"time"
)

// Transport carries a tls.Conn: blocking as the net.Conn inside until the
// Socket takes over, then never blocking. Hand it to tls.Server or tls.Client
// in place of the connection.
type Transport struct {
	net.Conn // nil after ForgetConn
	sock     *Socket
}

// ForgetConn lets go of the net.Conn that the socket was opened with, which TLS would keep
// alive for good. Call it behind Open, where nobody else has that connection.
func (s *Socket) ForgetConn() {
	if s.IsTLS() {
		s.beyond.tls.NetConn().(*Transport).Conn = nil
	}
}

// Read is called by crypto/tls.
func (t *Transport) Read(b []byte) (int, error) {
	if t.sock == nil {
		return t.Conn.Read(b)
	}
	n, err := readFD(int(t.sock.fd), b)
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write is called by crypto/tls; on a loop it only fills the Socket's pending bytes.
func (t *Transport) Write(b []byte) (int, error) {
	if t.sock == nil {
		return t.Conn.Write(b)
	}
	t.sock.keepPending(b)
	return len(b), nil
}

// SetWriteDeadline is called by crypto/tls when it says goodbye, too. On a loop nothing blocks.
func (t *Transport) SetWriteDeadline(at time.Time) error {
	if t.Conn == nil {
		return nil
	}
	return t.Conn.SetWriteDeadline(at) //nolint:wrapcheck // it is the connection's own
}

// Close closes the net.Conn, if that is still there.
func (t *Transport) Close() error {
	if t.Conn == nil {
		return nil
	}
	return t.Conn.Close() //nolint:wrapcheck // likewise
}
