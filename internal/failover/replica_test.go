package failover

import (
	"context"
	"fmt"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"portero/internal/lab"
)

const replicaRoutes = `
[log]
connections = false

[[route]]
database = "app"

[[route]]
database = "fresh"
dbname = "app"
role = "replica"
max_lag = "1s"
pool_size = 4

[[route]]
database = "prefer"
dbname = "app"
role = "prefer-replica"
max_lag = "1s"
pool_size = 4

[[route]]
database = "loose"
dbname = "app"
role = "replica"
pool_size = 4
`

// readers are clients that ask again and again who serves them.
type readers struct {
	mu     sync.Mutex           // guards what follows
	seen   map[string]time.Time // by port, when a member last served
	errors map[string]int       // by SQLSTATE
}

func startReaders(t *testing.T, n int, dsn string) *readers {
	t.Helper()
	r := &readers{seen: make(map[string]time.Time), errors: make(map[string]int)}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range n {
		c := lab.ClientForTest(t, dsn)
		all.Go(func() { r.read(ctx, c) })
	}
	t.Cleanup(func() { stop(); all.Wait() })
	return r
}

func (r *readers) read(ctx context.Context, c *lab.Client) {
	for ctx.Err() == nil && !c.IsClosed() {
		port, err := c.Ask(ctx, "select inet_server_port(), pg_sleep(0.01)")
		if ctx.Err() != nil {
			return
		}
		r.note(port, err)
	}
}

func (r *readers) note(port string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.errors[lab.SQLState(err)]++
		return
	}
	r.seen[port] = time.Now()
}

// last is when a member last served.
func (r *readers) last(m *lab.Member) time.Time {
	_, port, _ := net.SplitHostPort(m.Address)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[port]
}

func (r *readers) failed() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.errors)
}

// come waits until a member serves after a time, and tells how long that took.
func (r *readers) come(t *testing.T, m *lab.Member, after time.Time) time.Duration {
	t.Helper()
	lab.Eventually(t, "reads from "+m.Name, func() error {
		if !r.last(m).After(after) {
			return fmt.Errorf("it last served at %v", r.last(m))
		}
		return nil
	})
	return r.last(m).Sub(after)
}

// quiet is how long a member has not served when it is believed to be left.
const quiet = 2 * time.Second

// leave waits until a member serves no more, and tells how long after a time it last did.
func (r *readers) leave(t *testing.T, m *lab.Member, after time.Time) time.Duration {
	t.Helper()
	lab.Eventually(t, "no reads from "+m.Name, func() error {
		if since := max(time.Since(after), 0); since < quiet || time.Since(r.last(m)) < quiet {
			return fmt.Errorf("it served %v ago", time.Since(r.last(m)))
		}
		return nil
	})
	return max(r.last(m).Sub(after), 0)
}

// replicaScene is a cluster of three, with somebody who writes.
type replicaScene struct {
	portero              *lab.Portero
	config               string
	group                *lab.Group
	leader               *lab.Member
	replicas             []*lab.Member
	fresh, prefer, loose *readers
}

func TestReplicaRoutes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	s := beginReplicas(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"ReadersLeaveAReplicaThatLags", s.lag},
		{"TheLeaderServesWhileAllReplicasLag", s.lagOfAll},
		{"ReadersAreServedInTheirZone", s.zones},
		{"ReplicasDieAndComeBack", s.deaths},
		{"WalsendersInASwitchover", s.switchedOver},
	} {
		if !t.Run(c.name, c.run) {
			return
		}
	}
}

func beginReplicas(t *testing.T) *replicaScene {
	t.Helper()
	c := lab.ClusterForTest(t, lab.ClusterOptions{Members: 3, TTL: time.Minute})
	s := &replicaScene{group: c.Groups[0], config: lab.PatroniConfig(c.Etcd.Endpoints()) + replicaRoutes}
	var err error
	if s.leader, err = s.group.Leader(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range s.group.Members {
		if m != s.leader {
			s.replicas = append(s.replicas, m)
		}
	}
	s.portero = lab.ServingForTest(t, lab.PorteroOptions{Program: buildPortero(t), Config: s.config})
	if err := lab.RunSQL(t.Context(), s.leader.SuperuserDSN("app"), lab.WriterTable...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	writers := lab.StartWriters(ctx, 1, s.dsn("app"))
	t.Cleanup(func() { writers.Stop(context.Background()); stop() })
	s.fresh, s.prefer, s.loose = startReaders(t, 4, s.dsn("fresh")), startReaders(t, 4, s.dsn("prefer")), startReaders(t, 4, s.dsn("loose"))
	s.allServe(t)
	return s
}

func (s *replicaScene) dsn(database string) string { return s.portero.DSN("app", "app", database) }

// allServe waits until each replica serves all, and the leader nobody.
func (s *replicaScene) allServe(t *testing.T) {
	t.Helper()
	now := time.Now()
	for _, m := range s.replicas {
		s.fresh.come(t, m, now)
		s.prefer.come(t, m, now)
		s.loose.come(t, m, now)
	}
	s.prefer.leave(t, s.leader, now)
}

// unharmed holds that no reader has seen an error.
func (s *replicaScene) unharmed(t *testing.T) {
	t.Helper()
	for name, r := range map[string]*readers{"fresh": s.fresh, "prefer": s.prefer, "loose": s.loose} {
		if failed := r.failed(); len(failed) > 0 {
			t.Errorf("%s: errors %v", name, failed)
		}
	}
}

// holdBack pauses the replay on a replica. Its Patroni would resume it at once, so that
// is suspended; its keys stay for the TTL.
func (s *replicaScene) holdBack(t *testing.T, m *lab.Member) time.Time {
	t.Helper()
	m.SuspendPatroni()
	if err := lab.RunSQL(t.Context(), m.SuperuserDSN("app"), "select pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	super := lab.ClientForTest(t, m.SuperuserDSN("app"))
	lab.Eventually(t, "replay is paused", func() error {
		state, err := super.Ask(t.Context(), "select pg_get_wal_replay_pause_state()")
		if err == nil && state != "paused" {
			err = fmt.Errorf("it is %s", state)
		}
		return err
	})
	return time.Now()
}

func (s *replicaScene) letGo(t *testing.T, m *lab.Member) time.Time {
	t.Helper()
	if err := lab.RunSQL(t.Context(), m.SuperuserDSN("app"), "select pg_wal_replay_resume()"); err != nil {
		t.Fatal(err)
	}
	m.ResumePatroni()
	return time.Now()
}

func (s *replicaScene) lag(t *testing.T) {
	m, other := s.replicas[0], s.replicas[1]
	paused := s.holdBack(t, m)
	left := s.fresh.leave(t, m, paused)
	s.prefer.leave(t, m, paused)
	if left > 5*time.Second {
		t.Errorf("reads went on for %v", left)
	}
	now := time.Now()
	s.loose.come(t, m, now)
	s.prefer.come(t, other, now)
	series := fmt.Sprintf(`portero_group_member_lag_seconds{cluster="main",group="0",member=%q}`, m.Name)
	if values, err := s.portero.Metrics(t.Context()); err != nil || values[series] < 1 {
		t.Errorf("lag in the metrics: %v, %v", values[series], err)
	}
	back := s.fresh.come(t, m, s.letGo(t, m))
	t.Logf("left %v after the replay had been paused, back %v after it was resumed", left.Round(time.Millisecond), back.Round(time.Millisecond))
	s.allServe(t)
	s.unharmed(t)
}

func (s *replicaScene) lagOfAll(t *testing.T) {
	paused := time.Now()
	for _, m := range s.replicas {
		s.holdBack(t, m)
	}
	for _, m := range s.replicas {
		s.fresh.leave(t, m, paused)
		s.prefer.leave(t, m, paused)
	}
	s.prefer.come(t, s.leader, time.Now())
	for _, m := range s.replicas {
		s.letGo(t, m)
	}
	s.allServe(t)
	s.unharmed(t)
}

// deaths kills both replicas with kill -9, one after the other. Who is in a statement
// there is told that its outcome is not known, and nobody else anything.
func (s *replicaScene) deaths(t *testing.T) {
	var idle []*lab.Client
	for _, database := range []string{"fresh", "prefer", "loose"} {
		for range 4 {
			c := lab.ClientForTest(t, s.dsn(database))
			c.Expect(t, "select pg_is_in_recovery()", "t")
			idle = append(idle, c)
		}
	}
	m, other := s.replicas[0], s.replicas[1]
	m.KillAll()
	died := time.Now()
	s.fresh.come(t, other, died)
	s.prefer.come(t, other, died)
	s.loose.come(t, other, died)
	for _, c := range idle {
		c.Expect(t, "select pg_is_in_recovery()", "t")
	}
	other.KillAll()
	died = time.Now()
	t.Logf("the leader serves %v after the last replica has died", s.prefer.come(t, s.leader, died).Round(time.Millisecond))
	for _, one := range s.replicas {
		if err := one.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	s.allServe(t)
	for _, c := range idle {
		c.Expect(t, "select pg_is_in_recovery()", "t")
	}
	for name, r := range map[string]*readers{"fresh": s.fresh, "prefer": s.prefer, "loose": s.loose} {
		failed := r.failed()
		t.Logf("%s: errors %v", name, failed)
		n := failed["08006"] + failed["08007"]
		if n > 2*4 {
			t.Errorf("%s: %d errors for four readers and two deaths", name, n)
		}
		delete(failed, "08006")
		delete(failed, "08007")
		if len(failed) > 0 {
			t.Errorf("%s: errors %v", name, failed)
		}
	}
}
