package failover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	clientv3 "go.etcd.io/etcd/client/v3"

	"portero/internal/lab"
)

// refusedLimit is Portero's stale_leader_limit, shorter than Patroni's own times.
const refusedLimit = 10 * time.Second

// TestWhatIsWrongWithAClusterIsTold is one cluster with which one thing after another is wrong
// that no failover mends.
func TestWhatIsWrongWithAClusterIsTold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	s := beginRefused(t)
	for _, c := range []struct {
		name string
		run  func(t *testing.T)
	}{
		{"EtcdRefusesPorterosPassword", s.wrongPassword},
		{"EtcdsCertificateHasExpired", s.expiredCertificate},
		{"AStandbyClusterGetsNoWrites", s.standbyCluster},
	} {
		if !t.Run(c.name, c.run) {
			return
		}
	}
}

// beginRefused has Portero be a user of etcd's that is not Patroni's.
func beginRefused(t *testing.T) *scene {
	t.Helper()
	s := &scene{etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{Username: "root", Password: "root", TLS: true})}
	s.cluster = lab.ClusterForTest(t, lab.ClusterOptions{
		Etcd: s.etcd, Members: 1, Failsafe: true,
	})
	s.group = s.cluster.Groups[0]
	if err := lab.RunSQL(t.Context(), s.leader(t).SuperuserDSN("app"), lab.WriterTable...); err != nil {
		t.Fatal(err)
	}
	etcd := s.etcd.Client
	_, add := etcd.RoleAdd(t.Context(), "reader")
	_, grant := etcd.RoleGrantPermission(t.Context(), "reader", "\x00", "\x00", clientv3.PermissionType(clientv3.PermRead))
	_, user := etcd.UserAdd(t.Context(), "portero", "right")
	_, role := etcd.UserGrantRole(t.Context(), "portero", "reader")
	if err := errors.Join(add, grant, user, role); err != nil {
		t.Fatal(err)
	}
	access := fmt.Sprintf("stale_leader_limit = %q\n", refusedLimit.String()) + fmt.Sprintf(`etcd = { username = "portero", password = "right", tls = { ca = %q },`, s.etcd.Certificate.CA)
	config := strings.Replace(lab.PatroniConfig(s.etcd.Endpoints()), "etcd = {", access, 1)
	s.portero = lab.ServingForTest(t, lab.PorteroOptions{
		Program: buildPortero(t), Config: config + "[pool]\nquery_wait_timeout = \"5s\"\n" + routes,
	})
	s.startWriters(t, 2)
	return s
}

// wrongPassword changes Portero's password in etcd: the leader is served on, as Patroni
// itself confirms it.
func (s *scene) wrongPassword(t *testing.T) {
	began := time.Now()
	password := func(text string) {
		t.Helper()
		if _, err := s.etcd.Client.UserChangePassword(t.Context(), "portero", text); err != nil {
			t.Fatal(err)
		}
	}
	password("other")
	s.servedInSpiteOf(t, began, "authentication failed")
	password("right")
	s.unharmed(t, began)
}

// expiredCertificate lets nobody into etcd any more, neither Portero nor Patroni, which goes
// on in failsafe mode.
func (s *scene) expiredCertificate(t *testing.T) {
	began := time.Now()
	if err := s.etcd.Expire(); err != nil {
		t.Fatal(err)
	}
	s.etcd.StopMember(0) // who is connected stays so
	if err := s.etcd.RestartMember(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	s.servedInSpiteOf(t, began, "certificate has expired")
	if err := s.etcd.Renew(); err != nil {
		t.Fatal(err)
	}
	s.unharmed(t, began)
}

// servedInSpiteOf holds that clients are served for longer than a leader is used that nobody
// confirms, and that the log tells why etcd is out of reach.
func (s *scene) servedInSpiteOf(t *testing.T, began time.Time, reason string) {
	t.Helper()
	lab.Eventually(t, "the view is stale", func() error { return s.stale(1) })
	lab.Eventually(t, "the limit is over", func() error {
		if left := time.Until(began.Add(refusedLimit + 2*time.Second)); left > 0 {
			return fmt.Errorf("in %v", left)
		}
		return nil
	})
	s.goOn(t)
	s.dial(t).Expect(t, "select 42", "42") // new ones are let in too
	if err := s.is(200); err != nil {
		t.Error(err)
	}
	lab.Eventually(t, "the log says why", func() error {
		if !strings.Contains(s.portero.Log(), reason) {
			return errors.New("it does not tell of " + reason)
		}
		return nil
	})
}

func (s *scene) unharmed(t *testing.T, began time.Time) {
	t.Helper()
	lab.Eventually(t, "the view is current", func() error { return s.stale(0) })
	s.goOn(t)
	if told := s.toldSince(began); len(told) > 0 {
		t.Errorf("the writers were told %v", told)
	}
}

// standbyCluster has the leader follow a server that is not there: it takes no writes, and
// who wants to write is told why he is not served.
func (s *scene) standbyCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	s.writers.Stop(ctx)
	if err := s.group.SetStandby(ctx, map[string]any{"host": "127.0.0.1", "port": 1}); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "Portero says that it is a standby cluster", func() error { return s.notReady(ctx, "standby cluster") })
	s.toldWhy(t, s.portero, "standby cluster")
	if err := s.group.SetStandby(ctx, nil); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "ready", func() error { return s.is(200) })
	s.dial(t).Expect(t, "insert into written values (-3, 1)", "INSERT 0 1")
	s.dial(t).Expect(t, "select count(*) from written where writer = -2", "0")
}

// notReady is nil when /readyz tells of a reason.
func (s *scene) notReady(ctx context.Context, reason string) error {
	status, body, err := s.portero.Get(ctx, "/readyz")
	if err == nil && (status != 503 || !strings.Contains(body, reason)) {
		err = fmt.Errorf("/readyz answers %d: %s", status, body)
	}
	return err
}

// toldWhy holds that who wants to write is refused, once he has waited, and told why.
func (s *scene) toldWhy(t *testing.T, p *lab.Portero, reason string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	c, err := lab.Dial(ctx, p.DSN("app", "app", "app"))
	if err == nil {
		defer c.HangUp()
		_, err = c.Ask(ctx, "insert into written values (-2, 1)")
	}
	var said *pgconn.PgError
	if !errors.As(err, &said) || said.Code != "08006" || !strings.Contains(said.Detail, reason) {
		t.Errorf("who wants to write is told %v: %+v", err, said)
	}
}
