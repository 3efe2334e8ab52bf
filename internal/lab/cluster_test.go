package lab

import (
	"context"
	"testing"
)

// One cluster for all, because its start is what takes the time.
func TestClusterFailsOverAndLeavesNothingBehind(t *testing.T) {
	ctx := needServers(t)
	t.Parallel()
	c, err := StartCluster(ctx, ClusterOptions{Synchronous: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	g := c.Groups[0]
	first := leader(ctx, t, g)
	expect(ctx, t, first.DSN("app", "app", "app"), "select current_user::text", "app")

	t.Run("keys are as in Patroni's layout for Citus", func(t *testing.T) {
		answer, err := c.Etcd.Client.Get(ctx, "/service/demo/0/leader")
		if err != nil || len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != first.Name {
			t.Errorf("got %v, %v, want %s", answer, err, first.Name)
		}
	})
	t.Run("switchover", func(t *testing.T) {
		if err := g.Switchover(ctx); err != nil {
			t.Fatal(err)
		}
		second, err := g.WaitLeader(ctx, first.Name)
		if err != nil {
			t.Fatal(err)
		}
		if err := second.WaitWritable(ctx); err != nil { // it takes the key before it is promoted
			t.Error(err)
		}
		healthy(ctx, t, g)
	})
	t.Run("postgres killed", func(t *testing.T) {
		m := leader(ctx, t, g)
		pid := m.PID()
		m.KillPostgres()
		if m.PID() == pid { // Patroni may have started another
			t.Error("the postmaster lives")
		}
		healthy(ctx, t, g)
		if m.PID() == pid || m.PID() == 0 {
			t.Errorf("postmaster %d after %d", m.PID(), pid)
		}
	})
	t.Run("everything closed", func(t *testing.T) {
		pids := working(c.site.dir)
		if len(pids) == 0 {
			t.Error("no process was there to begin with")
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		mustBeGone(t, c.site.dir)
		mustBeGone(t, c.Etcd.site.dir)
	})
}

func TestHostDeathPromotesTheReplicaAndTheHostComesBack(t *testing.T) {
	ctx := needServers(t)
	t.Parallel()
	c := ClusterForTest(t, ClusterOptions{
		Namespace: "/service", Scopes: []string{"plain"}, TTL: 5e9, RetryTimeout: 2e9,
	})
	g := c.Groups[0]
	dead := leader(ctx, t, g)
	dead.KillAll()
	if pids := working(dead.dir); len(pids) > 0 {
		t.Errorf("processes %v outlive their host", pids)
	}
	next, err := g.WaitLeader(ctx, dead.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.WaitWritable(ctx); err != nil {
		t.Fatal(err)
	}
	if err := dead.Restart(); err != nil {
		t.Fatal(err)
	}
	healthy(ctx, t, g)
	if got := leader(ctx, t, g); got != next {
		t.Errorf("leader is %s, want %s", got.Name, next.Name)
	}
}

func TestPatroniUsesEtcdWithTLSAndPassword(t *testing.T) {
	ctx := needServers(t)
	t.Parallel()
	e := EtcdForTest(t, 1, EtcdOptions{Username: "portero", Password: "secret", TLS: true})
	c := ClusterForTest(t, ClusterOptions{
		Etcd: e, TLS: true, Members: 1, ClientAuth: "md5",
		Settings: map[string]string{"work_mem": "5MB", "password_encryption": "md5"},
	})
	m := leader(ctx, t, c.Groups[0])
	expect(ctx, t, m.DSN("app", "app", "app"), "show work_mem", "5MB")
	expect(ctx, t, m.DSN("app", "app", "app"), "show ssl", "on")
}

func leader(ctx context.Context, t *testing.T, g *Group) *Member {
	t.Helper()
	m, err := g.WaitLeader(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func healthy(ctx context.Context, t *testing.T, g *Group) {
	t.Helper()
	if err := g.WaitHealthy(ctx); err != nil {
		t.Fatal(err)
	}
}
