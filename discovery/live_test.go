package discovery

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"portero/config"
	"portero/internal/lab"
)

// diary keeps the Views that are published. Its goroutine may be behind; caughtUp waits for it.
type diary struct {
	cluster *Cluster

	mu    sync.Mutex // guards views
	views []*View
}

func keepDiary(t *testing.T, c *Cluster) *diary {
	d := &diary{cluster: c}
	go d.keep(t.Context())
	return d
}

func (d *diary) keep(ctx context.Context) {
	for v := d.cluster.View(); ; v = d.cluster.View() {
		d.mu.Lock()
		d.views = append(d.views, v)
		d.mu.Unlock()
		select {
		case <-v.Replaced():
		case <-ctx.Done():
			return
		}
	}
}

// caughtUp waits until everything published before now is in the diary.
func (d *diary) caughtUp(t *testing.T) *diary {
	t.Helper()
	lab.Eventually(t, "the diary is written", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		if n := len(d.views); n == 0 || d.views[n-1] != d.cluster.View() {
			return errors.New("the last View is missing")
		}
		return nil
	})
	return d
}

// epochs are the epochs of group 0 in the order in which they were published.
func (d *diary) epochs() []uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []uint64
	for _, v := range d.views {
		if g := v.Groups[0]; g != nil && g.Epoch > 0 {
			all = append(all, g.Epoch)
		}
	}
	return slices.Compact(all)
}

func (d *diary) announced(from string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.views, func(v *View) bool {
		g := v.Groups[0]
		return g != nil && g.Announced != nil && g.Announced.From == from && g.Leader == from
	})
}

// TestRealPatroniIsFollowedThroughSwitchoverAndCrash counts reigns: two changes
// of leadership are two steps of the epoch, in however many keys they arrive.
func TestRealPatroniIsFollowedThroughSwitchoverAndCrash(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, 1, lab.EtcdOptions{})
	site := lab.ClusterForTest(t, lab.ClusterOptions{Etcd: e})
	c := open(t, config.Cluster{
		Name: "main", Discovery: "patroni", Namespace: "/service", Scope: "demo", Citus: true,
		Etcd: config.Etcd{Endpoints: e.Endpoints()},
	})
	old, err := site.Groups[0].WaitLeader(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	await(t, c, "a leader and a replica", settled(old.Name, 1))
	if g := c.View().Groups[0]; g.SystemID == "" || g.Standby || g.Paused || len(g.Members) != 2 {
		t.Errorf("got %+v", g)
	}
	if m, _ := c.View().Groups[0].Member(old.Name); m.Address != old.Address || m.State != "running" {
		t.Errorf("got %+v, want it on %s", m, old.Address)
	}
	d := keepDiary(t, c)
	if err := site.Groups[0].Switchover(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := site.Groups[0].WaitLeader(t.Context(), old.Name)
	if err != nil {
		t.Fatal(err)
	}
	await(t, c, "the old leader follows the new", settled(now.Name, 2))
	if !d.caughtUp(t).announced(old.Name) {
		t.Error("the switchover was not announced")
	}
	now.KillPostgres()
	await(t, c, "postgres is restarted in place", settled(now.Name, 3))
	if epochs := d.caughtUp(t).epochs(); !slices.Equal(epochs, []uint64{1, 2, 3}) {
		t.Errorf("epochs were %v", epochs)
	}
}

// settled wants a leader in its reign, and all others as replicas on its timeline.
func settled(leader string, epoch uint64) func(*View) bool {
	return func(v *View) bool {
		g := v.Groups[0]
		if g == nil || g.Leader != leader || g.Epoch != epoch {
			return false
		}
		for _, m := range g.Members {
			role := roleReplica
			if m.Name == leader {
				role = rolePrimary
			}
			if m.Role != role || m.Timeline != g.Timeline || m.Lag < 0 {
				return false
			}
		}
		return true
	}
}
