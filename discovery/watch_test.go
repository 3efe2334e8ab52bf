package discovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"portero/internal/lab"
)

// idleFollower is a follower that nobody runs.
func idleFollower(t *testing.T) *follower {
	t.Helper()
	known := newPatroni()
	c := &Cluster{log: testLog(t), source: known}
	c.view.Store(&View{replaced: make(chan struct{})})
	f, err := newFollower(c, known, demo("127.0.0.1:2379"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAWatchThatOwesAChangeIsGivenUp(t *testing.T) {
	at := func(revision int64, leader string) snapshot {
		return snapshot{revision: revision, keys: map[string]string{"/service/demo/leader": leader}}
	}
	tests := map[string]struct {
		told bool // the watch tells of the change after the re-read did
		want error
	}{
		"mute": {false, errWatchMute},
		"late": {true, context.Canceled},
	}
	for about, test := range tests {
		t.Run(about, func(t *testing.T) {
			f := idleFollower(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			watch, reads, ended := make(chan clientv3.WatchResponse), make(chan snapshot), make(chan error)
			go func() { ended <- f.events(ctx, f.endpoints[0], watch, reads) }()
			reads <- at(10, "m1")
			if test.told {
				watch <- clientv3.WatchResponse{Events: []*clientv3.Event{put(10, "/service/demo/leader", "m1")}}
			}
			reads <- at(11, "m1")
			if test.told {
				cancel(nil)
			}
			if err := <-ended; !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if g := f.cluster.View().Groups[0]; g.Leader != "m1" || g.Epoch != 1 {
				t.Errorf("got %+v", g)
			}
		})
	}
}

func TestALinkEndsWhenItsWatchDoes(t *testing.T) {
	tests := map[string]struct {
		answer *clientv3.WatchResponse // nil: the channel is closed
		want   error
	}{
		"closed":    {nil, errWatchClosed},
		"canceled":  {&clientv3.WatchResponse{Canceled: true}, rpctypes.ErrFutureRev},
		"compacted": {&clientv3.WatchResponse{Canceled: true, CompactRevision: 7}, rpctypes.ErrCompacted},
	}
	for about, test := range tests {
		t.Run(about, func(t *testing.T) {
			f := idleFollower(t)
			watch := make(chan clientv3.WatchResponse, 1)
			if test.answer != nil {
				watch <- *test.answer
			} else {
				close(watch)
			}
			if err := f.events(t.Context(), f.endpoints[0], watch, nil); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestAWatchFromACompactedRevisionEnds(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{})
	w := newWriter(t, e.Endpoints()[0])
	w.put(t, "leader", "m1")
	last := w.put(t, "leader", "m2")
	if _, err := w.client.Compact(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	f := idleFollower(t)
	ctx, fail := context.WithCancelCause(t.Context())
	defer fail(nil)
	l := &link{client: w.client, prefix: f.layout.base, timeout: time.Second, fail: fail}
	err := f.events(ctx, f.endpoints[0], l.watch(ctx, 1), nil)
	if !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("got %v", err)
	}
}

func TestReadsThatFailTheGuardEndTheLink(t *testing.T) {
	f := idleFollower(t)
	if _, err := f.take(snapshot{cluster: 1, term: 3, revision: 10}, f.endpoints[0]); err != nil {
		t.Fatal(err)
	}
	f.apply([]*clientv3.Event{put(12, "/service/demo/leader", "m2")})
	// a read that overlaps with the watch is no step back
	if changed, err := f.take(snapshot{cluster: 1, term: 3, revision: 11}, f.endpoints[0]); changed || err != nil {
		t.Errorf("got %v, %v", changed, err)
	}
	// the next began after revision 12 had been seen
	if _, err := f.take(snapshot{cluster: 1, term: 3, revision: 11}, f.endpoints[0]); !errors.Is(err, errOlderRevision) {
		t.Errorf("got %v", err)
	}
	if g := f.cluster.View().Groups[0]; g.Leader != "m2" {
		t.Errorf("got %+v", g)
	}
}

func TestEachReasonToLeaveEtcdIsToldOnce(t *testing.T) {
	f := idleFollower(t)
	log := &lockedBuffer{}
	f.log = textLog(log)
	for range 50 {
		f.lost(f.endpoints[0], errors.New("the connection has ended"))
		f.lost(f.endpoints[0], errors.New("authentication failed"))
	}
	for i := range 10 {
		f.lost(f.endpoints[0], fmt.Errorf("port %d", i))
	}
	for what, want := range map[string]int{"the connection has ended": 1, "authentication failed": 1, "port": 2} {
		if got := strings.Count(log.String(), what); got != want {
			t.Errorf("%q is told %d times, not %d, in\n%s", what, got, want, log)
		}
	}
}

func TestRetriesAreQuickAndPatienceGrows(t *testing.T) {
	for fails, want := range map[int]time.Duration{0: 0, 2: 0, 3: firstPause, 6: 2 * firstPause, 30: lastPause, 1 << 40: lastPause} {
		if got := pause(fails, 3); got != want {
			t.Errorf("pause after %d: %v, want %v", fails, got, want)
		}
	}
	for fails, want := range map[int]time.Duration{0: firstTimeout, 2: firstTimeout, 3: 2 * firstTimeout, 30: lastTimeout, 1 << 40: lastTimeout} {
		if got := patience(fails, 3); got != want {
			t.Errorf("patience after %d: %v, want %v", fails, got, want)
		}
	}
}
