package failover

import (
	"context"
	"testing"
	"time"

	"portero/internal/lab"
)

// TestAStaleViewBoundsTheLeader cuts Portero alone off from etcd, and hangs Patroni at
// the leader: another is promoted, and nobody tells Portero. The old leader goes on taking
// writes, without a synchronous standby to keep it from confirming them, and each would
// be lost.
func TestAStaleViewBoundsTheLeader(t *testing.T) {
	if testing.Short() {
		t.Skip("needs etcd, Patroni and PostgreSQL")
	}
	const ttl, loopWait = 6 * time.Second, time.Second
	s := &scene{etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{})}
	way := startRelay(t, s.etcd.Endpoints()[0])
	s.cluster = lab.ClusterForTest(t, lab.ClusterOptions{Etcd: s.etcd, TTL: ttl, LoopWait: loopWait, RetryTimeout: 2 * time.Second})
	s.group = s.cluster.Groups[0]
	old := s.leader(t)
	if err := lab.RunSQL(t.Context(), old.SuperuserDSN("app"), lab.WriterTable...); err != nil {
		t.Fatal(err)
	}
	s.portero = startPortero(t, []string{way.address})
	s.startWriters(t, 4)
	tx := s.dial(t)
	tx.Expect(t, "begin", "BEGIN")
	tx.Expect(t, "insert into written values (-1, 0)", "INSERT 0 1")

	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	old.SuspendPatroni()
	way.cut()
	cut := time.Now()
	now, err := s.group.WaitLeader(ctx, old.Name)
	if err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, "the new leader takes writes", func() error { return writable(ctx, now) })
	promoted := time.Now()
	lab.Eventually(t, "the old leader takes writes", func() error { return writable(ctx, old) })
	lab.Eventually(t, "Portero says why it serves nobody", func() error { return s.notReady(ctx, "leader not confirmed") })
	s.servedUntil(t, cut, cut.Add(ttl-loopWait))
	way.mend()
	s.goOn(t)
	s.lostTransaction(t, tx)
	t.Logf("%s was promoted %v after etcd was cut off; the writers were told %v", now.Name, promoted.Sub(cut).Round(time.Millisecond), s.toldSince(cut))
	lab.Eventually(t, "ready", func() error { return s.is(200) })
	a, err := s.writers.Ledger().Audit(ctx, now.SuperuserDSN("app"))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Lost) > 0 || len(a.Twice) > 0 {
		t.Errorf("%d acknowledged rows are lost and %d are there twice", len(a.Lost), len(a.Twice))
	}
	for _, fault := range s.writers.Ledger().Unfenced() {
		t.Error(fault)
	}
}

// servedUntil holds that writes went on when etcd was cut off, and that none has been
// confirmed since the limit.
func (s *scene) servedUntil(t *testing.T, cut, limit time.Time) {
	t.Helper()
	served := 0
	var last time.Time
	for _, a := range s.writers.Ledger() {
		for _, ack := range a.Acked {
			if ack.Ended.After(cut) {
				served++
			}
			if ack.Ended.After(last) {
				last = ack.Ended
			}
		}
	}
	if served == 0 {
		t.Error("no write was confirmed after etcd had been cut off")
	}
	if last.After(limit) {
		t.Errorf("a write was confirmed %v after the limit", last.Sub(limit))
	}
	t.Logf("%d writes were confirmed after etcd had been cut off, the last %v later", served, last.Sub(cut).Round(time.Millisecond))
}
