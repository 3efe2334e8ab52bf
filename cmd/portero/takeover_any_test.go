package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// anyNode is a Portero before the leaders of two groups, whose clients are spread over both.
func anyNode(t *testing.T, coordinator, worker *lab.Postgres) process {
	t.Helper()
	etcd := lab.EtcdForTest(t, 1, lab.EtcdOptions{})
	for group, p := range []*lab.Postgres{coordinator, worker} {
		for key, value := range map[string]string{
			"leader":    "m",
			"members/m": fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"primary","timeline":1}`, p.Address()),
		} {
			if _, err := etcd.Client.Put(t.Context(), fmt.Sprintf("/service/demo/%d/%s", group, key), value); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := startProcess(t, lab.PorteroOptions{Config: fmt.Sprintf(`
admin.takeover = "takeover.sock"
[[cluster]]
name = "main"
discovery = "patroni"
scope = "demo"
citus = true
etcd = { endpoints = [%q] }
[[route]]
group = "any"
[auth]
method = "trust"
`, etcd.Endpoints()[0])})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestClientsOfARouteToAnyNodeAreSpreadByTheProcessThatTakesOver(t *testing.T) {
	coordinator, worker := lab.PostgresForTest(t, lab.PostgresOptions{}), lab.PostgresForTest(t, lab.PostgresOptions{})
	p := anyNode(t, coordinator, worker)
	idle, busy := connect(t, p.Address), connect(t, p.Address)
	const where = "select current_setting('port') || ' ' || current_setting('work_mem')"
	visits := func(client *pgconn.PgConn, begun string) (both bool) {
		t.Helper()
		seen := make(map[string]bool)
		for range 4 {
			result := client.ExecPrepared(t.Context(), "s", nil, nil, nil).Read()
			if result.Err != nil {
				t.Fatal(result.Err)
			}
			port, memory, _ := strings.Cut(string(result.Rows[0][0]), " ")
			if memory != "5MB" {
				t.Fatalf("%s: work_mem is %s at %s", begun, memory, port)
			}
			seen[port] = true
		}
		return len(seen) == 2
	}
	for _, client := range []*pgconn.PgConn{idle, busy} {
		mustAsk(t, client, "set work_mem = '5MB'", "")
		if _, err := client.Prepare(t.Context(), "s", where, nil); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error { return unless(visits(client, "before"), "one node gets all") })
	}
	mustAsk(t, busy, "begin; select 1", "1")
	ended := make(chan error, 1)
	go func() { ended <- p.Succeed(t.Context()) }()
	eventually(t, func() error { return unless(visits(idle, "taken over"), "one node gets all") })
	mustAsk(t, busy, "commit", "") // only then the old one can end
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	for _, client := range []*pgconn.PgConn{idle, busy} {
		eventually(t, func() error { return unless(visits(client, "after"), "one node gets all") })
		mustAsk(t, client, "create table if not exists made (a int)", "")
	}
	for node, want := range map[*lab.Postgres]string{coordinator: "made", worker: ""} {
		direct := connect(t, node.Address())
		mustAsk(t, direct, "select coalesce(to_regclass('made')::text, '')", want)
	}
}

func unless(ok bool, what string) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%s", what)
}
