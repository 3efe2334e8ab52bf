package failover

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// place tags the members of the scene: the leader and the first replica on one server in the
// north, the other one in the south.
func (s *replicaScene) place(t *testing.T) {
	t.Helper()
	north := map[string]any{"zone": "north", "host": "server-1"}
	for m, tags := range map[*lab.Member]map[string]any{
		s.leader: north, s.replicas[0]: north, s.replicas[1]: {"zone": "south", "host": "server-2"},
	} {
		if err := m.SetTags(tags); err != nil {
			t.Fatal(err)
		}
		if err := m.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for m, zone := range map[*lab.Member]string{s.leader: "north", s.replicas[0]: "north", s.replicas[1]: "south"} {
		s.gauge(t, fmt.Sprintf(`portero_group_member_servers{cluster="main",group="0",member=%q,zone=%q}`, m.Name, zone), 0)
	}
}

// gauge waits until a series is there and is not less.
func (s *replicaScene) gauge(t *testing.T, series string, least float64) (value float64) {
	t.Helper()
	lab.Eventually(t, series, func() error {
		values, err := s.portero.Metrics(t.Context())
		if err != nil {
			return err
		}
		found := false
		if value, found = values[series]; !found || value < least {
			return fmt.Errorf("it is %v, %v", value, found)
		}
		return nil
	})
	return value
}

// moveTo has Portero be in a zone, by a reload.
func (s *replicaScene) moveTo(t *testing.T, zone string) {
	t.Helper()
	if err := s.portero.Configure(fmt.Sprintf("zone = %q\n", zone) + s.config); err != nil {
		t.Fatal(err)
	}
	s.portero.Signal(syscall.SIGHUP)
}

// zones has readers served in their zone, and in the other while they cannot be there.
func (s *replicaScene) zones(t *testing.T) {
	near, far := s.replicas[0], s.replicas[1]
	s.gauge(t, `portero_group_single_host{cluster="main",group="0"}`, 1) // all of it is on one address
	s.place(t)
	lab.Eventually(t, "the layout is better", func() error {
		values, err := s.portero.Metrics(t.Context())
		if err == nil && values[`portero_group_single_host{cluster="main",group="0"}`] != 0 {
			err = errors.New("it is on one host")
		}
		return err
	})
	for _, line := range []string{"group 0 is lost with host 127.0.0.1", "topology is better"} {
		if n := strings.Count(s.portero.Log(), line); n != 1 {
			t.Errorf("%q is %d times in the log", line, n)
		}
	}
	now := time.Now()
	s.moveTo(t, "north")
	for _, r := range []*readers{s.loose, s.fresh, s.prefer} {
		r.leave(t, far, now)
		r.come(t, near, time.Now())
	}
	paused := s.holdBack(t, near)
	s.fresh.leave(t, near, paused)
	s.fresh.come(t, far, time.Now())
	s.prefer.come(t, far, time.Now()) // a replica elsewhere rather than the leader
	back := s.letGo(t, near)
	s.fresh.come(t, near, back)
	s.fresh.leave(t, far, back)
	s.unharmed(t)
	near.KillAll()
	s.loose.come(t, far, time.Now())
	if err := near.Restart(); err != nil {
		t.Fatal(err)
	}
	back = time.Now()
	s.loose.come(t, near, back)
	s.loose.leave(t, far, back)
	s.moveTo(t, "")
	s.allServe(t)
	for _, r := range []*readers{s.fresh, s.prefer, s.loose} {
		r.forgive(4) // who was in a statement where the near one died
	}
}

// forgive takes it that so many statements at most were under way on a server that died.
func (r *readers) forgive(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, state := range []string{"08006", "08007"} {
		if r.errors[state] <= n {
			delete(r.errors, state)
		}
	}
}
