package failover

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"portero/internal/lab"
)

// etcdMember kills the members of etcd one after the other: none is missed.
func (s *scene) etcdMember(t *testing.T) {
	began := time.Now()
	for i := range 3 {
		s.etcd.KillMember(i)
		s.goOn(t)
		if err := s.etcd.RestartMember(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, "etcd is whole again", func() error { return s.etcdHealthy(t) })
	}
	if told := s.toldSince(began); len(told) > 0 {
		t.Errorf("the writers were told %v", told)
	}
	s.check(t)
}

// etcdHealthy asks each member whether it knows a leader.
func (s *scene) etcdHealthy(t *testing.T) error {
	for _, e := range s.etcd.Endpoints() {
		status, err := s.etcd.Client.Status(t.Context(), "http://"+e)
		if err != nil {
			return err
		}
		if status.Leader == 0 {
			return errors.New(e + " knows no leader")
		}
	}
	return nil
}

// etcdQuorum leaves one member of etcd: what is known grows stale, and service
// goes on as long as the leader takes writes, which failsafe mode allows it.
func (s *scene) etcdQuorum(t *testing.T) {
	began := time.Now()
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	lab.Eventually(t, "the view is stale", func() error { return s.stale(1) })
	s.goOn(t)
	fresh := s.dial(t) // new ones are let in too
	fresh.Expect(t, "select 42", "42")
	s.goOn(t)
	for i := range 2 {
		if err := s.etcd.RestartMember(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	lab.Eventually(t, "etcd is whole again", func() error { return s.etcdHealthy(t) })
	lab.Eventually(t, "the view is current", func() error { return s.stale(0) })
	s.goOn(t)
	t.Logf("the writers were told %v", s.toldSince(began))
	s.check(t)
}

// etcdWithoutFailsafe is the same without failsafe mode: the leader stops
// taking writes and keeps its key. Clients are held until it is back, on the
// next timeline.
func (s *scene) etcdWithoutFailsafe(t *testing.T) {
	began := time.Now()
	leader := s.leader(t)
	s.setFailsafe(t, false)
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	lab.Eventually(t, "the leader is demoted", func() error {
		writable, err := leader.IsWritable(t.Context())
		if leader.PID() == 0 {
			return nil
		}
		if err == nil && writable {
			err = errors.New("it takes writes")
		}
		return err
	})
	held := s.dial(t)
	answered := make(chan error, 1)
	go func() {
		_, err := held.Ask(t.Context(), "insert into written values (-2, 1)")
		answered <- err
	}()
	for i := range 2 {
		if err := s.etcd.RestartMember(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-answered; err != nil {
		t.Errorf("a client that was to be held: %v", err)
	}
	s.goOn(t)
	if err := s.group.WaitHealthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.setFailsafe(t, true)
	t.Logf("the writers were told %v", s.toldSince(began))
	s.check(t)
}

func (s *scene) setFailsafe(t *testing.T, on bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	if err := s.group.SetFailsafe(ctx, on); err != nil {
		t.Fatal(err)
	}
}

// stale tells whether Portero calls its view stale, as a metric.
func (s *scene) stale(want float64) error {
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	series, err := s.portero.Metrics(ctx)
	const name = `portero_discovery_stale{cluster="main"}`
	if got, there := series[name]; err == nil && (!there || got != want) {
		err = fmt.Errorf("%s is %v (there: %v)", name, got, there)
	}
	return err
}

// readers checks the route of role replica.
func (s *scene) readers(t *testing.T) {
	c := lab.ClientForTest(t, s.dsn("reader"))
	c.Expect(t, "select pg_is_in_recovery()", "t")
	if _, err := c.Ask(t.Context(), "create table nothing ()"); lab.SQLState(err) != "25006" {
		t.Errorf("a write to a replica: %v", err)
	}
	copies := lab.ClientForTest(t, s.dsn("copies")+"&replication=true")
	copies.Expect(t, "SHOW in_hot_standby", "on")
	copies.Expect(t, "SHOW transaction_read_only", "on")
}
