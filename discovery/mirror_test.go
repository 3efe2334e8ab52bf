package discovery

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func put(revision int64, key, value string) *clientv3.Event {
	return &clientv3.Event{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: []byte(value), ModRevision: revision}}
}

func remove(revision int64, key string) *clientv3.Event {
	return &clientv3.Event{Type: clientv3.EventTypeDelete, Kv: &mvccpb.KeyValue{Key: []byte(key), ModRevision: revision}}
}

// applyAll returns how many revisions were news.
func applyAll(m *mirror, events ...*clientv3.Event) (news int) {
	for len(events) > 0 {
		var changed bool
		if events, changed = m.apply(events); changed {
			news++
		}
	}
	return news
}

func TestMirrorTakesEachRevisionOnceAndWhole(t *testing.T) {
	var m mirror
	m.replace(snapshot{revision: 10, keys: map[string]string{"leader": "m1", "sync": "x"}})
	if n := applyAll(&m, put(9, "leader", "m0"), put(10, "leader", "m0")); n != 0 {
		t.Errorf("%d old revisions were taken for news", n)
	}
	if n := applyAll(&m, remove(11, "leader"), remove(11, "sync"), put(12, "leader", "m2")); n != 2 {
		t.Errorf("got %d revisions, want 2", n)
	}
	if want := map[string]string{"leader": "m2"}; m.revision != 12 || !reflect.DeepEqual(m.keys, want) {
		t.Errorf("got %v at %d", m.keys, m.revision)
	}
}

func TestMirrorIgnoresAReadThatTheWatchHasOvertaken(t *testing.T) {
	var m mirror
	m.replace(snapshot{revision: 10, keys: map[string]string{"leader": "m1"}})
	applyAll(&m, put(12, "leader", "m2"))
	if m.replace(snapshot{revision: 11, keys: map[string]string{"leader": "m1"}}) || m.keys["leader"] != "m2" || m.revision != 12 {
		t.Errorf("got %v at %d", m.keys, m.revision)
	}
	if m.replace(snapshot{revision: 15, keys: map[string]string{"leader": "m2"}}) || m.revision != 15 {
		t.Errorf("the same keys at revision 15 are a change, or are not taken")
	}
	if !m.replace(snapshot{revision: 16, keys: map[string]string{"leader": ""}}) {
		t.Error("another value is no change")
	}
}

func TestGuardRefusesThePast(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	tests := []struct {
		about string
		s     snapshot
		want  error
	}{
		{"the same again", snapshot{cluster: 1, term: 5, revision: 100}, nil},
		{"newer", snapshot{cluster: 1, term: 6, revision: 101}, nil},
		{"older revision", snapshot{cluster: 1, term: 5, revision: 99}, errOlderRevision},
		{"older term", snapshot{cluster: 1, term: 4, revision: 200}, errOlderTerm},
		{"another cluster", snapshot{cluster: 2, term: 9, revision: 200}, errOtherCluster},
	}
	for _, test := range tests {
		var g guard
		if _, err := g.admit(snapshot{cluster: 1, term: 5, revision: 100}, now); err != nil {
			t.Fatal(err)
		}
		// hours without etcd do not make the past any better
		restored, err := g.admit(test.s, now.Add(5*time.Hour))
		if restored || !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, %v", test.about, restored, err)
		}
	}
}

func TestGuardGivesInToARestoredEtcdAfterAWhile(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var g guard
	old := snapshot{cluster: 1, term: 2, revision: 3}
	g.admit(snapshot{cluster: 1, term: 5, revision: 100}, now)
	if _, err := g.admit(old, now.Add(time.Second)); err == nil {
		t.Fatal("an older revision was admitted at once")
	}
	g.admit(snapshot{cluster: 1, term: 5, revision: 100}, now.Add(20*time.Second)) // one good answer starts the time anew
	if _, err := g.admit(old, now.Add(40*time.Second)); err == nil {
		t.Fatal("an older revision was admitted although a newer was just seen")
	}
	restored, err := g.admit(old, now.Add(40*time.Second+restoredAfter))
	if !restored || err != nil {
		t.Fatalf("got %v, %v", restored, err)
	}
	if restored, err := g.admit(old, now.Add(80*time.Second)); restored || err != nil {
		t.Fatalf("then: got %v, %v", restored, err)
	}
}
