package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"portero/config"
)

const (
	// firstTimeout bounds each read of a link, so that an endpoint that does not
	// answer costs no more. It doubles when none of them answered in time.
	firstTimeout = 750 * time.Millisecond
	lastTimeout  = 6 * time.Second
	// A round of endpoints that all failed is followed by a pause, short, because
	// it is added to the recovery.
	firstPause = 25 * time.Millisecond
	lastPause  = 250 * time.Millisecond
	// A link that held for this long was no failed attempt.
	steadyAfter = time.Second
)

var (
	errWatchClosed = errors.New("the watch was closed")
	errWatchMute   = errors.New("the watch does not tell of changes")
)

// follower copies the keys of one cluster out of etcd, over one endpoint after
// another, for as long as its context lives. One goroutine owns it.
type follower struct {
	cluster   *Cluster
	known     *patroni // guarded by cluster.mu
	etcd      config.Etcd
	endpoints []endpoint
	layout    layout
	log       *slog.Logger

	mirror mirror
	guard  guard
	fails  int      // links that failed in a row
	told   []string // why they did, as far as it was told
	empty  bool     // etcd has no members of the cluster, as was told
}

// newFollower checks everything that can be checked without etcd.
func newFollower(c *Cluster, known *patroni, cfg config.Cluster) (*follower, error) {
	f := &follower{
		cluster: c,
		known:   known,
		etcd:    cfg.Etcd,
		layout:  newLayout(cfg.Namespace, cfg.Scope, cfg.Citus),
		log:     c.log,
	}
	if cfg.Scope == "" {
		return nil, errors.New("no scope")
	}
	for _, text := range cfg.Etcd.Endpoints {
		e, err := parseEndpoint(text, cfg.Etcd.TLS != config.ClientTLS{})
		if err != nil {
			return nil, err
		}
		if e.tls {
			if _, err := tlsConfig(cfg.Etcd.TLS, e.host); err != nil {
				return nil, fmt.Errorf("etcd: %w", err)
			}
		}
		f.endpoints = append(f.endpoints, e)
	}
	if len(f.endpoints) == 0 {
		return nil, errors.New("no etcd endpoints")
	}
	return f, nil
}

// run follows one endpoint after another until ctx ends.
func (f *follower) run(ctx context.Context) {
	for i := 0; ctx.Err() == nil; i++ {
		e := f.endpoints[i%len(f.endpoints)]
		began := time.Now()
		err := f.follow(ctx, e)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > steadyAfter && f.cluster.Stats().Connected {
			f.fails, f.told = 0, nil
		}
		f.lost(e, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause(f.fails, len(f.endpoints))):
		}
	}
}

// mostReasons is how many reasons of a row of lost links are told: some have port numbers.
const mostReasons = 4

// lost notes the end of a link. The first of a row is worth a line in the log, each
// other reason too (the first is often only that a connection has ended), and one in a
// while, so that hours without etcd do not fill it.
func (f *follower) lost(e endpoint, err error) {
	level := slog.LevelDebug
	if news := !slices.Contains(f.told, err.Error()) && len(f.told) < mostReasons; news {
		f.told = append(f.told, err.Error())
		level = slog.LevelWarn
	}
	if f.fails%100 == 0 {
		level = slog.LevelWarn
	}
	f.log.Log(context.Background(), level, "etcd endpoint lost", "endpoint", e.name, "reason", err, "failed", f.fails)
	f.fails++
	f.cluster.change(func() bool {
		f.cluster.stats.Connected = false
		f.cluster.stats.Losses++
		return false
	})
}

// pause is how long to wait after so many failed links in a row: not at all
// within the first round of endpoints.
func pause(fails, endpoints int) time.Duration {
	rounds := fails / endpoints
	if rounds == 0 {
		return 0
	}
	return min(firstPause<<min(rounds-1, 8), lastPause)
}

// patience is how long a read may take after so many failed links in a row.
func patience(fails, endpoints int) time.Duration {
	return min(firstTimeout<<min(fails/endpoints, 8), lastTimeout)
}

// follow reads all keys from one endpoint and then watches them, and returns
// why it had to stop. It leaves no goroutine behind.
func (f *follower) follow(ctx context.Context, e endpoint) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	timeout := patience(f.fails, len(f.endpoints))
	client, err := dialer{etcd: f.etcd, to: e, fail: fail}.newClient(ctx, timeout)
	if err != nil {
		return err
	}
	defer client.Close()
	f.guard.revision = f.mirror.revision // the first read begins after all that was seen
	l := &link{client: client, prefix: f.layout.base, timeout: timeout, fail: fail}
	first, err := l.read(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	if _, err := f.take(first, e); err != nil {
		return err
	}
	reads := make(chan snapshot)
	var rereading sync.WaitGroup
	rereading.Go(func() { l.reread(ctx, reads) })
	err = f.events(ctx, e, l.watch(ctx, first.revision+1), reads)
	fail(nil)
	rereading.Wait()
	return err
}

// cause prefers the reason for which ctx was ended to the error that followed.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil {
		return why
	}
	return err
}

// events takes what the watch and the re-reads bring until one of them ends.
// A change that a re-read had to bring must be told by the watch before the
// next one, or the watch is dead without knowing it.
func (f *follower) events(ctx context.Context, e endpoint, watch clientv3.WatchChan, reads <-chan snapshot) error {
	owed := false
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case answer, ok := <-watch:
			if !ok {
				return cause(ctx, errWatchClosed)
			}
			if err := answer.Err(); err != nil { // also canceled and compacted
				return cause(ctx, err)
			}
			if len(answer.Events) > 0 {
				owed = false
				f.apply(answer.Events)
			}
		case s := <-reads:
			if owed {
				return errWatchMute
			}
			changed, err := f.take(s, e)
			if err != nil {
				return err
			}
			owed = changed
		}
	}
}

// apply publishes revision by revision, so that no reign is overlooked.
func (f *follower) apply(events []*clientv3.Event) {
	for len(events) > 0 {
		var changed bool
		if events, changed = f.mirror.apply(events); changed {
			f.publish(func() {})
		}
	}
}

// take publishes a snapshot, unless it is from the past.
func (f *follower) take(s snapshot, e endpoint) (changed bool, err error) {
	now := time.Now()
	restored, err := f.guard.admit(s, now)
	if err != nil {
		return false, err
	}
	if restored {
		f.log.Warn("etcd has gone back and stays there; taken for restored", "revision", s.revision)
		f.mirror = mirror{}
	}
	changed = f.mirror.replace(s)
	f.guard.revision = f.mirror.revision
	f.publish(func() {
		f.cluster.stale = false
		f.cluster.stats.LastRead = now
		f.cluster.confirmed.read(s.asked)
		f.cluster.stats.Connected = true
		f.cluster.stats.Endpoint = e.name
		if s.etcd != nil {
			f.cluster.etcd, f.cluster.stats.EtcdListed = s.etcd, true
		}
	})
	return changed, nil
}

// lookForMembers tells an operator why a cluster may have none, once until it has some.
func (f *follower) lookForMembers(seen map[int]picture) {
	before := f.empty
	f.empty = true
	for _, p := range seen {
		if len(p.members) > 0 {
			f.empty = false
			return
		}
	}
	if before {
		return
	}
	f.log.Warn("etcd has no members of the cluster; are namespace, scope and citus right?",
		"prefix", f.layout.base, "citus", f.layout.citus, "keys", len(f.mirror.keys))
}

// publish folds the copy and hands it to the cluster together with note.
func (f *follower) publish(note func()) {
	now := time.Now()
	seen := pictures(f.layout, f.mirror.keys, now)
	f.lookForMembers(seen)
	f.cluster.change(func() bool {
		note()
		f.cluster.stats.Revision = f.mirror.revision
		f.known.follow(seen, now)
		return true
	})
}
