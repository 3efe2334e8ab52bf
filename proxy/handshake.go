package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/loop"
	"portero/wire"
)

// handshake takes one client from its first byte to the loop, within client_login_timeout. It
// begins as a Task on a loop, where it waits for nobody but the client, and spends no more time
// than a transaction does; what would block or takes long comes behind leave. A client of a
// Unix socket has a goroutine from the beginning.
type handshake struct {
	proxy  *Proxy
	now    *snapshot // in force when it came, and up to its end
	l      *listener
	terms  *terms
	at     *porch   // raw, if that was accepted on a loop; else nil
	raw    net.Conn // as accepted
	conn   net.Conn // a *tls.Conn once TLS is up
	caller *caller  // what conn reads from, and the stream; nil once a loop has it
	stream *wire.Stream
	until  time.Time   // its end, by client_login_timeout
	stop   func() bool // ends the watch over the proxy's end, in a goroutine; false: it has ended
	midTLS bool        // between two protocols: nothing that we say would be understood
}

// errQuiet ends a handshake that is nobody's fault: a probe, a finished cancel
// request, psql going to ask for a password.
var errQuiet = errors.New("nothing to report")

// newHandshake is for a caller that has been let in. at is nil but on a loop.
func (p *Proxy) newHandshake(l *listener, from *caller, at *porch) *handshake {
	now := p.now.Load()
	return &handshake{proxy: p, now: now, l: l, terms: l.terms.Load(), until: time.Now().Add(now.cfg.Pool.ClientLoginTimeout),
		at: at, raw: from.Conn, conn: from.Conn, caller: from, stream: wire.NewStream(from)}
}

// handshake is the goroutine of a client that comes by a Unix socket.
func (p *Proxy) handshake(l *listener, from *caller) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, debug.Stack())
		}
	}()
	h := p.newHandshake(l, from, nil)
	h.heedEnd()
	h.proceed()
}

// begin is the beginning on the loop of its connection.
func (h *handshake) begin() {
	begun := false
	defer func() {
		if !begun { // by an error, or a panic
			h.conn.Close()
			h.over()
		}
	}()
	if err := h.at.sock.Attach(h.at.loop); err != nil {
		h.refuse(err)
		return
	}
	h.at.task = h.at.loop.Start(h)
	begun = true
}

// Run implements loop.Runner.
func (h *handshake) Run(*loop.Task) { h.proceed() }

// proceed is the handshake from end to end.
func (h *handshake) proceed() {
	defer h.over()
	closes := true
	defer func() {
		if closes { // a panic, or the end of the loop
			h.conn.Close()
		}
	}()
	h.conn.SetDeadline(h.until) //nolint:errcheck // a closed connection fails at its first use
	if err := h.run(); err != nil {
		h.refuse(err)
	}
	closes = false
}

// over comes last, whatever has come of it.
func (h *handshake) over() {
	if h.caller != nil {
		h.proxy.gate.callerLeft(h.caller)
	}
	if h.stop != nil {
		h.stop()
	}
	h.proxy.handshakes.Done()
}

// leave has the handshake go on in a goroutine, where it may block and take its time. Behind it
// a handshake is where it has left to.
func (h *handshake) leave() {
	if h.onLoop() {
		h.at.leave()
		h.heedEnd()
	}
}

// address is the client's; the zero value by a Unix socket.
func (h *handshake) address() netip.AddrPort {
	if h.at != nil {
		return h.at.peer
	}
	return addrPort(h.raw.RemoteAddr())
}

func (h *handshake) onLoop() bool { return h.at != nil && h.at.file == nil }

// heedEnd has the end of the proxy end the handshake. On a loop, breakOff does.
func (h *handshake) heedEnd() { h.stop = context.AfterFunc(h.proxy.ctx, func() { h.raw.Close() }) }

// isCut says that the proxy has ended, or makes sure that its end does nothing to the
// connection any more.
func (h *handshake) isCut() bool {
	if h.onLoop() {
		return h.at.cut
	}
	return !h.stop()
}

// run is the handshake. On success the connection belongs to a loop.
func (h *handshake) run() error {
	code, body, err := h.negotiate()
	if err != nil {
		return err
	}
	if code == wire.CodeCancel {
		// Before anything is asked of a client, TLS and a certificate too, as
		// in PostgreSQL: the key that it names is its proof, it learns nothing,
		// and libpq before 17 sends it in plain text from a client with TLS.
		h.leave()
		h.proxy.Cancel(body, h.conn.RemoteAddr().String())
		return errQuiet
	}
	s, refusal := readStartup(code, body)
	if refusal == nil && h.proxy.asksForConsole(s) {
		h.leave()
		return h.toConsole(s)
	}
	if h.caller.isLate() { // it may have to wait for a place
		h.leave()
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
		s.addHost(h.address())
	}
	return h.login(s, c)
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
func (h *handshake) login(s startup, c *auth.Arrival) error {
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
	h.stream.Hold(&pgproto3.AuthenticationOk{}) // to be sent with what follows
	if s.refusal != nil && modes[h.now.target(route, h.terms.cfg, s.database, s.user).as(s.replication).key.Mode] != modeSession {
		return s.refusal
	}
	return h.adopt(s, route, credentials)
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
