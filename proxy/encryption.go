package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"

	"portero/loop"
	"portero/wire"
)

// encryption answers SSLRequest and GSSENCRequest. Bytes that came before the
// encryption would be taken for encrypted ones (CVE-2021-23214); as PostgreSQL
// does, it refuses them behind a request that it declines, too.
func (h *handshake) encryption(code uint32) error {
	accepted := code == wire.CodeSSL && h.terms.tls != nil
	if !accepted {
		if _, err := h.conn.Write([]byte{'N'}); err != nil {
			return err
		}
	}
	if len(h.stream.Buffered()) > 0 {
		return wire.Fatal(wire.ProtocolViolation, "received unencrypted data after %s request", encryptionName(code))
	}
	if !accepted {
		return nil
	}
	if _, err := h.conn.Write([]byte{'S'}); err != nil {
		return err
	}
	return h.startTLS(&loop.Transport{Conn: h.caller})
}

// encryptionName is what PostgreSQL calls it.
func encryptionName(code uint32) string {
	if code == wire.CodeGSSENC {
		return "GSSAPI encryption"
	}
	return "SSL"
}

func (h *handshake) directTLS() error {
	if err := h.startTLS(&loop.Transport{Conn: &prefixed{Conn: h.caller, first: h.stream.Buffered()}}); err != nil {
		return err
	}
	t := h.conn.(*tls.Conn)
	if t.ConnectionState().NegotiatedProtocol != "postgresql" {
		return wire.Fatal(wire.ProtocolViolation, "received direct SSL connection request without ALPN protocol negotiation extension")
	}
	t.NetConn().(*loop.Transport).Conn = t.NetConn().(*loop.Transport).Conn.(*prefixed).Conn
	return nil
}

func (h *handshake) startTLS(under *loop.Transport) error {
	h.leave()
	t := tls.Server(under, h.terms.tls)
	h.midTLS = true
	err := t.HandshakeContext(h.proxy.ctx)
	switch {
	case errors.Is(err, io.EOF), isReset(err):
		return errQuiet // it only wanted to know whether we take TLS
	case err != nil:
		return fmt.Errorf("TLS handshake: %w", err)
	}
	h.stream.Free()
	h.conn, h.stream, h.midTLS = t, wire.NewStream(t), false
	return nil
}

// prefixed gives back bytes that were read before TLS began.
type prefixed struct {
	net.Conn
	first []byte
}

func (c *prefixed) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}
