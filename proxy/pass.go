package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/session"
)

// Another process can take the place of this one (a new version, say). It takes the
// listeners over first, and then each client that is between two transactions: its
// socket, and what its session has set up. The client does not notice. What cannot be
// passed is closed as at a shutdown: who has TLS, whose state is in this process alone;
// who is in session mode, pinned to a server, or listens.

// Passed is a client that is passed on, but for its socket.
type Passed struct {
	ID, Secret  uint32 // of its cancel key
	Listener    string // address of the one that it came by, as the configuration has it
	Role        string // of that one
	User        string
	Database    string // as it names it
	Mode        string
	ServerUser  string // whose credentials these are
	Credentials auth.Passed
	Session     session.Carried
}

// heir is who takes clients in. Clients come from their loops, which must not wait.
type heir struct {
	mu   sync.Mutex // guards come
	come []passing
	stir chan struct{} // holds one: somebody has come
}

type passing struct {
	client Passed
	fd     int
}

func (h *heir) offer(x passing) {
	h.mu.Lock()
	h.come = append(h.come, x)
	h.mu.Unlock()
	select {
	case h.stir <- struct{}{}:
	default:
	}
}

func (h *heir) take() []passing {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.come
	h.come = nil
	return all
}

// Listeners calls give with each listener and its address, as the configuration has it.
func (p *Proxy) Listeners(give func(address string, l net.Listener) error) error {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	for _, l := range p.listeners {
		if err := give(l.address, l.Listener); err != nil {
			return err
		}
	}
	return nil
}

// LastNumber is the last number that a client has got: see Begin.
func (p *Proxy) LastNumber() uint32 { return p.clients.lastNumber() }

// Begin has the numbers of clients begin behind those of another process. Call it before
// Listen.
func (p *Proxy) Begin(last uint32) { p.clients.begin(last) }

// HandOver is Shutdown for a process whose place another has taken, which listens
// already: clients that can be passed on are given to give, which may block, with their
// sockets, which are closed afterwards. After an error of give nobody is passed any more.
func (p *Proxy) HandOver(ctx context.Context, give func(c Passed, fd int) error) {
	p.stopListening()
	h := &heir{stir: make(chan struct{}, 1)}
	p.heir.Store(h)
	ended := make(chan struct{})
	passed := make(chan struct{})
	go p.passAll(h, give, ended, passed)
	p.drain()
	p.awaitLogins(ctx)
	p.Shutdown(ctx)
	close(ended)
	<-passed
}

// passAll is the goroutine of a HandOver; it ends with it.
func (p *Proxy) passAll(h *heir, give func(c Passed, fd int) error, ended <-chan struct{}, passed chan<- struct{}) {
	defer close(passed)
	n := 0
	defer func() { p.log.Info("clients passed on", "clients", n) }()
	for over := false; !over; {
		select {
		case <-h.stir:
		case <-ended:
			over = true
		}
		for _, x := range h.take() {
			if p.heir.Load() != nil {
				if err := give(x.client, x.fd); err != nil {
					p.log.Error("clients cannot be passed on", "error", err)
					p.heir.Store(nil)
					p.clients.each((*client).drain) // those who have counted on it
				} else {
					n++
				}
			}
			unix.Close(x.fd)
		}
	}
}

// loginPatience is how long those who were logging in when the other process took over are
// waited for.
const loginPatience = 5 * time.Second

// awaitLogins waits until nobody logs in any more.
func (p *Proxy) awaitLogins(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, loginPatience)
	defer cancel()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for p.process.LoginsInFlight.Load() > 0 {
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}

// mayPass reports whether a client at work can be passed on once it rests.
func (r *relay) mayPass() bool {
	_, ok := r.sess.Rest().Carry()
	return ok && r.c.proxy.heir.Load() != nil && r.c.canMove()
}

func (c *client) canMove() bool {
	return c.mode != modeSession && c.seldom().hearer == nil && !c.sock.IsTLS() && c.sock.Pending() == 0
}

// pass gives a client at rest to the heir, if there is one; false: it cannot be. On its
// loop.
func (c *client) pass(l *loop.Loop) bool {
	h := c.proxy.heir.Load()
	if h == nil || !c.live {
		return false
	}
	c.sock.SendCollected()
	if !c.canMove() {
		return false
	}
	carried, ok := c.carried.Carry()
	if !ok {
		return false
	}
	key := c.pool.Key
	x := passing{client: Passed{
		ID: c.id, Secret: c.secret, Listener: c.from.address, Role: c.from.terms.Load().cfg.Role, User: c.person.name, Database: c.database, Mode: key.Mode, ServerUser: key.User,
		Credentials: c.pool.Secret().Pass(), Session: carried,
	}}
	x.fd = c.sock.Detach()
	h.offer(x) // before it leaves the registry: HandOver ends when that is empty
	c.leaveBooks(l, metrics.PassedOn)
	return true
}

// TakeIn goes on with a client that another process has passed. It takes over the socket
// in any case; an error is for the log, and the client has been told.
func (p *Proxy) TakeIn(x Passed, fd int) error {
	file := os.NewFile(uintptr(fd), "client")
	conn, err := net.FileConn(file)
	file.Close()
	if err != nil {
		return fmt.Errorf("client passed on: %w", err)
	}
	if err := p.seat(x, conn); err != nil {
		conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a closed connection fails at its first use
		conn.Write(errReconfigured().Append(nil))          //nolint:errcheck // it is closed next
		conn.Close()
		return fmt.Errorf("client passed on: %w", err)
	}
	return nil
}

func (p *Proxy) seat(x Passed, conn net.Conn) error {
	now := p.now.Load()
	from, on := p.listenerOf(x), p.choose()
	route := now.route(from.address, x.Database, x.User, nil)
	if route == nil {
		return fmt.Errorf("no route for database %q and user %q any more", x.Database, x.User)
	}
	c := &client{at: uint16(on.ID), course: now.course(route, from), mode: modes[x.Mode], connected: secondsOf(loop.Clock()), welcomed: true}
	c.cameFrom(addrPort(conn.RemoteAddr()))
	t := now.target(route, from.terms.Load().cfg, x.Database, x.User)
	t.key.Mode = x.Mode
	c.carried.Settings = session.SettingsOf(x.Session)
	var own auth.Credentials
	if x.ServerUser == t.key.User {
		own = x.Credentials.Credentials()
	}
	if err := c.join(p, x.User, x.Database, t, now.serverCredentials(route, own)); err != nil {
		return err
	}
	p.clients.restore(c, x.ID, x.Secret)
	if c.pool.BetweenNodes() {
		c.pool.Enters(uint64(c.id), c.carried.Settings) // it has been let in: no login waits
	}
	if err := c.sock.Open(conn, c); err != nil {
		c.leavePool()
		p.clients.remove(c)
		return err
	}
	p.gate.takeIn()
	p.stations[on.ID].load.Clients.Add(1)
	on.Post(func() {
		c.carried = p.stations[on.ID].texts.TakeIn(x.Session)
		c.adopted(on, nil, nil)
	})
	return nil
}

// listenerOf is the listener of a client. One that is gone counts for those who have come by
// it, as after a reload.
func (p *Proxy) listenerOf(x Passed) *listener {
	p.reloading.Lock()
	defer p.reloading.Unlock()
	for _, l := range p.listeners {
		if l.address == x.Listener {
			return l
		}
	}
	l := p.departed[x.Listener]
	if l == nil {
		l = &listener{address: x.Listener}
		l.terms.Store(&terms{cfg: &config.Listener{Address: x.Listener, Role: x.Role}})
		if p.departed == nil {
			p.departed = make(map[string]*listener)
		}
		p.departed[x.Listener] = l
	}
	return l
}
