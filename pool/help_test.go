package pool

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"portero/auth"
	"portero/config"
	"portero/discovery"
	"portero/loop"
	"portero/metrics"
)

// stage is two loops, one cluster and its pools.
type stage struct {
	t       testing.TB
	loops   []*loop.Loop
	cluster *discovery.Cluster
	pools   *Pools
	cfg     *config.Config
	servers int    // the quota
	diary   *diary // what the log says
}

// diary is a log that can be read again.
type diary struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

// times is how often something was written.
func (d *diary) times(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Count(d.text.String(), what)
}

// newStage opens pools over a static cluster of these hosts.
func newStage(t testing.TB, edit func(c *config.Pool), hosts ...string) *stage {
	t.Helper()
	return newStageOf(t, edit, config.Cluster{Name: "main", Discovery: "static", Hosts: hosts})
}

// newStageOfRoutes is newStage with routes, of which the first leads to its cluster.
func newStageOfRoutes(t testing.TB, routes []config.Route, host string) *stage {
	t.Helper()
	s := &stage{t: t, cfg: config.Default(), servers: plenty, diary: &diary{}}
	s.cfg.Routes = routes
	s.open(nil, config.Cluster{Name: "main", Discovery: "static", Hosts: []string{host}, TLS: config.ServerTLS{Mode: "disable"}})
	return s
}

func newStageOf(t testing.TB, edit func(c *config.Pool), cluster config.Cluster) *stage {
	t.Helper()
	if cluster.TLS.Mode == "" {
		cluster.TLS.Mode = "disable"
	}
	s := &stage{t: t, cfg: config.Default(), servers: plenty, diary: &diary{}}
	s.open(edit, cluster)
	return s
}

// plenty is a quota that no test reaches.
const plenty = 10_000

func (s *stage) open(edit func(c *config.Pool), cluster config.Cluster) {
	t := s.t
	t.Helper()
	s.cfg.Clusters = []config.Cluster{cluster}
	s.cfg.Routes[0].Cluster = "main"
	if edit != nil {
		edit(&s.cfg.Pool)
	}
	if s.cfg.Pool.MaxLag > 0 { // replicas are measured only where a route needs it
		s.cfg.Routes[0].Role, s.cfg.Routes[0].MaxLag = "prefer-replica", s.cfg.Pool.MaxLag
	}
	log := slog.New(slog.NewTextHandler(io.MultiWriter(s.diary, t.Output()), &slog.HandlerOptions{Level: slog.LevelDebug}))
	for i := range 2 {
		l, err := loop.New(i)
		if err != nil {
			t.Fatal(err)
		}
		l.OnPanic = func(v any, stack []byte) { t.Errorf("panic on a loop: %v\n%s", v, stack) }
		go l.Run()
		t.Cleanup(l.Stop)
		s.loops = append(s.loops, l)
	}
	var err error
	if s.cluster, err = discovery.Open(cluster, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.cluster.Close)
	if s.pools, err = New(s.cfg, s.servers, map[string]*discovery.Cluster{"main": s.cluster}, s.loops, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.pools.Close)
}

func keyOf(role, database, user string) Key {
	return Key{Cluster: "main", Role: role, Mode: "transaction", Database: database, User: user}
}

// terms are those of a pool with nothing but a size.
func terms(size, minimum int) Terms { return Terms{Size: size, Minimum: minimum, Lifetime: time.Hour} }

// terms are the same with the stage's lifetime of servers.
func (s *stage) terms(size, minimum int) Terms {
	t := terms(size, minimum)
	t.IdleTimeout, t.Lifetime = s.cfg.Pool.ServerIdleTimeout, s.cfg.Pool.ServerLifetime
	return t
}

// joinSession is join in session mode.
func (s *stage) joinSession(size, minimum int) *Pool {
	s.t.Helper()
	key := keyOf("leader", "postgres", "app")
	key.Mode = "session"
	p, err := s.pools.Join(key, s.terms(size, minimum), auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stage) join(size, minimum int, role, user string) *Pool {
	s.t.Helper()
	p, err := s.pools.Join(keyOf(role, "postgres", user), s.terms(size, minimum), auth.Credentials{})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// letIn has a server let the pool in, and close again.
func (s *stage) letIn(p *Pool) {
	s.t.Helper()
	c := s.client(p, 0)
	c.get()
	c.discard(metrics.ServerDirty)
	wait(s.t, "balance", p.balanced)
}

// balanced is an error as long as the pool's counts contradict each other or
// servers are on their way.
func (p *Pool) balanced() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	states := make(map[state]int)
	for s := range p.servers {
		states[s.state]++
	}
	places, idle, lent := 0, 0, 0
	for _, at := range p.places {
		places, idle, lent = places+at.servers, idle+len(at.idle), lent+at.lent
	}
	stat := p.puddle.Stat()
	p.owner.quota.mu.Lock()
	share := p.share
	p.owner.quota.mu.Unlock()
	switch {
	case p.opening != 0:
		return fmt.Errorf("%d are opening", p.opening)
	case states[stateIdle] != p.idle, states[stateLent]+states[stateCancelled]+states[stateAsked] != p.lent, len(p.servers) != p.idle+p.lent:
		return fmt.Errorf("idle %d, lent %d, states %v", p.idle, p.lent, states)
	case places != len(p.servers), idle != p.idle, lent != p.lent:
		return fmt.Errorf("at all places %d, idle %d, lent %d; in sum %d, %d, %d", places, idle, lent, len(p.servers), p.idle, p.lent)
	case stat.IdleResources() != 0, int(stat.TotalResources()) != len(p.servers):
		return fmt.Errorf("%d servers, puddle says %d, and %d idle", len(p.servers), stat.TotalResources(), stat.IdleResources())
	case len(p.servers) > p.terms().Size:
		return fmt.Errorf("%d servers of at most %d", len(p.servers), p.terms().Size)
	case share != len(p.servers):
		return fmt.Errorf("%d servers, and a share of %d in the quota", len(p.servers), share)
	}
	return nil
}

func (p *Pool) counts() (idle, lent, opening int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle, p.lent, p.opening
}

// noneIdle waits until the pool knows that its idle servers are dead: before, one may be lent.
func (p *Pool) noneIdle(t testing.TB) {
	t.Helper()
	wait(t, "no idle server", func() error { idle, _, _ := p.counts(); return until(idle == 0) })
}

func within[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		buf := make([]byte, 1<<18)
		t.Fatalf("%s: nothing came\n%s", what, buf[:runtime.Stack(buf, true)])
		panic("unreachable")
	}
}

// rests looks for a moment in which the process takes little processor time:
// who spins leaves none. What makes it wait must last for longer than that is looked for.
func rests(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		used := cpuTime(t)
		pause := time.NewTimer(100 * time.Millisecond)
		<-pause.C
		if cpuTime(t)-used < 50*time.Millisecond {
			return
		}
	}
	t.Error("no moment of rest")
}

// cpuTime is the processor time that this process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
