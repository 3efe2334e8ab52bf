package lab

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Isolate cuts member 0, which has a host of its own, off from the other members. Clients
// still reach it, and it still answers them what it knew; Client asks the others alone.
func (e *Etcd) Isolate() error {
	var others []string
	for _, m := range e.members[1:] {
		others = append(others, e.url(m))
	}
	e.Client.SetEndpoints(others...)
	return e.host.cutFromPeers()
}

// Rejoin ends what Isolate began, and returns once all members know a leader.
func (e *Etcd) Rejoin(ctx context.Context) error {
	if err := e.host.joinPeers(); err != nil {
		return err
	}
	if err := e.WaitHealthy(ctx); err != nil {
		return err
	}
	var all []string
	for _, m := range e.members {
		all = append(all, e.url(m))
	}
	e.Client.SetEndpoints(all...)
	return nil
}

// Compact has etcd forget all but its newest revision, so that a watch from an older one is
// refused.
func (e *Etcd) Compact(ctx context.Context) error {
	return Poll(ctx, "compact etcd", func() error {
		ctx, cancel := limit(ctx, askLimit)
		defer cancel()
		now, err := e.Client.Get(ctx, "/")
		if err == nil {
			_, err = e.Client.Compact(ctx, now.Header.Revision)
		}
		if errors.Is(err, rpctypes.ErrCompacted) { // by a try that was not answered in time
			err = nil
		}
		return err
	})
}
