package discovery

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"portero/config"
)

// staleAfter is how long the source may be silent until the View says so. It is
// longer than the change from a dead etcd endpoint to the next.
const staleAfter = 3 * time.Second

// Cluster follows one PostgreSQL cluster and publishes Views of it. All methods
// may be called from any goroutine; none of them waits for a network.
type Cluster struct {
	name string
	log  *slog.Logger
	view atomic.Pointer[View]

	// mu guards what is below. Nothing blocks while it is held.
	mu     sync.Mutex
	source source
	stale  bool
	stats  Stats
	etcd   []string // as in View
	warned warned

	confirmed confirmations

	stop    context.CancelFunc
	workers sync.WaitGroup
}

// source is what a kind of discovery knows. Its methods are called with
// Cluster.mu held, do no I/O, and tell whether anything has changed.
type source interface {
	observe(p Proof) bool
	doubt(group int, member string) bool
	accept(group int, timeline int64) error
	groups() map[int]*Group // of their own: the caller keeps them
}

// Stats is the state of the way to the source, for metrics. A static cluster is
// always connected and has neither reads nor revisions. One of YugabyteDB is until all
// of its nodes that were asked for the others have failed.
type Stats struct {
	Connected bool      // an endpoint of etcd has answered and has not been lost since
	Endpoint  string    // the endpoint that is or was followed last
	LastRead  time.Time // last linearizable read that was believed
	Revision  int64     // of etcd, that the View shows
	Losses    uint64    // times that an endpoint was lost or did not answer

	EtcdListed bool // etcd has told of its members
}

// Open starts following a cluster. It does not wait for anything to be reached:
// etcd is tried for ever, and until its first answer the View has no groups and
// is Stale. It fails only on settings that can never work, such as a
// certificate that cannot be read. The caller must Close the Cluster.
func Open(cfg config.Cluster, log *slog.Logger) (*Cluster, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Cluster{name: cfg.Name, log: log.With("cluster", cfg.Name), stop: stop}
	c.view.Store(&View{Cluster: cfg.Name, Groups: map[int]*Group{}, Stale: true, Changed: time.Now(), replaced: make(chan struct{})})
	if err := c.start(ctx, cfg); err != nil {
		stop()
		return nil, fmt.Errorf("cluster %s: %w", cfg.Name, err)
	}
	return c, nil
}

func (c *Cluster) start(ctx context.Context, cfg config.Cluster) error {
	switch cfg.Discovery {
	case "patroni":
		return c.startPatroni(ctx, cfg)
	case "static":
		hosts, err := newStatic(cfg.Hosts)
		if err != nil {
			return err
		}
		c.source, c.stats.Connected = hosts, true
		c.change(func() bool { return true })
		return nil
	case "yugabyte":
		nodes, err := newYugabyte(cfg)
		if err != nil {
			return err
		}
		c.source, c.stats.Connected = nodes, true
		c.change(func() bool { return true })
		return nil
	}
	return fmt.Errorf("discovery %q is not known", cfg.Discovery)
}

func (c *Cluster) startPatroni(ctx context.Context, cfg config.Cluster) error {
	known := newPatroni()
	known.limit = time.Duration(cfg.StaleLeaderLimit)
	f, err := newFollower(c, known, cfg)
	if err != nil {
		return err
	}
	a, err := newAsker(c, cfg.REST)
	if err != nil {
		return err
	}
	c.source, c.stale, c.etcd = known, true, hostsOf(f.endpoints)
	c.workers.Go(func() { f.run(ctx) })
	c.workers.Go(func() { c.age(ctx) })
	c.workers.Go(func() { a.run(ctx) })
	return nil
}

// View is what is known now. It never is nil and never changes.
func (c *Cluster) View() *View { return c.view.Load() }

// Observe takes what a server said of itself, from a connection that was made
// just now. When it returns, View shows the effect: a caller that stamps its
// server with an epoch reads it after Observe, so that a server of a new reign
// is not taken for one of the old. A Proof without Timeline cannot end a reign.
func (c *Cluster) Observe(p Proof) {
	c.change(func() bool { return c.source.observe(p) })
}

// Doubt tells that a member refused or died. Where no key says who leads, it
// leads no longer until it, or another, proves itself. Under Patroni it changes
// nothing.
func (c *Cluster) Doubt(group int, member string) {
	c.change(func() bool { return c.source.doubt(group, member) })
}

// AcceptTimeline has clients served by a leader that is held because it is on an older
// timeline than one that has taken writes before: those are lost. It begins a new epoch,
// and is logged. An error says why the leader of the group is not held for that timeline.
func (c *Cluster) AcceptTimeline(group int, timeline int64) error {
	var err error
	var before *Group
	c.change(func() bool {
		before = c.view.Load().Groups[group]
		err = c.source.accept(group, timeline)
		return err == nil
	})
	if err == nil {
		c.log.Warn("older timeline accepted: what was written on the newer is given up",
			"group", group, "leader", before.Leader, "timeline", timeline, "newest", before.Timeline)
	}
	return err
}

// Stats is how well the source is reached.
func (c *Cluster) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Close stops following and waits until everything that Open started has ended.
// The last View stays. Close may be called more than once.
func (c *Cluster) Close() {
	c.stop()
	c.workers.Wait()
}

// ageEvery is how often age looks.
const ageEvery = staleAfter / 20

// age marks the View stale when the source has been silent for too long, and then
// each leader unconfirmed that nobody has confirmed for too long.
func (c *Cluster) age(ctx context.Context) {
	tick := time.NewTicker(ageEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			c.change(func() bool {
				c.stale = c.stale || now.Sub(c.stats.LastRead) > staleAfter
				return c.stale
			})
		}
	}
}

// change runs edit, publishes if that changed anything, and logs what did.
func (c *Cluster) change(edit func() bool) {
	c.mu.Lock()
	old := c.view.Load()
	if !edit() || !c.publishLocked(old) {
		c.mu.Unlock()
		return
	}
	now := c.view.Load()
	begun, ended := c.warned.take(now)
	c.mu.Unlock()
	c.report(old, now)
	c.reportTopology(begun, ended)
}

// publishLocked replaces old by what the source knows, unless they are equal.
func (c *Cluster) publishLocked(old *View) bool {
	v := &View{
		Cluster:  c.name,
		Groups:   c.source.groups(),
		Stale:    c.stale,
		Changed:  time.Now(),
		Etcd:     c.etcd,
		replaced: make(chan struct{}),
	}
	if v.Stale {
		c.confirmed.mark(v.Groups, v.Changed)
	}
	if v.Stale == old.Stale && slices.Equal(v.Etcd, old.Etcd) && reflect.DeepEqual(v.Groups, old.Groups) {
		return false
	}
	v.Warnings = topology(v.Groups, v.Etcd)
	c.view.Store(v)
	close(old.replaced)
	return true
}

// report logs what an operator wants to find in the log after a failover.
func (c *Cluster) report(old, now *View) {
	switch {
	case now.Stale && !old.Stale:
		c.log.Warn(c.lostWords() + ", the last view stays")
	case !now.Stale && old.Stale:
		c.log.Info("view is current", "groups", len(now.Groups))
	}
	for id, g := range now.Groups {
		was := old.Groups[id]
		if was == nil {
			was = &Group{}
		}
		if g.Leader != was.Leader || g.Epoch != was.Epoch {
			c.log.Info("leader", "group", id, "leader", g.Leader, "before", was.Leader, "epoch", g.Epoch, "timeline", g.Timeline)
		}
		if g.Announced != nil && was.Announced == nil {
			c.log.Info("switchover announced", "group", id, "from", g.Announced.From, "to", g.Announced.To)
		}
		c.reportTrust(g, was)
		c.reportNodes(g, was)
	}
}

// lostWords say what has been lost when a View is stale.
func (c *Cluster) lostWords() string {
	if _, ok := c.source.(*yugabyte); ok {
		return "no node tells of the others"
	}
	return "etcd is out of reach"
}

// reportTrust logs why a leader is not used that holds the key, and that it is again.
func (c *Cluster) reportTrust(g, was *Group) {
	switch {
	case g.Unconfirmed && !was.Unconfirmed:
		c.log.Warn("leader not confirmed, clients are held", "group", g.ID, "leader", g.Holder(), "stale_leader_limit", g.StaleLimit)
	case !g.Unconfirmed && was.Unconfirmed:
		c.log.Info("leader confirmed", "group", g.ID, "leader", g.Holder())
	}
	if g.Behind != 0 && g.Behind != was.Behind {
		c.log.Warn("leader is on an older timeline, clients are held", "group", g.ID, "leader", g.Holder(), "timeline", g.Behind, "newest", g.Timeline)
	}
}
