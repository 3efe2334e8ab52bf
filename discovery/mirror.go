package discovery

import (
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Why an answer of etcd is not believed.
var (
	errOtherCluster  = errors.New("another etcd cluster answered")
	errOlderTerm     = errors.New("etcd answered from an older raft term")
	errOlderRevision = errors.New("etcd answered with an older revision")
)

// snapshot is the answer to one linearizable read of all keys.
type snapshot struct {
	asked         time.Time // when the read began: what it says was true then, or later
	cluster, term uint64
	revision      int64
	keys          map[string]string
	etcd          []string // hosts of etcd's members; nil: they were not asked for, or etcd does not tell
}

// mirror is a copy of the keys at one revision. Reads and watches both feed it,
// in any interleaving: what is not newer than the copy is skipped.
type mirror struct {
	revision int64
	keys     map[string]string
}

// replace takes a whole snapshot and tells whether a key differs in it. One that
// is older than the copy was overtaken by the watch while it was on its way.
func (m *mirror) replace(s snapshot) (changed bool) {
	if s.revision < m.revision {
		return false
	}
	changed = len(s.keys) != len(m.keys)
	for key, value := range s.keys {
		if old, ok := m.keys[key]; !ok || old != value {
			changed = true
		}
	}
	m.revision, m.keys = s.revision, s.keys
	return changed
}

// apply takes the events of the first revision in events, if it is news, and
// gives back the rest. A revision is never taken in parts: keys written in one
// transaction are seen together.
func (m *mirror) apply(events []*clientv3.Event) (rest []*clientv3.Event, changed bool) {
	revision := events[0].Kv.ModRevision
	for len(events) > 0 && events[0].Kv.ModRevision == revision {
		if revision > m.revision {
			m.set(events[0])
			changed = true
		}
		events = events[1:]
	}
	m.revision = max(m.revision, revision)
	return events, changed
}

func (m *mirror) set(e *clientv3.Event) {
	if m.keys == nil {
		m.keys = map[string]string{}
	}
	if e.Type == clientv3.EventTypeDelete {
		delete(m.keys, string(e.Kv.Key))
		return
	}
	m.keys[string(e.Kv.Key)] = string(e.Kv.Value)
}

// restoredAfter is how long etcd must have given nothing but answers from the
// past until it is taken for a cluster restored from a backup.
const restoredAfter = 30 * time.Second

// guard remembers how far etcd has come and refuses what is behind: a member
// that was cut off, or an endpoint of another cluster (the same as Patroni's
// StaleEtcdNodeGuard, patroni/dcs/etcd3.py).
type guard struct {
	cluster, term uint64
	revision      int64
	known         bool      // an answer has been admitted
	refused       time.Time // first of the refusals in a row; zero after an admitted answer
}

// admit checks a snapshot whose read began after the last one had been admitted.
// restored tells that etcd has gone back for good, so that the copy must too.
func (g *guard) admit(s snapshot, now time.Time) (restored bool, err error) {
	if err = g.check(s); err != nil {
		if g.refused.IsZero() {
			g.refused = now
		}
		if now.Sub(g.refused) < restoredAfter {
			return false, err
		}
	}
	*g = guard{cluster: s.cluster, term: s.term, revision: s.revision, known: true}
	return err != nil, nil
}

func (g *guard) check(s snapshot) error {
	switch {
	case !g.known:
		return nil
	case s.cluster != g.cluster:
		return fmt.Errorf("%w: id %x, not %x", errOtherCluster, s.cluster, g.cluster)
	case s.term < g.term:
		return fmt.Errorf("%w: %d, not %d", errOlderTerm, s.term, g.term)
	case s.revision < g.revision:
		return fmt.Errorf("%w: %d, not %d", errOlderRevision, s.revision, g.revision)
	}
	return nil
}
