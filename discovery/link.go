package discovery

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rereadEvery is how often all keys are read again beside the watch, which says
// nothing when it is cut off.
const rereadEvery = time.Second

// link is one endpoint for as long as it answers.
type link struct {
	client  *clientv3.Client
	prefix  string
	timeout time.Duration // of a read
	fail    context.CancelCauseFunc
}

// read reads all keys, linearizable: a member that is cut off from the others
// cannot answer it.
func (l *link) read(ctx context.Context) (snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	asked := time.Now()
	answer, err := l.client.Get(ctx, l.prefix, clientv3.WithPrefix())
	if err != nil {
		return snapshot{}, fmt.Errorf("read %s: %w", l.prefix, err)
	}
	s := snapshot{
		asked:    asked,
		cluster:  answer.Header.ClusterId,
		term:     answer.Header.RaftTerm,
		revision: answer.Header.Revision,
		keys:     make(map[string]string, len(answer.Kvs)),
	}
	for _, kv := range answer.Kvs {
		s.keys[string(kv.Key)] = string(kv.Value)
	}
	return s, nil
}

// reread reads all keys again and again; a read that fails ends the link. The
// next one begins only after the last was taken, as the guard requires.
func (l *link) reread(ctx context.Context, reads chan<- snapshot) {
	tick := time.NewTicker(rereadEvery)
	defer tick.Stop()
	var listed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s, err := l.read(ctx)
		if err != nil {
			l.fail(err)
			return
		}
		if time.Since(listed) > listEvery {
			s.etcd, listed = l.hosts(ctx), time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case reads <- s:
		}
	}
}

// watch asks for every change from revision on. It waits for etcd's consent,
// which a failing re-read cuts short.
func (l *link) watch(ctx context.Context, revision int64) clientv3.WatchChan {
	return l.client.Watch(clientv3.WithRequireLeader(ctx), l.prefix,
		clientv3.WithPrefix(), clientv3.WithRev(revision), clientv3.WithProgressNotify())
}
