package failover

import (
	"context"
	"fmt"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"portero/internal/lab"
)

// TestARenamedScopeIsTold moves the keys of a cluster to another scope, as when it is set up
// anew under another name. The keys are the test's; PostgreSQL is real.
func TestARenamedScopeIsTold(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd and PostgreSQL")
	}
	server := lab.PostgresForTest(t, lab.PostgresOptions{SQL: append([]string{
		"create role app superuser login password 'app'", "create database app owner app",
	}, lab.WriterTable...)})
	s := &scene{etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{})}
	put := func(scope string) {
		t.Helper()
		for key, value := range map[string]string{
			"members/m1": fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"master","timeline":1,"xlog_location":1}`, server.Address()),
			"leader":     "m1",
		} {
			if _, err := s.etcd.Client.Put(t.Context(), "/service/"+scope+"/0/"+key, value); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("demo")
	s.portero = lab.ServingForTest(t, lab.PorteroOptions{
		Program: buildPortero(t),
		Config:  lab.PatroniConfig(s.etcd.Endpoints()) + "[pool]\nquery_wait_timeout = \"5s\"\n" + routes,
	})
	s.dial(t).Expect(t, "select 42", "42")

	put("renamed")
	if _, err := s.etcd.Client.Delete(t.Context(), "/service/demo/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	const reason = "no leader, and no member is known"
	lab.Eventually(t, "Portero says what it misses", func() error { return s.notReady(ctx, reason) })
	s.toldWhy(t, s.portero, reason)
	if log := s.portero.Log(); !strings.Contains(log, "are namespace, scope and citus right?") || !strings.Contains(log, "prefix=/service/demo/") {
		t.Error("the log does not ask whether the scope is right")
	}

	put("demo")
	lab.Eventually(t, "ready", func() error { return s.is(200) })
	s.dial(t).Expect(t, "select 42", "42")
}
