package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// greeter takes one client from its first byte to the loop. It runs in a
// goroutine of its own and may block, within client_login_timeout.
type greeter struct {
	proxy  *Proxy
	l      *listener
	conn   net.Conn // a *tls.Conn once TLS is up
	stream *wire.Stream
	midTLS bool // between two protocols: nothing that we say would be understood
}

// errQuiet ends a handshake that is nobody's fault: a probe, a finished cancel
// request, psql going to ask for a password.
var errQuiet = errors.New("nothing to report")

// handshake is the goroutine of one new client.
func (p *Proxy) handshake(l *listener, conn net.Conn) {
	defer p.handshakes.Done()
	p.process.LoginsInFlight.Add(1)
	defer p.process.LoginsInFlight.Add(-1)
	stop := context.AfterFunc(p.ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(p.cfg.Pool.ClientLoginTimeout)) //nolint:errcheck // a closed connection fails at its first use
	g := &greeter{proxy: p, l: l, conn: conn, stream: wire.NewStream(conn)}
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, debug.Stack())
			g.conn.Close()
		}
	}()
	if err := g.run(stop); err != nil {
		g.refuse(err)
	}
}

// run is the handshake. On success the connection belongs to a loop.
func (g *greeter) run(stop func() bool) error {
	code, body, err := g.negotiate()
	if err != nil {
		return err
	}
	if code == wire.CodeCancel {
		g.proxy.cancel(g.conn, body)
		return errQuiet
	}
	s, refusal := readStartup(code, body)
	if refusal != nil {
		return refusal
	}
	if g.l.tls == nil || g.l.cfg.TLS.Mode != "require" || g.secure() {
		return g.login(s, stop)
	}
	return wire.Fatal(wire.InvalidAuthorization, "this listener takes TLS connections only (sslmode=require)")
}

func (g *greeter) secure() bool {
	_, ok := g.conn.(*tls.Conn)
	return ok
}

// negotiate answers requests for encryption until the client says what it
// really wants. Each may come once.
func (g *greeter) negotiate() (code uint32, body []byte, err error) {
	first, err := g.stream.Peek(1)
	if err != nil {
		return 0, nil, g.beforeStartup(err)
	}
	if first[0] == tlsHandshake && g.l.tls != nil {
		if err := g.directTLS(); err != nil {
			return 0, nil, err
		}
	}
	asked := map[uint32]bool{}
	for {
		code, body, err := g.stream.Startup()
		if err != nil {
			return 0, nil, g.beforeStartup(err)
		}
		if code != wire.CodeSSL && code != wire.CodeGSSENC {
			return code, body, nil
		}
		if asked[code] || len(body) > 0 || g.secure() {
			return 0, nil, wire.Fatal(wire.ProtocolViolation, "invalid request for encryption")
		}
		asked[code] = true
		if err := g.encryption(code); err != nil {
			return 0, nil, err
		}
	}
}

// tlsHandshake is the first byte of TLS without an SSLRequest before it
// (PostgreSQL 17, sslnegotiation=direct).
const tlsHandshake = 0x16

// beforeStartup makes a health probe no error and anything else a clear one.
func (g *greeter) beforeStartup(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		return errQuiet
	case errors.Is(err, wire.ErrStartupLength):
		return wire.Fatal(wire.ProtocolViolation, "%s: this port speaks the PostgreSQL protocol", err)
	}
	return err
}

// encryption answers SSLRequest and GSSENCRequest.
func (g *greeter) encryption(code uint32) error {
	if len(g.stream.Buffered()) > 0 && code == wire.CodeSSL && g.l.tls != nil {
		// Bytes that came before the encryption would be taken for encrypted
		// ones (CVE-2021-23214).
		return wire.Fatal(wire.ProtocolViolation, "received unencrypted data after SSL request")
	}
	if code == wire.CodeGSSENC || g.l.tls == nil {
		_, err := g.conn.Write([]byte{'N'})
		return err
	}
	if _, err := g.conn.Write([]byte{'S'}); err != nil {
		return err
	}
	return g.startTLS(&loop.Transport{Conn: g.conn})
}

func (g *greeter) directTLS() error {
	if err := g.startTLS(&loop.Transport{Conn: &prefixed{Conn: g.conn, first: g.stream.Buffered()}}); err != nil {
		return err
	}
	t := g.conn.(*tls.Conn)
	if t.ConnectionState().NegotiatedProtocol != "postgresql" {
		return wire.Fatal(wire.ProtocolViolation, "received direct SSL connection request without ALPN protocol negotiation extension")
	}
	t.NetConn().(*loop.Transport).Conn = t.NetConn().(*loop.Transport).Conn.(*prefixed).Conn
	return nil
}

func (g *greeter) startTLS(under *loop.Transport) error {
	t := tls.Server(under, g.l.tls)
	g.midTLS = true
	err := t.HandshakeContext(g.proxy.ctx)
	switch {
	case errors.Is(err, io.EOF), isReset(err):
		return errQuiet // it only wanted to know whether we take TLS
	case err != nil:
		return fmt.Errorf("TLS handshake: %w", err)
	}
	g.conn, g.stream, g.midTLS = t, wire.NewStream(t), false
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

// login authenticates the client, finds its pool and hands it to a loop.
func (g *greeter) login(s startup, stop func() bool) error {
	if s.minor > 0 || len(s.unknown) > 0 {
		if err := g.stream.Write(&wire.NegotiateProtocolVersion{Newest: 3 << 16, Options: s.unknown}); err != nil {
			return err
		}
	}
	var binding []byte
	if g.secure() {
		binding = g.l.binding
	}
	credentials, err := g.proxy.auth.Client(g.stream, s.user, binding)
	if errors.Is(err, io.EOF) {
		return errQuiet
	}
	if err != nil {
		return err
	}
	route := g.proxy.route(g.l.cfg, s.database, s.user)
	if route == nil {
		return wire.Fatal(wire.UndefinedDatabase, "no route for database \"%s\" and user \"%s\"", printable(s.database), printable(s.user))
	}
	if err := g.stream.Write(&pgproto3.AuthenticationOk{}); err != nil {
		return err
	}
	return g.adopt(s, route, credentials, stop)
}

// route returns the first route that matches, nil if none does.
func (p *Proxy) route(l *config.Listener, database, user string) *config.Route {
	for i := range p.cfg.Routes {
		r := &p.cfg.Routes[i]
		if matches(r.Listener, l.Address) && matches(r.Database, database) && matches(r.User, user) {
			return r
		}
	}
	return nil
}

func matches(pattern, s string) bool { return pattern == "*" || pattern == s }

// adopt makes the client a socket on a loop.
func (g *greeter) adopt(s startup, r *config.Route, credentials auth.Credentials, stop func() bool) error {
	p := g.proxy
	c := &client{proxy: p, loop: p.quietest(), settings: s.settings, mode: modes[r.PoolMode], addr: addrPort(g.conn.RemoteAddr())}
	key := pool.Key{Cluster: r.Cluster, Group: r.Group, Role: p.cfg.RouteRole(r, g.l.cfg), Database: r.DBName, User: s.user}
	if key.Database == "" {
		key.Database = s.database
	}
	rest := g.stream.Buffered()
	var err error
	if c.pool, err = p.pools.Join(key, r.PoolSize, r.MinPoolSize, credentials); err != nil {
		return err
	}
	if err := p.clients.add(c, p.cfg.Pool.MaxClientConn); err != nil {
		c.pool.Leave()
		return wire.Fatal(wire.TooManyConnections, "no more clients allowed (max_client_conn)")
	}
	if !stop() {
		err = net.ErrClosed // the proxy has ended meanwhile
	} else if err = g.conn.SetDeadline(time.Time{}); err == nil {
		err = c.sock.Open(g.conn, c)
	}
	if err != nil {
		c.pool.Leave()
		p.clients.remove(c)
		return err
	}
	p.stations[c.loop.ID].clients.Add(1)
	c.loop.Post(func() { c.adopted(rest) })
	return nil
}

// quietest is the loop with the fewest clients.
func (p *Proxy) quietest() *loop.Loop {
	best := p.loops[0]
	for _, l := range p.loops[1:] {
		if p.stations[l.ID].clients.Load() < p.stations[best.ID].clients.Load() {
			best = l
		}
	}
	return best
}

// refuse ends a handshake: one answer, one count, one line.
func (g *greeter) refuse(err error) {
	defer g.conn.Close()
	if errors.Is(err, errQuiet) {
		return
	}
	why := metrics.ClientProtocol
	var said *wire.Error
	var timeout net.Error
	switch {
	case errors.As(err, &said):
		why = refusalReason(said)
	case errors.As(err, &timeout) && timeout.Timeout():
		why = metrics.ClientLoginTimeout
		said = wire.Fatal(wire.ProtocolViolation, "login was not complete within client_login_timeout")
	case errors.Is(err, wire.ErrFrameLength):
		said = wire.Fatal(wire.ProtocolViolation, "%s", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), isReset(err):
		why = metrics.ClientGone
	}
	if said != nil && !g.midTLS {
		g.lastWord(said)
	}
	g.proxy.process.Refuse(why)
	g.proxy.log.Info("client refused", "address", g.conn.RemoteAddr().String(), "reason", why.String(), "error", err)
}

// lastWord sends the error and lets the client read it: bytes of its own that
// nobody has read would turn the close into a reset.
func (g *greeter) lastWord(e *wire.Error) {
	g.conn.SetDeadline(time.Now().Add(time.Second)) //nolint:errcheck // see handshake
	if g.stream.Write(e) != nil {
		return
	}
	if half, ok := g.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		io.Copy(io.Discard, io.LimitReader(g.conn, 1<<20)) //nolint:errcheck // only waits for the client's close
	}
}

func refusalReason(e *wire.Error) metrics.Reason {
	switch e.Code {
	case wire.InvalidPassword, wire.InvalidAuthorization:
		return metrics.ClientAuthFailed
	case wire.TooManyConnections:
		return metrics.TooManyClients
	case wire.UndefinedDatabase:
		return metrics.NoRoute
	}
	return metrics.ClientProtocol
}
