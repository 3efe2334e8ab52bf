package lab

import (
	"context"
	"strings"
)

// TB is the part of testing.TB that the helpers need, so that programs may import this
// package without package testing.
type TB interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
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

// PorteroForTest starts a Portero that ends with the test, which fails if it does not end in
// good order, or if its log tells of a panic or of a data race.
func PorteroForTest(t TB, o PorteroOptions) *Portero {
	t.Helper()
	p, err := StartPortero(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Errorf("%v", err)
		}
		log := p.Log()
		for _, bad := range []string{"msg=panic", `"msg":"panic"`, "DATA RACE"} {
			if strings.Contains(log, bad) {
				t.Errorf("portero's log has %s", bad)
			}
		}
		finish(t, p.Close, func() string { return p.LogTail(200) })
	})
	return p
}

// ServingForTest is PorteroForTest, and returns once clients are served.
func ServingForTest(t TB, o PorteroOptions) *Portero {
	t.Helper()
	p := PorteroForTest(t, o)
	ctx, cancel := limit(t.Context(), Patience)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		t.Fatalf("%v", err)
	}
	return p
}

// ClientForTest connects, as long as it may take, and hangs up at the end of the test.
func ClientForTest(t TB, dsn string) *Client {
	t.Helper()
	ctx, cancel := limit(t.Context(), Patience)
	defer cancel()
	c, err := Dial(ctx, dsn)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(c.HangUp)
	return c
}

// AddressForTest is an address of loopback that nobody takes before the end of the test, also
// while nobody listens there: an ephemeral port may then be given to a client that dials it.
func AddressForTest(t TB) string {
	t.Helper()
	ports, err := ReservePorts(1)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { releasePorts(ports) })
	return loopback(ports[0])
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

// HostForTest makes a host that ends with the test. Without the rights or the program for it
// the test fails.
func HostForTest(t TB) *Host {
	t.Helper()
	h, err := StartHost()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { finish(t, h.Close) })
	return h
}
