package failover

import (
	"fmt"
	"strings"
	"testing"

	"portero/internal/lab"
)

// TestASidecarNeedsNoFile starts Portero with etcd and a scope, and nothing else. The keys are
// the test's; etcd and PostgreSQL are real.
func TestASidecarNeedsNoFile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd and PostgreSQL")
	}
	server := lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login", "create database app owner app"}})
	etcd := lab.EtcdForTest(t, 1, lab.EtcdOptions{})
	for key, value := range map[string]string{
		"members/m1": fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"master","timeline":1,"xlog_location":1}`, server.Address()),
		"leader":     "m1",
	} {
		if _, err := etcd.Client.Put(t.Context(), "/service/sidecar/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	s := &scene{etcd: etcd, portero: lab.ServingForTest(t, lab.PorteroOptions{
		Program: buildPortero(t), NoFile: true,
		Env: []string{"PORTERO_ETCD=" + strings.Join(etcd.Endpoints(), ","), "PORTERO_SCOPE=sidecar", "PORTERO_POOLSIZE=7"},
	})}
	s.dial(t).Expect(t, "select 42", "42")
	if log := s.portero.Log(); !strings.Contains(log, "PORTERO_POOLSIZE: there is no such setting; did you mean PORTERO_POOL_SIZE?") {
		t.Errorf("the log does not tell of a variable that means nothing:\n%s", log)
	}
	if err := s.is(200); err != nil {
		t.Error(err)
	}
}
