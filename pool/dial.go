package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"time"

	"portero/auth"
	"portero/discovery"
	"portero/loop"
	"portero/wire"
)

// dial connects to a server and makes the connection safe as the cluster's
// settings ask. The caller closes it; ctx bounds it.
func (cl *cluster) dial(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1, KeepAliveConfig: loop.KeepAlive(cl.owner.limits().TCPKeepalive)} // -1: not even by default
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline) //nolint:errcheck // a closed connection fails at its first use
	}
	how := cl.safety.Load()
	if how.tls == nil {
		return conn, nil
	}
	defer hurry(ctx, conn)()
	secured, err := how.secure(ctx, conn, address)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %s: %w", errTLS, address, err)
	}
	return secured, nil
}

// hurry makes what blocks on conn fail at once when ctx ends, until stop is called.
func hurry(ctx context.Context, conn net.Conn) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		conn.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection blocks nobody
	})
}

// connect opens one server at the target: dial, TLS, login, proof. Dial to
// login may take as long as patience. It stays with a server that is still in
// recovery, but leaves any as soon as another is the target.
func (p *Pool) connect(parent context.Context, home *cluster, v *discovery.View, m discovery.Member, patience time.Duration) (s *Server, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer p.leaveWhenMoved(ctx, cancel, home, v, m)()
	defer func() {
		if err != nil && context.Cause(ctx) == errMoved {
			err = errMoved
		}
	}()
	if err := p.enter(ctx); err != nil {
		return nil, err
	}
	defer p.exit()
	if err := p.takeRoom(ctx, p.clientsWait); err != nil {
		return nil, err
	}
	if s, err = p.logIn(ctx, home, m, patience); err != nil {
		p.owner.quota.giveBack(p)
		return nil, err
	}
	p.log.Info("server opened", "member", m.Name, "address", m.Address, "pid", s.pid, "epoch", s.epoch)
	return s, nil
}

// logIn is connect when its turn has come and there is room.
func (p *Pool) logIn(ctx context.Context, home *cluster, m discovery.Member, patience time.Duration) (*Server, error) {
	st := startupOf(ctx)
	e := p.takeWarm(home, m, st)
	if e == nil {
		var err error
		if e, err = p.knock(ctx, home, m, st, patience); err != nil {
			return nil, err
		}
	}
	defer hurry(ctx, e.conn)()
	s, err := p.admit(ctx, e, st)
	if err != nil {
		e.conn.Close()
		return nil, err
	}
	return s, s.Sock.Open(e.conn, s)
}

// knock dials and logs in, with what st has given for the start of the session.
func (p *Pool) knock(ctx context.Context, home *cluster, m discovery.Member, st Startup, patience time.Duration) (*entered, error) {
	contact := home.isToLearn() || home.isToFind(p.Key.Group)
	conn, err := home.dialWithin(ctx, m, patience)
	if err != nil {
		return nil, err
	}
	defer hurry(ctx, conn)()
	e := &entered{conn: conn, stream: wire.NewStream(conn), home: home, member: m, contact: contact}
	params := p.loginParams(conn)
	params.Parameters = p.loginParameters(st)
	e.login, err = auth.Login(e.stream, params)
	proved := err == nil || isBehindLogin(err)
	if err = mismatch(st, err); err == nil || proved && isOfStartup(err) && !p.Key.Replicates() { // nobody is known to get a walsender
		p.letIn(params.Credentials)
	} else {
		err = p.keptOut(params.Credentials, err)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return e, nil
}

func (cl *cluster) dialWithin(ctx context.Context, m discovery.Member, patience time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return cl.dial(ctx, m.Address)
}

// admit has a server that has logged in prove itself. The connection remains the
// caller's.
func (p *Pool) admit(ctx context.Context, e *entered, st Startup) (*Server, error) {
	at, said, err := p.prove(ctx, e, st)
	if err != nil {
		return nil, mismatch(st, err)
	}
	if err := p.introduce(ctx, e, &said); err != nil {
		return nil, err
	}
	if rest := e.stream.Buffered(); len(rest) > 0 {
		return nil, fmt.Errorf("%s sent %d bytes after its login", e.member.Address, len(rest))
	}
	params := e.login.Parameters
	maps.Copy(params, said.reported) // it may have been promoted meanwhile
	defaults := maps.Clone(params)
	if said.role != "" {
		defaults["role"] = said.role // which PostgreSQL does not report
	}
	return &Server{
		id: p.owner.served.Add(1), pool: p, home: e.home, member: e.member.Name, address: e.member.Address, post: at,
		pid: e.login.PID, secret: e.login.SecretKey, params: params, defaults: defaults,
		startup: st, greeting: p.toKeep(e.login.Greeting), expires: p.expiry(), opened: loop.Clock(), postmaster: said.started, timeline: said.Timeline,
	}, nil
}

// toKeep is what a server must remember of its greeting: it is for clients in
// session mode, and for those who replicate.
func (p *Pool) toKeep(greeting []byte) []byte {
	if !p.Key.asStarted() {
		return nil
	}
	return greeting
}

// leaveWhenMoved cancels what is done at a host that is no longer the target:
// one that is gone may not answer for a long time.
func (p *Pool) leaveWhenMoved(ctx context.Context, cancel context.CancelCauseFunc, home *cluster, v *discovery.View, m discovery.Member) (stop func()) {
	done := make(chan struct{})
	go p.watchTarget(ctx, cancel, home, v, m, done)
	return func() { close(done) }
}

func (p *Pool) watchTarget(ctx context.Context, cancel context.CancelCauseFunc, home *cluster, v *discovery.View, m discovery.Member, done chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case <-v.Replaced():
		}
		if v = home.discovery.View(); !p.isTarget(home, v, m) {
			cancel(errMoved)
			return
		}
	}
}

// isTarget reports whether a server of m would still be welcome.
func (p *Pool) isTarget(home *cluster, v *discovery.View, m discovery.Member) bool {
	pl := p.planAt(home, v)
	return pl.has(m)
}

func (p *Pool) loginParams(conn net.Conn) auth.LoginParams {
	p.mu.Lock()
	credentials := p.secrets.best()
	p.mu.Unlock()
	params := auth.LoginParams{User: p.Key.User, Database: p.Key.Database, Credentials: credentials}
	if t, ok := conn.(*tls.Conn); ok {
		if certs := t.ConnectionState().PeerCertificates; len(certs) > 0 {
			params.TLSServerEndPoint = auth.TLSServerEndPoint(certs[0])
		}
	}
	return params
}

// expiry spreads server_lifetime by a tenth, so that servers opened together
// do not all end together.
func (p *Pool) expiry() int64 {
	life := p.terms().Lifetime
	if life <= 0 {
		return 0
	}
	return loop.Clock() + int64(life) - int64(rand.Float64()*0.1*float64(life))
}
