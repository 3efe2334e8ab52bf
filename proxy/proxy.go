package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"portero/auth"
	"portero/config"
	"portero/loop"
	"portero/metrics"
	"portero/pool"
	"portero/wire"
)

// Proxy is the client side of a process: its listeners and its clients.
type Proxy struct {
	// Console serves those who name its database. nil: they are clients as any other. It is
	// set before Listen.
	Console Console

	cfg      *config.Config
	pools    *pool.Pools
	auth     *auth.Authenticator
	loops    []*loop.Loop
	stations []*station // by loop ID
	process  *metrics.Process
	log      *slog.Logger

	listeners  []*listener
	accepting  sync.WaitGroup // accept loops
	handshakes sync.WaitGroup
	ctx        context.Context // ends the handshakes and cancel requests
	stop       context.CancelFunc

	gate     *gate
	cancels  chan struct{} // a token for each cancel request on its way to a server
	clients  registry
	draining atomic.Bool
	refusals [metrics.NumReasons]seldom // of the lines about limits
}

// New prepares a proxy; Listen opens it. The pools and loops are the caller's
// and must outlive it.
func New(cfg *config.Config, room Room, pools *pool.Pools, a *auth.Authenticator, loops []*loop.Loop, m *metrics.Process, log *slog.Logger) *Proxy {
	p := &Proxy{cfg: cfg, pools: pools, auth: a, loops: loops, process: m, log: log, gate: newGate(room, &m.LoginsInFlight), cancels: make(chan struct{}, room.Late)}
	m.ClientsLimit.Store(int64(room.Clients))
	p.clients.init()
	p.ctx, p.stop = context.WithCancel(context.Background())
	for _, l := range loops {
		p.stations = append(p.stations, &station{proxy: p})
		l.OnPanic = p.panicked
	}
	return p
}

// panicked is told of a panic on a loop; the client it served is closed by
// its relay's deferred call.
func (p *Proxy) panicked(v any, stack []byte) {
	p.process.Panics.Add(1)
	p.log.Error("panic", "value", fmt.Sprint(v), "stack", string(stack))
}

// Listen opens all listeners and begins to accept. It returns the addresses
// in use. On an error nothing stays open.
func (p *Proxy) Listen() ([]string, error) {
	var addresses []string
	for i := range p.cfg.Listeners {
		l, err := openListener(&p.cfg.Listeners[i], p.cfg.Pool.TCPKeepalive)
		if err != nil {
			p.closeListeners()
			return nil, err
		}
		p.listeners = append(p.listeners, l)
		addresses = append(addresses, l.String())
	}
	for _, l := range p.listeners {
		p.accepting.Add(1)
		go p.accept(l)
	}
	return addresses, nil
}

func (p *Proxy) closeListeners() {
	for _, l := range p.listeners {
		l.Close()
	}
}

// Clients is the number of clients that have logged in.
func (p *Proxy) Clients() int { return p.clients.len() }

// Shutdown stops accepting, closes each client as soon as it is between two
// transactions, and returns when all are gone or ctx ends; then the rest are
// cut. It blocks.
func (p *Proxy) Shutdown(ctx context.Context) {
	p.closeListeners()
	p.accepting.Wait()
	p.draining.Store(true)
	p.clients.each((*client).drain)
	if !p.clients.waitEmpty(ctx) {
		p.log.Warn("clients cut", "clients", p.clients.len(), "reason", metrics.Shutdown.String())
	}
	p.stop()
	p.handshakes.Wait()
	p.clients.each((*client).cut)
	p.clients.waitEmpty(context.Background())
}

func errShutdown() *wire.Error {
	return wire.Fatal(wire.AdminShutdown, "terminating connection because Portero is shutting down")
}

// tlsFor returns a listener's TLS settings, nil when it has none.
func tlsFor(c config.ListenerTLS) (*tls.Config, error) {
	if c.Cert == "" || c.Mode == "disable" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"postgresql"}}
	if c.ClientCA != "" {
		if t.ClientCAs, err = readPool(c.ClientCA); err != nil {
			return nil, err
		}
		// A client without one is told so after TLS, in words: see refusal.
		t.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return t, nil
}
