package lab

import "context"

// TB is the part of testing.TB that the helpers need, so that programs may import this
// package without package testing.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// PostgresForTest starts a PostgreSQL that ends with the test. A missing program fails the test.
func PostgresForTest(t TB, o PostgresOptions) *Postgres {
	t.Helper()
	p, err := StartPostgres(t.Context(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { finish(t, p.Close, p.Log) })
	return p
}

// EtcdForTest starts an etcd of n members that ends with the test. A missing program fails
// the test.
func EtcdForTest(t TB, n int, o EtcdOptions) *Etcd {
	t.Helper()
	e, err := StartEtcd(t.Context(), n, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { finish(t, e.Close) })
	return e
}

// ClusterForTest starts a Patroni cluster that ends with the test; if the test fails, it logs
// what the members last said. A missing program fails the test.
func ClusterForTest(t TB, o ClusterOptions) *Cluster {
	t.Helper()
	c, err := StartCluster(t.Context(), o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	var logs []func() string
	for _, g := range c.Groups {
		for _, m := range g.Members {
			logs = append(logs, m.Log)
		}
	}
	t.Cleanup(func() { finish(t, c.Close, logs...) })
	return c
}

func finish(t TB, close func() error, logs ...func() string) {
	if t.Failed() {
		for _, log := range logs {
			t.Logf("%s", log())
		}
	}
	if err := close(); err != nil {
		t.Fatalf("close: %v", err)
	}
}
