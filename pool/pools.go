package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/loop"
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

	mu    sync.Mutex // guards pools
	pools map[Key]*Pool
}

// cluster is a cluster as pools need it. Immutable.
type cluster struct {
	discovery *discovery.Cluster
	mode      string      // of TLS to its servers
	tls       *tls.Config // nil: none
}

// New starts to follow the clusters. Close ends it; the discovery.Clusters and
// the loops remain the caller's and must outlive it.
func New(cfg *config.Config, clusters map[string]*discovery.Cluster, loops []*loop.Loop, log *slog.Logger) (*Pools, error) {
	ps := &Pools{log: log, limits: cfg.Pool, loops: loops, clusters: make(map[string]*cluster), pools: make(map[Key]*Pool)}
	for _, c := range cfg.Clusters {
		settings, err := serverTLS(c.TLS)
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
		}
		ps.clusters[c.Name] = &cluster{discovery: clusters[c.Name], mode: c.TLS.Mode, tls: settings}
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
// client in; Leave counts it out. size and minimum are those of the route that
// comes first.
func (ps *Pools) Join(key Key, size, minimum int, c auth.Credentials) (*Pool, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.pools[key]
	if p == nil {
		var err error
		if p, err = newPool(ps, key, size, minimum); err != nil {
			return nil, err
		}
		ps.pools[key] = p
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients++
	p.credentials = c
	return p, nil
}

// Leave is called once by each client that has joined.
func (p *Pool) Leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients--
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

// followCluster hands each new view of a cluster to its pools.
func (ps *Pools) followCluster(name string) {
	defer ps.workers.Done()
	d := ps.clusters[name].discovery
	for {
		v := d.View()
		for _, p := range ps.all() {
			if p.Key.Cluster == name {
				p.follow(v)
			}
		}
		select {
		case <-v.Replaced():
		case <-ps.ctx.Done():
			return
		}
	}
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
	}
}

func (ps *Pools) forget(p *Pool) {
	if !p.abandoned() {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients == 0 && len(p.servers) == 0 {
		p.closed = true
		delete(ps.pools, p.Key)
	}
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
		p.close()
	}
}

func (p *Pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.openers.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.puddle.AcquireAllIdle() {
		s := r.Value()
		if s.state == stateIdle {
			p.idle--
		}
		s.resource = r // a new one has none yet
		p.buryLocked(s)
		p.destruct(s)
	}
}

// Ready says of each cluster and group that routes name whether its leader is
// known; empty means that all are. Where hosts have to be asked nobody asks
// before the first client comes: such a group is ready until clients wait for
// it in vain.
func (ps *Pools) Ready(routes []config.Route) (missing []string) {
	for _, r := range routes {
		g := ps.clusters[r.Cluster].discovery.View().Groups[r.Group]
		if g != nil && (leaderOf(g) != "" || g.AskHosts && !ps.inVain(r.Cluster, r.Group)) {
			continue
		}
		text := fmt.Sprintf("cluster %s, group %d: no leader known", r.Cluster, r.Group)
		if !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	return missing
}

// inVain reports whether clients wait for the leader of a group and no pool of
// it has a server.
func (ps *Pools) inVain(cluster string, group int) bool {
	waiting, servers := 0, 0
	for _, p := range ps.all() {
		if p.Key.Cluster != cluster || p.Key.Group != group || p.Key.Role != "leader" {
			continue
		}
		p.mu.Lock()
		waiting += p.waiting.n
		servers += len(p.servers)
		p.mu.Unlock()
	}
	return waiting > 0 && servers == 0
}
