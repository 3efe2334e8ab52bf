package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"portero/internal/lab"
	"portero/metrics"
)

// citusLab is a coordinator and a worker under Patroni, with its real keys for Citus, on
// PostgreSQL that plays Citus.
type citusLab struct {
	t       *testing.T
	cluster *lab.Cluster
	listen  string // of Portero
	config  string
}

func newCitusLab(t *testing.T) *citusLab {
	l := &citusLab{t: t}
	l.cluster = lab.ClusterForTest(t, lab.ClusterOptions{
		Etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{}), Scopes: []string{"0", "1"},
		Settings: map[string]string{"max_prepared_transactions": "0", "citus.node_conninfo": "sslmode=prefer", "citus.local_hostname": "localhost"},
	})
	l.listen = freeAddresses(t, 1)[0]
	l.config = writeFile(t, "proxy.toml", fmt.Sprintf(`
[[listener]]
address = %q
[[cluster]]
name = "main"
discovery = "patroni"
citus = true
scope = "demo"
etcd = { endpoints = [%q] }
metadata = { user = "postgres", database = "app" }
tls = { mode = "disable" }
[[route]]
database = "app_w1"
group = 1
dbname = "app"
[[route]]
[auth]
method = "trust"
`, l.listen, l.cluster.Etcd.Endpoints()[0]))
	for i := range l.cluster.Groups {
		l.sql(i, lab.PlayCitus)
		for id := range l.cluster.Groups {
			host, port, _ := strings.Cut(l.leader(id).Address, ":")
			l.sql(i, fmt.Sprintf("insert into pg_dist_node (nodeid, groupid, nodename, nodeport) values (%d, %d, '%s', %s)", 10-id, id, host, port))
		}
	}
	return l
}

func (l *citusLab) leader(group int) *lab.Member {
	l.t.Helper()
	m, err := l.cluster.Groups[group].Leader(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return m
}

// sql runs a statement as superuser in the database that Citus is in.
func (l *citusLab) sql(group int, statements ...string) {
	l.t.Helper()
	if err := lab.RunSQL(l.t.Context(), l.leader(group).SuperuserDSN("app"), statements...); err != nil {
		l.t.Fatal(err)
	}
}

// check runs portero citus check, and returns its lines.
func (l *citusLab) check(more ...string) (out string, status int) {
	l.t.Helper()
	stdout, stderr, status := portero(append([]string{"citus", "check", "--config", l.config}, more...)...)
	if stderr != "" {
		l.t.Errorf("%s", stderr)
	}
	return stdout, status
}

func TestCheckComparesTheNodesWithTheirLeadersAndWithWhatPoolinfoPrints(t *testing.T) {
	t.Parallel()
	l := newCitusLab(t)
	_, port, _ := strings.Cut(l.listen, ":")
	out, status := l.check()
	for _, want := range []string{"group 0 (g0m", "group 1 (g1m", "max_prepared_transactions is 0", "pg_dist_poolinfo is empty"} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("exit status %d, without %q:\n%s", status, want, out)
		}
	}
	sql, stderr, status := portero("citus", "poolinfo", "--config", l.config)
	if status != 0 || !strings.Contains(sql, "group 1: "+l.leader(1).Name+", "+l.leader(1).Address) {
		t.Fatalf("exit status %d, %s\n%s", status, stderr, sql)
	}
	for i := range l.cluster.Groups {
		l.sql(i, sql)
		l.sql(i, sql) // it can be run again
	}
	l.expect(2, "max_prepared_transactions is 0")
	l.sql(1, "update pg_dist_node set nodeport = 1 where groupid = 1", `update pg_dist_poolinfo set poolinfo = 'host=''h h'' port=1' where nodeid = 10`)
	l.expect(4, `pg_dist_node has group 1 at 127.0.0.1:1, and its leader `+l.leader(1).Name, `pg_dist_poolinfo has "host='h h' port=1" for group 0, and not "host=127.0.0.1 port=`+port+` dbname=app"`)

	out, status = l.check("--json", "--port", "7000")
	var found []finding
	if err := json.Unmarshal([]byte(out), &found); err != nil || status != 1 || len(found) != 7 || found[0].Member != l.leader(0).Name || found[0].ToDo == "" {
		t.Errorf("exit status %d, %v, %d findings\n%s", status, err, len(found), out)
	}
	out, status = l.check("--user", "app", "--password-file", writeFile(t, "password", "wrong\n"))
	if status != 1 || strings.Count(out, "password authentication failed") != 2 {
		t.Errorf("exit status %d\n%s", status, out)
	}
	out, status = l.check("--user", "app", "--password-file", writeFile(t, "password", "app\n"))
	if status != 1 || strings.Count(out, "max_prepared_transactions is 0") != 2 {
		t.Errorf("exit status %d\n%s", status, out)
	}
	l.sql(1, "revoke select on pg_dist_poolinfo from public")
	out, status = l.check("--user", "app", "--password-file", writeFile(t, "password", "app\n"))
	if status != 1 || !strings.Contains(out, `permission denied for table pg_dist_poolinfo (SQLSTATE 42501): there, as superuser`) {
		t.Errorf("exit status %d\n%s", status, out)
	}
	out, status = l.check("--database", "postgres")
	if status != 1 || strings.Count(out, "there is no Citus in database \"postgres\"") != 2 {
		t.Errorf("exit status %d\n%s", status, out)
	}
	l.expectLag()
}

// expectLag has a worker's leader change, and Portero find out when the coordinator knows.
func (l *citusLab) expectLag() {
	t := l.t
	in := serveHere(t, l.config, "")
	defer stopHere(t, in, syscall.SIGINT)
	var g metrics.GroupState
	await := func(what string, done func() bool) {
		t.Helper()
		lab.Eventually(t, what, func() error {
			for _, g = range in.pools.Groups() {
				if g.Group == 1 && done() {
					return nil
				}
			}
			return fmt.Errorf("%+v", g)
		})
	}
	await("the coordinator's first answer", func() bool { return g.MetadataHeard && !g.MetadataDiffers })
	if err := l.cluster.Groups[1].Switchover(t.Context()); err != nil {
		t.Fatal(err)
	}
	await("the difference", func() bool { return g.MetadataDiffers })
	l.expect(5, "pg_dist_node has group 1 at 127.0.0.1:1,") // the coordinator's too
	_, port, _ := strings.Cut(l.leader(1).Address, ":")
	l.sql(0, "update pg_dist_node set nodeport = "+port+" where groupid = 1") // which is Patroni's part
	await("the agreement", func() bool { return !g.MetadataDiffers && g.MetadataLastLagSeconds > 0 })
}

// expect checks until there are so many findings.
func (l *citusLab) expect(n int, words ...string) {
	l.t.Helper()
	var out string
	ctx, cancel := context.WithTimeout(l.t.Context(), lab.Patience/3)
	defer cancel()
	err := lab.Poll(ctx, "the findings", func() error {
		out, _ = l.check()
		if got := strings.Count(out, "\n"); got != n {
			return fmt.Errorf("%d findings, not %d:\n%s", got, n, out)
		}
		return nil
	})
	if err != nil {
		l.t.Error(err)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			l.t.Errorf("without %q:\n%s", w, out)
		}
	}
}
