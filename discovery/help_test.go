package discovery

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"portero/config"
	"portero/internal/lab"
)

// startEtcd starts a real etcd, or skips the test in -short.
func startEtcd(t *testing.T, n int, o lab.EtcdOptions) *lab.Etcd {
	t.Helper()
	if testing.Short() {
		t.Skip("needs etcd")
	}
	return lab.EtcdForTest(t, n, o)
}

// demo is a Patroni cluster in etcd, whose keys the tests write themselves.
func demo(endpoints ...string) config.Cluster {
	return config.Cluster{
		Name: "main", Discovery: "patroni", Namespace: "/service", Scope: "demo",
		Etcd: config.Etcd{Endpoints: endpoints},
	}
}

// open follows a cluster until the test ends, and then expects that nothing is
// left of it.
func open(t *testing.T, cfg config.Cluster) *Cluster {
	t.Helper()
	c, err := Open(cfg, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// writer puts keys through one member, so that a dead one is nobody's concern.
type writer struct{ client *clientv3.Client }

func newWriter(t *testing.T, endpoint string) writer {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return writer{client}
}

// put tries until it is acknowledged: without a leader etcd holds a put for
// seconds and then refuses it, though there is a leader after one.
func (w writer) put(t *testing.T, key, value string) int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lab.Patience)
	defer cancel()
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		answer, err := w.client.Put(try, "/service/demo/"+key, value)
		cancel()
		if err == nil {
			return answer.Header.Revision
		}
		if ctx.Err() != nil {
			t.Fatalf("put %s: %v", key, err)
		}
	}
}

// await waits for a View that is as wanted, and tells how long it took.
func await(t *testing.T, c *Cluster, what string, wanted func(*View) bool) time.Duration {
	t.Helper()
	began := time.Now()
	deadline := time.After(lab.Patience)
	for {
		v := c.View()
		if wanted(v) {
			return time.Since(began)
		}
		select {
		case <-v.Replaced():
		case <-deadline:
			t.Fatalf("%s: not within %v; stale %v, group 0 %+v", what, lab.Patience, v.Stale, v.Groups[0])
		}
	}
}

func leads(name string) func(*View) bool {
	return func(v *View) bool { return v.Groups[0] != nil && v.Groups[0].Leader == name && !v.Stale }
}

func fresh(v *View) bool { return !v.Stale }
func stale(v *View) bool { return v.Stale }

// followed is the number of the etcd member that is followed.
func followed(t *testing.T, c *Cluster, e *lab.Etcd) int {
	t.Helper()
	i := slices.Index(e.Endpoints(), c.Stats().Endpoint)
	if i < 0 {
		t.Fatalf("follows %q", c.Stats().Endpoint)
	}
	return i
}

// another is an endpoint that is not followed.
func another(t *testing.T, c *Cluster, e *lab.Etcd) string {
	t.Helper()
	return e.Endpoints()[(followed(t, c, e)+1)%len(e.Endpoints())]
}

// neverStale fails the test if a View was stale before stop is called.
func neverStale(t *testing.T, c *Cluster) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for v := c.View(); ; v = c.View() {
			if v.Stale {
				t.Error("a View was stale")
				return
			}
			select {
			case <-v.Replaced():
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

// loseLeadership makes sure that member i does not lead etcd, so that its end
// costs no election.
func loseLeadership(t *testing.T, e *lab.Etcd, i int) {
	t.Helper()
	w := newWriter(t, e.Endpoints()[i])
	status, err := w.client.Status(t.Context(), e.Endpoints()[i])
	if err != nil {
		t.Fatal(err)
	}
	if status.Leader != status.Header.MemberId {
		return
	}
	members, err := w.client.MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members.Members {
		if m.ID != status.Leader {
			if _, err := w.client.MoveLeader(t.Context(), m.ID); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// expectReason waits until the log says why etcd cannot be followed.
func expectReason(t *testing.T, cfg config.Cluster, reason string) {
	t.Helper()
	log := &lockedBuffer{}
	c, err := Open(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lab.Eventually(t, "the reason "+reason, func() error {
		if !strings.Contains(log.String(), reason) {
			return fmt.Errorf("the log says %s", log)
		}
		return nil
	})
	if !c.View().Stale {
		t.Error("the View is not stale")
	}
}

type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func textLog(b *lockedBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }

func expectLine(t *testing.T, b *lockedBuffer, line string) {
	t.Helper()
	if text := b.String(); !strings.Contains(text, line) {
		t.Errorf("no line %q in\n%s", line, text)
	}
}
