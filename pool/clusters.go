package pool

import (
	"context"
	"crypto/tls"
	"fmt"
	"sync/atomic"
	"time"

	"portero/config"
	"portero/discovery"
)

// cluster is a cluster as pools need it, by one configuration of it. Where a reload
// brings another, that takes its place (reload.go), and this one is followed for as
// long as a server of it is open.
type cluster struct {
	owner     *Pools
	name      string
	print     config.Fingerprint // of what its discovery was opened with
	discovery *discovery.Cluster
	citus     bool
	safety    atomic.Pointer[safety]
	measured  atomic.Bool // clients may come who need to know of its replicas
	lags      *lags
	questions *questions
	refresh   time.Duration   // of YugabyteDB
	recount   chan struct{}   // of YugabyteDB: has a token if the nodes are to be asked for
	metadata  metadata        // of a Citus cluster
	ctx       context.Context // ends when nobody needs it any more
	stop      context.CancelFunc
}

// safety is how connections to a cluster's servers are made safe.
type safety struct {
	mode string
	tls  *tls.Config // nil: they are not
}

func safetyBy(c config.ServerTLS) (*safety, error) {
	settings, err := serverTLS(c)
	return &safety{c.Mode, settings}, err
}

// newCluster takes d over.
func (ps *Pools) newCluster(c config.Cluster, d *discovery.Cluster) (*cluster, error) {
	how, err := safetyBy(c.TLS)
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", c.Name, err)
	}
	cl := &cluster{owner: ps, name: c.Name, print: c.Fingerprint(), discovery: d, lags: newLags(), questions: toPostgres, metadata: newMetadata(), citus: c.Citus}
	if c.Discovery == "yugabyte" {
		cl.questions, cl.refresh, cl.recount = toYugabyte, c.Refresh, make(chan struct{}, 1)
	}
	cl.safety.Store(how)
	cl.ctx, cl.stop = context.WithCancel(ps.ctx)
	return cl, nil
}

// begin starts to follow it.
func (cl *cluster) begin() {
	cl.owner.workers.Add(1)
	go cl.owner.followCluster(cl)
	if cl.isYugabyte() {
		call := &rollCall{cluster: cl, log: cl.owner.log.With("cluster", cl.name)}
		cl.owner.workers.Add(1)
		go call.run()
	}
	if cl.citus {
		cl.owner.workers.Add(1)
		go cl.owner.followMetadata(cl)
	}
}

func (cl *cluster) isYugabyte() bool { return cl.recount != nil }

// clusters are those of the configuration, by their names. The map is never changed.
func (ps *Pools) clusters() map[string]*cluster { return *ps.current.Load() }

// isCurrent reports whether a cluster is of the configuration in force.
func (ps *Pools) isCurrent(cl *cluster) bool { return ps.clusters()[cl.name] == cl }

// Discovery is what follows a cluster of the configuration; nil if there is none of
// that name.
func (ps *Pools) Discovery(name string) *discovery.Cluster {
	if cl := ps.clusters()[name]; cl != nil {
		return cl.discovery
	}
	return nil
}

// cluster is what follows the pool's cluster at present. Any goroutine.
func (p *Pool) cluster() *discovery.Cluster { return p.home.Load().discovery }
