package failover

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"portero/internal/lab"
)

// etcdMember kills the members of etcd one after the other: none is missed.
func (s *scene) etcdMember(t *testing.T) {
	s.writers.troubles()
	for i := range 3 {
		s.etcd.KillMember(i)
		s.writers.goOn(t)
		if err := s.etcd.RestartMember(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		eventually(t, "etcd is whole again", func() error { return s.etcdHealthy(t) })
	}
	if told := s.writers.troubles(); len(told) > 0 {
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
	s.writers.troubles()
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	eventually(t, "the view is stale", func() error {
		if s.stale() {
			return nil
		}
		return errors.New("it is not")
	})
	s.writers.goOn(t)
	fresh := mustDial(t, s.portero.dsn("app")) // new ones are let in too
	fresh.expect(t, "select 42", "42")
	s.writers.goOn(t)
	for i := range 2 {
		if err := s.etcd.RestartMember(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "etcd is whole again", func() error { return s.etcdHealthy(t) })
	eventually(t, "the view is current", func() error {
		if s.stale() {
			return errors.New("it is not")
		}
		return nil
	})
	s.writers.goOn(t)
	t.Logf("the writers were told %v", s.writers.troubles())
	s.check(t)
}

// etcdWithoutFailsafe is the same without failsafe mode: the leader stops
// taking writes and keeps its key. Clients are held until it is back, on the
// next timeline.
func (s *scene) etcdWithoutFailsafe(t *testing.T) {
	s.writers.troubles()
	leader := s.leader(t)
	s.patch(t, leader, `{"failsafe_mode": false}`)
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	eventually(t, "the leader is demoted", func() error {
		writable, err := leader.IsWritable(t.Context())
		if err == nil && writable {
			err = errors.New("it takes writes")
		} else if err != nil && !strings.Contains(err.Error(), "57P03") {
			err = nil // stopped
		}
		return err
	})
	held := mustDial(t, s.portero.dsn("app"))
	answered := make(chan error, 1)
	go func() {
		_, err := held.ask(t.Context(), "insert into written values (-2, 1)")
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
	s.writers.goOn(t)
	if err := s.group.WaitHealthy(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.patch(t, leader, `{"failsafe_mode": true}`)
	t.Logf("the writers were told %v", s.writers.troubles())
	s.check(t)
}

// patch changes Patroni's dynamic configuration; each member takes it up in its next loop.
func (s *scene) patch(t *testing.T, m *lab.Member, change string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "http://"+m.REST+"/config", strings.NewReader(change))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("PATCH /config: %s", answer.Status)
	}
}

// stale reads Portero's metrics.
func (s *scene) stale() bool {
	for line := range strings.Lines(s.get("/metrics")) {
		if strings.Contains(line, "stale") && !strings.HasPrefix(line, "#") {
			return strings.HasSuffix(strings.TrimSpace(line), " 1")
		}
	}
	return false
}

// readers checks the route of role replica.
func (s *scene) readers(t *testing.T) {
	c := mustDial(t, s.portero.dsn("reader"))
	c.expect(t, "select pg_is_in_recovery()", "t")
	if _, err := c.ask(t.Context(), "create table nothing ()"); state(err) != "25006" {
		t.Errorf("a write to a replica: %v", err)
	}
}
