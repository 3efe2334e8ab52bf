package pool

import (
	"context"
	"log/slog"
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
	loops    []*loop.Loop
	settings atomic.Pointer[config.Config]       // in force
	current  atomic.Pointer[map[string]*cluster] // see clusters
	turn     atomic.Uint32                       // of the loops, for idle servers
	ctx      context.Context
	stop     context.CancelFunc
	workers  sync.WaitGroup // followers and the janitor
	openers  sync.WaitGroup // of all pools, also of those that were given up
	quota    quota
	orders   orders
	served   atomic.Uint64 // servers opened so far; their numbers
	backends backends
	hearers  atomic.Int64 // clients that listen by an ear
	spreads  spreads

	stored     atomic.Pointer[func(user string) auth.Credentials] // see KnowUsers
	askers     askers
	chronicles chronicles

	candidates *metrics.Pool // what all candidates count into
	warned     atomic.Int64  // when the log was last told of a candidate's failure

	mu      sync.Mutex // guards what follows; taken before a Pool's, never after it
	pools   map[Key]*Pool
	former  []*cluster   // that others have replaced, and that still have servers or clients
	doors   map[Key]door // by cluster, group and role
	refused refusals

	banks   map[bankKey]*bank // guarded by mu, as pools are
	resting map[uint64]int64  // servers between nodes on which nothing ran at the last sweep, and since when; by their numbers; the sweep's own
}

// New starts to follow the clusters, and takes them over: Close closes them. After an
// error they remain the caller's. The loops are the caller's and must outlive it.
// servers is how many there may be at one time, in all pools together.
func New(cfg *config.Config, servers int, clusters map[string]*discovery.Cluster, loops []*loop.Loop, log *slog.Logger) (*Pools, error) {
	ps := &Pools{
		log: log, loops: loops, quota: quota{size: servers},
		pools: make(map[Key]*Pool), doors: make(map[Key]door), candidates: metrics.NewPool(metrics.PoolLabels{}, len(loops)),
	}
	ps.settings.Store(cfg)
	ps.orders.init()
	ps.ctx, ps.stop = context.WithCancel(context.Background())
	all := make(map[string]*cluster)
	for _, c := range cfg.Clusters {
		cl, err := ps.newCluster(c, clusters[c.Name])
		if err != nil {
			return nil, err
		}
		cl.measured.Store(cfg.MeasuresLag(c.Name))
		all[c.Name] = cl
	}
	ps.current.Store(&all)
	for _, cl := range all {
		cl.begin()
	}
	ps.workers.Add(1)
	go ps.sweep()
	return ps, nil
}

// limits are the limits and defaults in force. What is returned is never changed: whoever
// waits by it may go on by it.
func (ps *Pools) limits() *config.Pool { return &ps.settings.Load().Pool }

// Join returns the pool for a key, made at its first use, and counts the
// client in; Leave counts it out. terms are the same for all who come with one key by one
// configuration, and hold from then on. c is what the client's login to us has given us for
// logins to servers. An error is of type *Refused if the client is to be told.
func (ps *Pools) Join(key Key, terms Terms, c auth.Credentials) (*Pool, error) {
	return ps.JoinAs(key.Database, key, terms, c)
}

// JoinAs is Join for a client that calls the database by another name than the server does.
func (ps *Pools) JoinAs(name string, key Key, terms Terms, c auth.Credentials) (*Pool, error) {
	if ps.orders.stand.Load().disabled[name] {
		return nil, errDisabled(name)
	}
	return ps.Rejoin(name, key, terms, c)
}

// Rejoin is JoinAs for a client that has been let in before: DISABLE is not for him.
func (ps *Pools) Rejoin(name string, key Key, terms Terms, c auth.Credentials) (*Pool, error) {
	p, err := ps.join(name, key, terms, c)
	if err == errTooManyPools && ps.mayWarn() {
		ps.log.Warn("no more pools", "max_pools", ps.limits().MaxPools)
	}
	return p, err
}

func (ps *Pools) join(name string, key Key, terms Terms, c auth.Credentials) (*Pool, error) {
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
		if p, err = ps.addLocked(name, key, terms); err != nil {
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

func (ps *Pools) addLocked(name string, key Key, terms Terms) (*Pool, error) {
	if !ps.makeRoomLocked() {
		return nil, errTooManyPools
	}
	p, err := newPool(ps, name, key, terms)
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

// Secret is what the pool would log in to servers with next. Any goroutine.
func (p *Pool) Secret() auth.Credentials {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.secrets.best()
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
func (ps *Pools) followCluster(cl *cluster) {
	defer ps.workers.Done()
	asked := inquiries{cluster: cl, running: make(map[inquired]context.CancelFunc)}
	defer asked.end()
	for {
		v, ordered := cl.discovery.View(), ps.orders.stand.Load()
		if ps.isCurrent(cl) {
			ps.seeAll(cl.name, v)
		}
		_, asks := ps.metadataOf(cl)
		before := cl.metadata.leftOut()
		cl.metadata.see(v, asks)
		ps.tellLeftOut(cl, before)
		asked.follow(v)
		ps.sweepAskers()
		var soonest time.Time
		for _, p := range ps.all() {
			switch {
			case p.Key.Cluster != cl.name:
			case p.home.Load() != cl:
				p.followFormer(cl, v)
			default:
				if until := p.follow(cl, v); !until.IsZero() && (soonest.IsZero() || until.Before(soonest)) {
					soonest = until
				}
			}
		}
		if ps.isCurrent(cl) {
			ps.spreads.follow(cl.name, v)
		}
		if !cl.awaitChange(v, ordered, soonest) {
			return
		}
	}
}

// awaitChange waits until a view or the orders are replaced, replicas are known to fit or not,
// or the time has come, if there is one; false: nobody follows the cluster any more.
func (cl *cluster) awaitChange(v *discovery.View, ordered *standingOrders, at time.Time) bool {
	var alarm <-chan time.Time
	if !at.IsZero() {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		alarm = t.C
	}
	select {
	case <-v.Replaced():
	case <-ordered.replaced:
	case <-cl.lags.moved:
	case <-alarm:
	case <-cl.ctx.Done():
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
		ps.spreads.settle()
		ps.sweepBanks()
		ps.forgetRefusals()
		ps.giveUpSilent()
		ps.endFormer()
		ps.sweepAskers()
	}
}

// forget drops a pool that nobody has used for a while.
func (ps *Pools) forget(p *Pool) {
	if since, unused := p.unusedSince(); !unused || time.Since(since) <= forgetAfter {
		return
	}
	ps.end(p)
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
	ps.closeAskers()
	ps.openers.Wait()
	for _, p := range ps.all() {
		p.closeIdle()
	}
	for _, cl := range ps.clusters() {
		cl.discovery.Close()
	}
	for _, cl := range ps.former {
		cl.discovery.Close()
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
