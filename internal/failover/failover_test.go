package failover

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"portero/internal/lab"
)

// scene is one cluster under load, which the cases share and disturb in turn.
type scene struct {
	t       *testing.T // of the whole; cases use their own
	portero *portero
	etcd    *lab.Etcd
	cluster *lab.Cluster
	group   *lab.Group
	idle    crowd
	writers writers
}

func TestFailover(t *testing.T) {
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	s := begin(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"ReadersAreServedByAReplica", s.readers},
		{"PlannedSwitchover", s.switchover},
		{"CrashOfPostgresAlone", s.crash},
		{"DeathOfAHost", s.death},
		{"ALeaderThatLostItsKeyAndDoesNotKnow", s.partition},
		{"OneMemberOfEtcdDies", s.etcdMember},
		{"EtcdLosesItsQuorum", s.etcdQuorum},
		{"EtcdLosesItsQuorumWithoutFailsafeMode", s.etcdWithoutFailsafe},
	} {
		if !t.Run(c.name, c.run) {
			return // the next would start from ruins
		}
	}
}

// begin starts clients before there is a database: they are held, not refused.
func begin(t *testing.T) *scene {
	t.Helper()
	ports, err := lab.ReservePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	var endpoints []string
	for _, port := range ports {
		endpoints = append(endpoints, fmt.Sprintf("127.0.0.1:%d", port))
	}
	s := &scene{t: t, portero: startPortero(t, endpoints)}
	idle, answered := gather(t, 20, s.portero.dsn("app"))
	if body := s.get("/readyz"); !strings.HasPrefix(body, "503") {
		t.Errorf("ready without a database: %s", body)
	}
	s.etcd = lab.EtcdForTest(t, 3, lab.EtcdOptions{Ports: ports})
	if len(answered) > 0 {
		t.Fatalf("a client was not held: %v", <-answered)
	}
	s.cluster = lab.ClusterForTest(t, lab.ClusterOptions{
		Etcd: s.etcd, TTL: 6 * time.Second, LoopWait: time.Second, RetryTimeout: 2 * time.Second,
		Synchronous: true, Failsafe: true,
	})
	s.group = s.cluster.Groups[0]
	for range idle {
		if err := <-answered; err != nil {
			t.Fatalf("a client that came before the database: %v", err)
		}
	}
	s.idle = idle
	// No unique constraint: a row that is written twice must be there twice.
	if err := lab.RunSQL(t.Context(), s.leader(t).SuperuserDSN("app"),
		"create table written (writer int, seq bigint)", "create index on written (writer, seq)",
		"alter table written owner to app"); err != nil {
		t.Fatal(err)
	}
	s.writers = startWriters(t, 8, s.portero.dsn("app"))
	s.writers.goOn(t)
	return s
}

func (s *scene) leader(t *testing.T) *lab.Member {
	t.Helper()
	var m *lab.Member
	eventually(t, "a leader", func() (err error) {
		m, err = s.group.Leader(t.Context())
		return err
	})
	return m
}

// get asks Portero's admin side; status and body.
func (s *scene) get(path string) string {
	r, err := http.Get("http://" + s.portero.admin + path)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, _ := io.ReadAll(r.Body)
	return r.Status + "\n" + string(body)
}

// disturb makes an event happen to the leader while all write, one client is
// in the middle of a transaction, and others are idle. Then it waits for the
// cluster's health, and checks what the clients saw.
func (s *scene) disturb(t *testing.T, happen func(ctx context.Context, leader *lab.Member) error) (before, after *lab.Member) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s.writers.troubles()
	began := time.Now()
	before = s.leader(t)
	tx := mustDial(t, s.portero.dsn("app"))
	tx.expect(t, "begin", "BEGIN")
	tx.expect(t, "insert into written values (-1, 0)", "INSERT 0 1")
	if err := happen(ctx, before); err != nil {
		t.Fatal(err)
	}
	s.writers.goOn(t)
	s.lostTransaction(t, tx)
	if err := s.group.WaitHealthy(ctx); err != nil {
		t.Fatal(err)
	}
	s.writers.goOn(t)
	after = s.leader(t)
	t.Logf("%s, then %s; no row was confirmed for %v; the writers were told %v",
		before.Name, after.Name, pause(s.writers.snapshot(), began), s.writers.troubles())
	s.check(t)
	return before, after
}

// lostTransaction is what a client in a transaction sees of its server's end:
// an error on a living connection, and ROLLBACK.
func (s *scene) lostTransaction(t *testing.T, tx *client) {
	t.Helper()
	if _, err := tx.ask(t.Context(), "select 1"); err == nil || state(err) != "08006" || tx.TxStatus() != 'E' {
		t.Errorf("in a transaction: %v, status %c; want 08006 and a failed transaction", err, tx.TxStatus())
	}
	if _, err := tx.ask(t.Context(), "select 1"); err == nil || state(err) != "25P02" {
		t.Errorf("in a failed transaction: %v", err)
	}
	tx.expect(t, "rollback", "ROLLBACK")
	tx.expect(t, "select count(*) from written where writer = -1", "0")
}

// check is what must hold after every event.
func (s *scene) check(t *testing.T) {
	t.Helper()
	acks := s.writers.snapshot()
	audit(t, acks, rowsThere(t, s.leader(t)))
	fenced(t, acks)
	s.idle.answer(t)
	if body := s.get("/readyz"); !strings.HasPrefix(body, "200") {
		t.Errorf("not ready: %s", body)
	}
}

func (s *scene) switchover(t *testing.T) {
	before, after := s.disturb(t, func(ctx context.Context, _ *lab.Member) error { return s.group.Switchover(ctx) })
	if before == after {
		t.Error("there was no switchover")
	}
}

// crash kills postgres alone: Patroni starts it where it was, on a new
// timeline, and the leader key never moves.
func (s *scene) crash(t *testing.T) {
	before, after := s.disturb(t, func(_ context.Context, leader *lab.Member) error {
		leader.KillPostgres()
		return nil
	})
	if before != after {
		t.Logf("another member leads")
	}
}

// death kills Patroni and postgres: the key runs out, the other is promoted.
func (s *scene) death(t *testing.T) {
	before, after := s.disturb(t, func(ctx context.Context, leader *lab.Member) error {
		leader.KillAll()
		if _, err := s.group.WaitLeader(ctx, leader.Name); err != nil {
			return err
		}
		return leader.Restart()
	})
	if before == after {
		t.Error("the dead host leads")
	}
}

// partition stops Patroni alone: its key runs out and another member is
// promoted, while its postgres goes on taking writes.
func (s *scene) partition(t *testing.T) {
	before, after := s.disturb(t, func(ctx context.Context, leader *lab.Member) error {
		leader.SuspendPatroni()
		other, err := s.group.WaitLeader(ctx, leader.Name)
		if err != nil {
			return err
		}
		s.writers.goOn(t) // while the old one still runs
		if writable, err := leader.IsWritable(ctx); err != nil || !writable {
			t.Errorf("the old leader is no danger: writable %v, %v", writable, err)
		}
		if writable, err := other.IsWritable(ctx); err != nil || !writable {
			t.Errorf("the new leader: writable %v, %v", writable, err)
		}
		// Woken, Patroni 3.0 may put its old key over the new one
		// (patroni/dcs/etcd3.py, _update_leader) and lead on the old timeline:
		// so it never wakes.
		leader.KillAll()
		return leader.Restart()
	})
	if before == after {
		t.Error("the old leader leads")
	}
}
