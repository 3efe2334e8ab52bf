package pool

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

// startStaleReign is a reign whose etcd can be killed, and whose Patroni answers
// /primary with a status. The leader is used for 4 s after it was confirmed.
func startStaleReign(t *testing.T) (r *reign, patroni *atomic.Int32) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs etcd")
	}
	patroni = new(atomic.Int32)
	patroni.Store(http.StatusServiceUnavailable)
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(patroni.Load())) }))
	t.Cleanup(rest.Close)
	k := keys{t: t, etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{}), scope: "demo", rest: rest.URL}
	return startReignIn(t, k, config.Cluster{StaleLeaderLimit: config.StaleLeaderLimit(staleLimit)}, nil), patroni
}

const staleLimit = 4 * time.Second

func TestALeaderThatNobodyConfirmsIsNotUsedAnyLonger(t *testing.T) {
	r, patroni := startStaleReign(t)
	writers, readers := r.join(4, 0, "leader", "app"), r.join(2, 0, "replica", "app")
	lent, idle, reader := r.client(writers, 0), r.client(writers, 1), r.client(readers, 1)
	old, before := lent.get(), idle.get()
	idle.release()
	reader.get()

	killed := time.Now()
	r.keys.etcd.KillMember(0)
	if why := within(t, "the news", lent.lost); why != metrics.LeaderUnconfirmed {
		t.Errorf("lost for %v", why)
	}
	if took := time.Since(killed); took > staleLimit {
		t.Errorf("used for %v without etcd", took)
	}
	wait(t, "the idle one is closed", func() error { return until(r.a.lives() == 1) })
	idle.ask()
	lent.discard(metrics.LeaderUnconfirmed)
	lent.ask()
	wait(t, "the lent one is closed", func() error { return until(r.a.lives() == 0) })
	settleLoops(r.stage)
	if len(idle.granted)+len(lent.granted) > 0 || len(reader.lost) > 0 {
		t.Fatal("served by a leader that nobody confirms, or cut at a replica")
	}
	want := []string{"cluster main, group 0: leader not confirmed: nothing was heard of a from etcd or Patroni for 4s"}
	if missing := r.pools.Ready(r.cfg.Routes); !slices.Equal(missing, want) {
		t.Errorf("not ready: %q", missing)
	}

	patroni.Store(http.StatusOK)
	for _, c := range []*client{lent, idle} {
		if s := c.wait(); s.Member() != "a" || s == old || s == before {
			t.Errorf("served by %s, of before: %v", s.Member(), s == old || s == before)
		}
		c.release()
	}
	if missing := r.pools.Ready(r.cfg.Routes); len(missing) > 0 {
		t.Errorf("not ready: %v", missing)
	}
	reader.release()
	wait(t, "balance", writers.balanced)
}

func TestALeaderThatEtcdConfirmsAgainServesAtOnce(t *testing.T) {
	t.Parallel()
	r, _ := startStaleReign(t)
	p := r.join(4, 0, "leader", "app")
	c := r.client(p, 0)
	c.get()
	c.release()
	r.keys.etcd.KillMember(0)
	wait(t, "its servers are closed", func() error { return until(r.a.lives() == 0) })
	c.ask()
	if err := r.keys.etcd.RestartMember(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if s := c.wait(); s.Member() != "a" || s.epoch != 1 {
		t.Errorf("served by %s in epoch %d", s.Member(), s.epoch)
	}
	c.release()
	wait(t, "balance", p.balanced)
}
