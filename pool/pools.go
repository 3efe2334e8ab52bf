package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/loop"
	"portero/metrics"
)

// Pools is all pools of a process and the clusters they draw from.
type Pools struct {
	log      *slog.Logger
	limits   config.Pool
	loops    []*loop.Loop
	clusters map[string]*cluster
	turn     atomic.Uint32 // of the loops, for idle servers
	ctx      context.Context
	stop     context.CancelFunc
	workers  sync.WaitGroup // followers and the janitor
	openers  sync.WaitGroup // of all pools, also of those that were given up
	quota    quota
	orders   orders
	served   atomic.Uint64  // servers opened so far; their numbers
	routes   []config.Route // for the names of databases
	backends backends
	hearers  atomic.Int64 // clients that listen by an ear

	chronicles chronicles

	candidates *metrics.Pool // what all candidates count into
	warned     atomic.Int64  // when the log was last told of a candidate's failure

	mu      sync.Mutex // guards what follows; taken before a Pool's, never after it
	pools   map[Key]*Pool
	doors   map[Key]door // by cluster, group and role
	refused refusals
}

// cluster is a cluster as pools need it. Immutable, but for what lags knows.
type cluster struct {
	discovery *discovery.Cluster
	mode      string      // of TLS to its servers
	tls       *tls.Config // nil: none
	keepalive net.KeepAliveConfig
	lags      *lags
	measured  bool // clients may come who need to know of its replicas
}

// New starts to follow the clusters. Close ends it; the discovery.Clusters and
// the loops remain the caller's and must outlive it. servers is how many there
// may be at one time, in all pools together.
func New(cfg *config.Config, servers int, clusters map[string]*discovery.Cluster, loops []*loop.Loop, log *slog.Logger) (*Pools, error) {
	ps := &Pools{
		log: log, limits: cfg.Pool, routes: cfg.Routes, loops: loops, quota: quota{size: servers}, clusters: make(map[string]*cluster),
		pools: make(map[Key]*Pool), doors: make(map[Key]door), candidates: metrics.NewPool(metrics.PoolLabels{}, len(loops)),
	}
	ps.orders.init()
	for _, c := range cfg.Clusters {
		settings, err := serverTLS(c.TLS)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		ps.clusters[c.Name] = &cluster{discovery: clusters[c.Name], mode: c.TLS.Mode, tls: settings, keepalive: loop.KeepAlive(cfg.Pool.TCPKeepalive),
			lags: newLags(), measured: cfg.MeasuresLag(c.Name)}
	}
	ps.ctx, ps.stop = context.WithCancel(context.Background())
	for name := range ps.clusters {
		ps.workers.Add(1)
		go ps.followCluster(name)
	}
	ps.workers.Add(1)
	go ps.sweep()
	return ps, nil
}

// Join returns the pool for a key, made at its first use, and counts the
// client in; Leave counts it out. size and minimum are the same for all who
// come with one key. c is what the client's login to us has given us for
// logins to servers. An error is of type *Refused if the client is to be told.
func (ps *Pools) Join(key Key, size, minimum int, c auth.Credentials) (*Pool, error) {
	return ps.JoinAs(key.Database, key, size, minimum, c)
}

// JoinAs is Join for a client that calls the database by another name than the server does.
func (ps *Pools) JoinAs(name string, key Key, size, minimum int, c auth.Credentials) (*Pool, error) {
	p, err := ps.join(name, key, size, minimum, c)
	if err == errTooManyPools && ps.mayWarn() {
		ps.log.Warn("no more pools", "max_pools", ps.limits.MaxPools)
	}
	return p, err
}

func (ps *Pools) join(name string, key Key, size, minimum int, c auth.Credentials) (*Pool, error) {
	if s := ps.orders.stand.Load(); s.disabled[name] || s.disabled[key.Database] {
		return nil, errDisabled(name)
	}
	if !c.Better(noSecret) {
		c = noSecret // a verifier alone is as good as nothing
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pools[key]
	if secret, needed := p.wouldTry(c); needed {
		if e := ps.refused.recall(attempt{key, secret.Fingerprint()}, loop.Clock()); e != nil {
			return nil, &Refused{metrics.ServerLogin, e}
		}
	}
	if p == nil {
		var err error
		if p, err = ps.addLocked(name, key, size, minimum); err != nil {
			return nil, err
		}
	}
	if p.names.add(name) && p.ordered() != NotHeld {
		ps.orders.repeat()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients++
	p.secrets.offer(c)
	return p, nil
}

func (ps *Pools) addLocked(name string, key Key, size, minimum int) (*Pool, error) {
	if !ps.makeRoomLocked() {
		return nil, errTooManyPools
	}
	p, err := newPool(ps, name, key, size, minimum)
	if err != nil {
		return nil, err
	}
	ps.pools[key] = p
	return p, nil
}

// wouldTry reports whether a client that brings c needs a login to a server,
// as there is none, and what it would be tried with. p may be nil: no pool.
func (p *Pool) wouldTry(c auth.Credentials) (secret auth.Credentials, needed bool) {
	if p == nil {
		return c, true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.secrets
	s.offer(c)
	return s.best(), len(p.servers) == 0
}

// Leave is called once by each client that has joined.
func (p *Pool) Leave() {
	p.mu.Lock()
	p.clients--
	over := p.clients == 0 && !p.known
	p.mu.Unlock()
	if over {
		p.owner.dropIdleCandidate(p)
	}
}

// all returns the pools, in no order.
func (ps *Pools) all() []*Pool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	all := make([]*Pool, 0, len(ps.pools))
	for _, p := range ps.pools {
		all = append(all, p)
	}
	return all
}

// followCluster hands each new view of a cluster to its pools, and has its members
// asked that have to be.
func (ps *Pools) followCluster(name string) {
	defer ps.workers.Done()
	cl := ps.clusters[name]
	asked := inquiries{owner: ps, name: name, cluster: cl, running: make(map[inquired]context.CancelFunc)}
	for {
		v, ordered := cl.discovery.View(), ps.orders.stand.Load()
		ps.seeAll(name, v)
		asked.follow(v)
		var soonest time.Time
		for _, p := range ps.all() {
			if p.Key.Cluster != name {
				continue
			}
			if until := p.follow(v); !until.IsZero() && (soonest.IsZero() || until.Before(soonest)) {
				soonest = until
			}
		}
		if !ps.awaitChange(v, ordered, cl.lags.moved, soonest) {
			return
		}
	}
}

// awaitChange waits until a view or the orders are replaced, replicas are known to fit or not, or the
// time has come, if there is one; false: the pools end.
func (ps *Pools) awaitChange(v *discovery.View, ordered *standingOrders, moved <-chan struct{}, at time.Time) bool {
	var alarm <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-v.Replaced():
	case <-ordered.replaced:
	case <-moved:
	case <-alarm:
	case <-ps.ctx.Done():
		return false
	}
	return true
}

const sweepEvery = time.Second

// sweep keeps ages and minimum sizes, and forgets pools that nobody uses.
func (ps *Pools) sweep() {
	defer ps.workers.Done()
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ps.ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range ps.all() {
			p.sweep()
			ps.forget(p)
		}
		ps.forgetRefusals()
		ps.giveUpSilent()
	}
}

// forget drops a pool that nobody has used for a while.
func (ps *Pools) forget(p *Pool) {
	if since, unused := p.unusedSince(); !unused || time.Since(since) <= forgetAfter {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients == 0 && len(p.servers) == 0 {
		p.dropLocked()
	}
}

func (ps *Pools) forgetRefusals() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.refused.forget(0, loop.Clock())
}

func (ps *Pools) nextLoop() *loop.Loop {
	return ps.loops[int(ps.turn.Add(1))%len(ps.loops)]
}

// Close ends all openers, closes idle servers and waits. Lent servers are
// closed when they come back. The loops must still run.
func (ps *Pools) Close() {
	ps.stop()
	ps.workers.Wait()
	for _, p := range ps.all() {
		p.shut()
	}
	ps.openers.Wait()
	for _, p := range ps.all() {
		p.closeIdle()
	}
}

// shut begins no more openers.
func (p *Pool) shut() {
	p.mu.Lock()
	p.closed = true
	cold := p.coolLocked()
	p.mu.Unlock()
	p.hangUpAll(cold)
}

// closeIdle closes the servers that nobody holds.
func (p *Pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.takeUnusedLocked(all) {
		p.lent--
		p.buryLocked(s)
		p.destruct(s)
	}
}
