package failover

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"portero/internal/lab"
)

// committing is a client in the middle of a commit.
type committing struct {
	how    string // of its protocol
	writer int    // its row has
	told   chan error
}

// commitAll has a client of each kind commit a row of its own, and returns once all
// commits wait for a standby. Their writers are numbered from first.
func (s *scene) commitAll(t *testing.T, ctx context.Context, leader *lab.Client, first int) (all []committing) {
	t.Helper()
	waiting, err := leader.Ask(ctx, waitForStandby)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := strconv.Atoi(waiting)
	insert := "insert into written values (%d, 1)"
	for i, how := range []struct {
		name   string
		begin  bool
		commit func(c *lab.Client, insert string) (string, error)
	}{
		{"COMMIT", true, func(c *lab.Client, _ string) (string, error) { return c.Ask(ctx, "commit") }},
		{"extended COMMIT", true, func(c *lab.Client, _ string) (string, error) { return c.AskExtended(ctx, "commit") }},
		{"extended statement", false, func(c *lab.Client, insert string) (string, error) { return c.AskExtended(ctx, insert) }},
		{simple, false, func(c *lab.Client, insert string) (string, error) { return c.Ask(ctx, insert) }},
	} {
		c, own := s.dial(t), fmt.Sprintf(insert, first+i)
		if how.begin {
			c.Expect(t, "begin", "BEGIN")
			c.Expect(t, own, "INSERT 0 1")
		}
		one := committing{how.name, first + i, make(chan error, 1)}
		go func() {
			_, err := how.commit(c, own)
			one.told <- err
		}()
		all = append(all, one)
	}
	lab.Eventually(t, "all commits wait for a standby", func() error {
		n, err := leader.Ask(ctx, waitForStandby)
		if err == nil && n != fmt.Sprint(before+len(all)) {
			err = fmt.Errorf("%s do", n)
		}
		return err
	})
	return all
}

const (
	simple         = "simple statement"
	waitForStandby = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
)

// TestCommitsInDoubtAreFoundOut has commits wait for a synchronous standby that does not
// exist. Then the leader dies: some of them the replica has got, and the others it has not.
func TestCommitsInDoubtAreFoundOut(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	s := &scene{etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{})}
	s.cluster = lab.ClusterForTest(t, lab.ClusterOptions{Etcd: s.etcd, TTL: 6 * time.Second, LoopWait: time.Second, RetryTimeout: 2 * time.Second})
	s.group = s.cluster.Groups[0]
	s.portero = lab.ServingForTest(t, lab.PorteroOptions{Program: buildPortero(t),
		Config: lab.PatroniConfig(s.etcd.Endpoints()) + "[pool]\nresolve_commits = true\n" + strings.ReplaceAll(routes, "pool_size = 5", "pool_size = 10")})
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	old := s.leader(t)
	setUp := slices.Concat(lab.WriterTable, []string{"alter system set synchronous_standby_names = 'nobody'", "select pg_reload_conf()"})
	if err := lab.RunSQL(ctx, old.SuperuserDSN("app"), setUp...); err != nil {
		t.Fatal(err)
	}
	super := lab.ClientForTest(t, old.SuperuserDSN("app"))
	arrived := s.commitAll(t, ctx, super, 1)
	lab.Eventually(t, "the replica has got them", func() error {
		got, err := super.Ask(ctx, "select replay_lsn >= pg_current_wal_lsn() from pg_stat_replication")
		if err == nil && got != "t" {
			err = fmt.Errorf("%q", got)
		}
		return err
	})
	sender, err := super.Ask(ctx, "select pid from pg_stat_replication")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(sender)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	lost := s.commitAll(t, ctx, super, 10)
	old.KillAll()
	now, err := s.group.WaitLeader(ctx, old.Name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range arrived {
		s.told(t, now, c, map[bool]string{true: unknown, false: ""}[c.how == simple], "1")
	}
	for _, c := range lost {
		s.told(t, now, c, map[bool]string{true: unknown, false: "08006"}[c.how == simple], "0")
	}
	found := `portero_group_lost_transactions_total{cluster="main",group="0",outcome="resolved"}`
	if values, err := s.portero.Metrics(ctx); err != nil || values[found] != 6 {
		t.Errorf("%s %v, %v", found, values[found], err)
	}
	if err := old.Restart(); err != nil {
		t.Fatal(err)
	}
}

const unknown = "08007"

// told checks what a client is told of its commit, and whether its row is there.
func (s *scene) told(t *testing.T, leader *lab.Member, c committing, state, rows string) {
	t.Helper()
	select {
	case <-time.After(lab.Patience):
		t.Errorf("%s %d: is told nothing", c.how, c.writer)
		return
	case err := <-c.told:
		if state == "" && err != nil || state != "" && lab.SQLState(err) != state {
			t.Errorf("%s %d: is told %v, not %q", c.how, c.writer, err, state)
		}
	}
	lab.Eventually(t, "the new leader takes writes", func() error { return writable(t.Context(), leader) })
	super := lab.ClientForTest(t, leader.SuperuserDSN("app"))
	super.Expect(t, fmt.Sprintf("select count(*) from written where writer = %d", c.writer), rows)
}
