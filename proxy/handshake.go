package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/wire"
)

// handshake takes one client from its first byte to the loop. It runs in a
// goroutine of its own and may block, within client_login_timeout.
type handshake struct {
	proxy  *Proxy
	now    *snapshot // in force when it came, and up to its end
	l      *listener
	terms  *terms
	raw    net.Conn // as accepted
	conn   net.Conn // a *tls.Conn once TLS is up
	caller *caller  // what conn reads from, and the stream; nil once a loop has it
	stream *wire.Stream
	until  time.Time // its end, by client_login_timeout
	midTLS bool      // between two protocols: nothing that we say would be understood
}

// errQuiet ends a handshake that is nobody's fault: a probe, a finished cancel
// request, psql going to ask for a password.
var errQuiet = errors.New("nothing to report")

// handshake is the goroutine of one new client.
func (p *Proxy) handshake(l *listener, from *caller) {
	defer p.handshakes.Done()
	stop := context.AfterFunc(p.ctx, func() { from.Close() })
	defer stop()
	now := p.now.Load()
	keepAlive(from.Conn, now.cfg.Pool.TCPKeepalive)
	until := time.Now().Add(now.cfg.Pool.ClientLoginTimeout)
	from.SetDeadline(until) //nolint:errcheck // a closed connection fails at its first use
	h := &handshake{proxy: p, now: now, l: l, terms: l.terms.Load(), until: until, raw: from.Conn, conn: from.Conn, caller: from, stream: wire.NewStream(from)}
	defer func() {
		if h.caller != nil {
			p.gate.callerLeft(from)
		}
	}()
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, debug.Stack())
			h.conn.Close()
		}
	}()
	if err := h.run(stop); err != nil {
		h.refuse(err)
	}
}

// run is the handshake. On success the connection belongs to a loop.
func (h *handshake) run(stop func() bool) error {
	code, body, err := h.negotiate()
	if err != nil {
		return err
	}
	if code == wire.CodeCancel {
		// Before anything is asked of a client, TLS and a certificate too, as
		// in PostgreSQL: the key that it names is its proof, it learns nothing,
		// and libpq before 17 sends it in plain text from a client with TLS.
		h.proxy.Cancel(body, h.conn.RemoteAddr().String())
		return errQuiet
	}
	s, refusal := readStartup(code, body)
	if refusal == nil && h.proxy.asksForConsole(s) {
		return h.toConsole(s)
	}
	if !h.proxy.gate.upgrade(h.proxy.ctx, h.caller) {
		return errTooManyClients()
	}
	if refusal != nil {
		return refusal
	}
	c := h.arrival(s)
	if refusal := h.terms.refusal(c); refusal != nil {
		return refusal
	}
	if h.now.cfg.Pool.ApplicationNameAddHost && s.replication == "" { // by that name a standby is known as synchronous
		s.addHost(addrPort(h.raw.RemoteAddr()))
	}
	return h.login(s, c, stop)
}

func (h *handshake) secure() bool {
	_, ok := h.conn.(*tls.Conn)
	return ok
}

// negotiate answers requests for encryption until the client says what it
// really wants. Each may come once.
func (h *handshake) negotiate() (code uint32, body []byte, err error) {
	first, err := h.stream.Peek(1)
	if err != nil {
		return 0, nil, h.beforeStartup(err)
	}
	if first[0] == tlsHandshake && h.terms.tls != nil {
		if err := h.directTLS(); err != nil {
			return 0, nil, err
		}
	}
	asked := map[uint32]bool{}
	for {
		code, body, err := h.stream.Startup()
		if err != nil {
			return 0, nil, h.beforeStartup(err)
		}
		if code != wire.CodeSSL && code != wire.CodeGSSENC {
			return code, body, nil
		}
		if asked[code] || len(body) > 0 || h.secure() {
			return 0, nil, wire.Fatal(wire.ProtocolViolation, "invalid request for encryption")
		}
		asked[code] = true
		if err := h.encryption(code); err != nil {
			return 0, nil, err
		}
	}
}

// tlsHandshake is the first byte of TLS without an SSLRequest before it
// (PostgreSQL 17, sslnegotiation=direct).
const tlsHandshake = 0x16

// beforeStartup makes a health probe no error and anything else a clear one.
func (h *handshake) beforeStartup(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		return errQuiet
	case errors.Is(err, wire.ErrStartupLength):
		return wire.Fatal(wire.ProtocolViolation, "%s: this port speaks the PostgreSQL protocol", err)
	}
	return err
}

// login authenticates the client, finds its pool and hands it to a loop.
func (h *handshake) login(s startup, c *auth.Arrival, stop func() bool) error {
	if err := h.negotiateVersion(s); err != nil {
		return err
	}
	route := h.now.route(h.l.address, s.database, s.user, nil)
	credentials, err := h.authenticate(c, route)
	if errors.Is(err, io.EOF) {
		return errQuiet
	}
	if err != nil {
		return err
	}
	if route == nil { // which nobody is told who has not proved himself
		return errNoRoute(s.database, s.user)
	}
	if err := h.stream.Write(&pgproto3.AuthenticationOk{}); err != nil {
		return err
	}
	if s.refusal != nil && modes[h.now.target(route, h.terms.cfg, s.database, s.user).as(s.replication).key.Mode] != modeSession {
		return s.refusal
	}
	return h.adopt(s, route, credentials, stop)
}

func errNoRoute(database, user string) *wire.Error {
	return wire.Fatal(wire.UndefinedDatabase, "no route for database \"%s\" and user \"%s\"", printable(database), printable(user))
}

// negotiateVersion tells a client that wants more of the protocol than there is.
func (h *handshake) negotiateVersion(s startup) error {
	if s.minor == 0 && len(s.unknown) == 0 {
		return nil
	}
	return h.stream.Write(&wire.NegotiateProtocolVersion{Newest: 3 << 16, Options: s.unknown})
}
