package proxy

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/config"
	"portero/wire"
)

// consoleNames are the databases that are no database but the console; and the users that
// whoever runs Portero may log in there as, by a Unix socket and without a password.
var consoleNames = []string{"pgbouncer", "portero"}

// Console serves a client of the console, which is logged in but has heard nothing behind
// AuthenticationOk, and blocks until it has gone or ctx ends. What it returns is the
// client's last word; nil: none. The connection is closed behind it.
type Console func(ctx context.Context, c *ConsoleClient) *wire.Error

// ConsoleClient is a client of the console. It has a goroutine of its own and never comes to
// a loop. What is exported does not change.
type ConsoleClient struct {
	ID          uint64 // its number, of the same kind as those of other clients
	User        string
	Database    string // as it named it: pgbouncer or portero
	Admin       bool   // it may give every command; else it may look
	Application string
	Address     netip.AddrPort // zero: by a Unix socket
	Local       netip.AddrPort // likewise
	TLS         string         // "" = none
	PID         int            // of its process, by a Unix socket; 0 = not known
	Connected   time.Time
	Stream      *wire.Stream // for the goroutine that serves it

	conn   net.Conn
	secret uint32

	mu        sync.Mutex // guards interrupt
	interrupt context.CancelFunc
}

// Key is what the client needs for a cancel request.
func (c *ConsoleClient) Key() *pgproto3.BackendKeyData {
	return &pgproto3.BackendKeyData{ProcessID: noBackend + uint32(c.ID), SecretKey: binary.BigEndian.AppendUint32(nil, c.secret)}
}

// SetWriteDeadline is the connection's: a client that does not read must not keep its place.
func (c *ConsoleClient) SetWriteDeadline(t time.Time) error {
	return c.conn.SetWriteDeadline(t) //nolint:wrapcheck // it is the connection's own
}

// Close ends the client from outside. Any goroutine.
func (c *ConsoleClient) Close() { c.conn.Close() }

// Interruptible returns a context that a cancel request of the client ends, and what has to be
// called behind the command that it is for.
func (c *ConsoleClient) Interruptible(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	c.mu.Lock()
	c.interrupt = cancel
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		c.interrupt = nil
		c.mu.Unlock()
		cancel()
	}
}

// cancel ends what the client waits for, if it does.
func (c *ConsoleClient) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupt != nil {
		c.interrupt()
	}
}

// asksForConsole reports whether a client is none of the pools'.
func (p *Proxy) asksForConsole(s startup) bool {
	return p.Console != nil && slices.Contains(consoleNames, s.database)
}

// toConsole serves a client of the console to its end. It has a place of its own, so that
// operators get in where no client does.
func (h *handshake) toConsole(s startup) error {
	p := h.proxy
	if !p.gate.toConsole(p.ctx, h.caller) {
		return wire.Fatal(wire.TooManyConnections, "no more connections to the console allowed (%d)", p.gate.consoles.size)
	}
	if err := h.negotiateVersion(s); err != nil {
		return err
	}
	a := h.arrival(s)
	admin, err := h.operator(s, a)
	if err != nil {
		return err
	}
	if err := p.gate.settle(h.caller, admin); err != nil {
		return err
	}
	if err := h.stream.Write(&pgproto3.AuthenticationOk{}); err != nil {
		return err //nolint:wrapcheck // refuse tells the kinds apart
	}
	if err := h.conn.SetDeadline(time.Time{}); err != nil {
		return err //nolint:wrapcheck // likewise
	}
	c := h.consoleClient(s, admin)
	p.clients.addConsole(c)
	defer p.clients.removeConsole(c)
	if p.config().Log.Connections {
		p.log.Info("console client logged in", "id", c.ID, "address", c.Address, "user", c.User, "admin", c.Admin, "tls", c.TLS != "")
		defer p.log.Info("console client closed", "id", c.ID, "address", c.Address, "user", c.User)
	}
	if said := p.Console(p.ctx, c); said != nil {
		h.lastWord(said)
	}
	return errQuiet
}

// operator has the client prove who it is, and says whether it is an admin. Whoever runs
// Portero is one. Nobody else is let in who is not named in [admin].
func (h *handshake) operator(s startup, a *auth.Arrival) (admin bool, err error) {
	if h.isOwner(s.user) {
		return true, nil
	}
	if refusal := h.terms.refusal(a); refusal != nil {
		return false, refusal
	}
	if _, err := h.now.auth.Client(h.stream, a); err != nil {
		return false, err //nolint:wrapcheck // refuse tells the kinds apart
	}
	return rights(&h.now.cfg.Admin, s.user)
}

// rights says whether a user who has proved who it is is an admin.
func rights(c *config.Admin, user string) (admin bool, err error) {
	switch {
	case slices.Contains(c.Users, user):
		return true, nil
	case slices.Contains(c.StatsUsers, user):
		return false, nil
	}
	return false, errNotAllowed
}

// errNotAllowed has the words of PgBouncer.
var errNotAllowed = wire.Fatal(wire.ProtocolViolation, "not allowed")

// isOwner reports whether the client is run by whoever runs Portero, and says so by its name.
func (h *handshake) isOwner(user string) bool {
	if !slices.Contains(consoleNames, user) {
		return false
	}
	peer, err := h.peer()
	return err == nil && int(peer.Uid) == os.Getuid()
}

func (h *handshake) consoleClient(s startup, admin bool) *ConsoleClient {
	c := &ConsoleClient{
		User: s.user, Database: s.database, Admin: admin, Connected: time.Now(), Stream: h.stream, conn: h.conn,
		Address: h.address(), Local: addrPort(h.raw.LocalAddr()), TLS: tlsInWords(h.conn),
	}
	c.Application, _ = s.settings.Get("application_name")
	if peer, err := h.peer(); err == nil {
		c.PID = int(peer.Pid)
	}
	return c
}

// tlsInWords is version, cipher and key exchange, as PgBouncer shows them; "" without TLS.
func tlsInWords(conn net.Conn) string {
	t, ok := conn.(*tls.Conn)
	if !ok {
		return ""
	}
	s := t.ConnectionState()
	words := []string{strings.ReplaceAll(tls.VersionName(s.Version), " ", "v"), tls.CipherSuiteName(s.CipherSuite)}
	if s.CurveID != 0 {
		words = append(words, "ECDH="+s.CurveID.String())
	}
	return strings.Join(words, "/")
}

// addConsole gives c its number and its cancel key.
func (r *registry) addConsole(c *ConsoleClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c.secret = r.secretLocked()
	number := r.nextLocked()
	c.ID = uint64(number)
	r.consoles[number] = c
}

func (r *registry) removeConsole(c *ConsoleClient) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.consoles, uint32(c.ID))
}

// findConsole returns the client of the console that a cancel key belongs to, nil if none.
func (r *registry) findConsole(pid uint32, secret []byte) *ConsoleClient {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.consoles[pid-noBackend]
	if c == nil || subtle.ConstantTimeCompare(binary.BigEndian.AppendUint32(nil, c.secret), secret) != 1 {
		return nil
	}
	return c
}

// WaitForClients stops listening and waits until all clients have gone by themselves, or ctx
// ends. It blocks. Shutdown has to follow.
func (p *Proxy) WaitForClients(ctx context.Context) {
	p.stopListening()
	p.clients.waitEmpty(ctx)
}
