package proxy

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
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
	// Forward is for a cancel request whose key nobody has here: another process may, whose
	// place this one takes. nil: there is none. It is set before Listen.
	Forward func(ctx context.Context, key []byte)

	now      atomic.Pointer[snapshot]
	pools    *pool.Pools
	loops    []*loop.Loop
	stations []*station        // by loop ID
	choose   func() *loop.Loop // for a client that comes
	gauges   gauges            // of the loops, and
	balance  balance           // between them; the sweep's
	moving   sync.RWMutex      // see visit.go
	texts    atomic.Int64      // bytes of statements' texts that clients of all loops have
	process  *metrics.Process
	log      *slog.Logger

	reloading  sync.Mutex // held from Prepare to the end of a Change; guards what follows
	ended      bool
	listeners  []*listener
	departed   map[string]*listener // of clients that were passed to us, and that the configuration has no more
	accepting  sync.WaitGroup       // accept loops
	handshakes sync.WaitGroup
	sweeping   sync.WaitGroup  // the sweep
	ctx        context.Context // ends the handshakes and cancel requests
	stop       context.CancelFunc

	gate     *gate
	cancels  chan struct{} // a token for each cancel request on its way to a server
	clients  registry
	census   census
	draining atomic.Bool
	heir     atomic.Pointer[heir]       // who takes in those who can be passed; nil: nobody
	refusals [metrics.NumReasons]seldom // of the lines about limits
}

// New prepares a proxy; Listen opens it. The pools and loops are the caller's
// and must outlive it.
func New(cfg *config.Config, room Room, pools *pool.Pools, a *auth.Authenticator, loops []*loop.Loop, m *metrics.Process, log *slog.Logger) *Proxy {
	p := &Proxy{pools: pools, loops: loops, process: m, log: log, gate: newGate(room, &m.LoginsInFlight), cancels: make(chan struct{}, room.Late)}
	p.now.Store(newSnapshot(cfg, a, len(loops), nil))
	m.ClientsLimit.Store(int64(room.Clients))
	p.clients.init()
	p.census.init(p)
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.choose, m.Loops = p.firstWithRoom, make([]metrics.Loop, len(loops))
	for i, l := range loops {
		st := &station{proxy: p, load: &m.Loops[i]}
		st.texts.CountTogether(func(by int) int { return int(p.texts.Add(int64(by))) })
		p.stations = append(p.stations, st)
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

// Listen opens all listeners and begins to accept; those that another process has opened
// are taken over from inherited, by their addresses. It returns the addresses in use. On
// an error nothing stays open but what is inherited.
func (p *Proxy) Listen(inherited map[string]net.Listener) ([]string, error) {
	var addresses []string
	cfg := p.config()
	for i := range cfg.Listeners {
		l, err := openListener(&cfg.Listeners[i], inherited[cfg.Listeners[i].Address])
		if err != nil {
			closeAll(p.listeners)
			return nil, err
		}
		p.listeners = append(p.listeners, l)
		addresses = append(addresses, l.String())
	}
	p.acceptOn(p.listeners)
	p.sweeping.Add(1)
	go p.sweep()
	return addresses, nil
}

func (p *Proxy) acceptOn(listeners []*listener) {
	for _, l := range listeners {
		p.accepting.Add(1)
		if d, ok := l.Listener.(*door); ok {
			d.open(p, l)
		} else {
			go p.accept(l)
		}
	}
}

func closeAll(listeners []*listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// Clients is the number of clients that have logged in.
func (p *Proxy) Clients() int { return p.clients.len() }

// Shutdown stops accepting, closes each client as soon as it is between two
// transactions, and returns when all are gone or ctx ends; then the rest are
// cut. It blocks.
func (p *Proxy) Shutdown(ctx context.Context) {
	p.stopListening()
	p.drain()
	if !p.clients.waitEmpty(ctx) {
		p.log.Warn("clients cut", "clients", p.clients.len(), "reason", metrics.Shutdown.String())
	}
	p.stop()
	p.breakOff()
	p.handshakes.Wait()
	p.sweeping.Wait()
	p.clients.each((*client).cut)
	p.clients.waitEmpty(context.Background())
}

// drain has each client leave as soon as it is between two transactions.
func (p *Proxy) drain() {
	p.draining.Store(true)
	p.clients.each((*client).drain)
}

func (p *Proxy) stopListening() {
	p.reloading.Lock()
	p.ended = true
	closeAll(p.listeners)
	p.reloading.Unlock()
	p.accepting.Wait()
}

// breakOff ends the handshakes on the loops. Nobody else comes any more.
func (p *Proxy) breakOff() {
	for _, l := range p.loops {
		l.Post(func() { breakOff(l, 0) })
	}
}

func breakOff(l *loop.Loop, from int) {
	next := l.Walk(from, sweptAtOnce, func(h loop.Handler) {
		if at, ok := h.(*porch); ok {
			at.breakOff()
		}
	})
	if next != 0 {
		l.Post(func() { breakOff(l, next) })
	}
}

func errShutdown() *wire.Error {
	return wire.Fatal(wire.AdminShutdown, "terminating connection because Portero is shutting down")
}

// tlsFor returns the TLS settings of a listener that offers it.
func tlsFor(c config.ListenerTLS) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	t := &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"postgresql"},
		SessionTicketsDisabled: true, // PostgreSQL and PgBouncer give none, so no client expects one
	}
	if c.ClientCA != "" {
		if t.ClientCAs, err = readPool(c.ClientCA); err != nil {
			return nil, err
		}
		// A client without one is told so after TLS, in words: see refusal.
		t.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return t, nil
}
