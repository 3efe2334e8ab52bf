package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// Isolate cuts member 0, which has a host of its own, off from the other members. Clients
// still reach it, and it still answers them what it knew; Client asks the others alone.
func (e *Etcd) Isolate() error {
	e.LeaveOut(0)
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
	e.AskAll()
	return nil
}

// LeaveOut has Client ask all members but one, which may be silent. AskAll ends it.
func (e *Etcd) LeaveOut(i int) {
	e.ask(slices.Concat(e.members[:i], e.members[i+1:]))
}

// AskAll has Client ask all members.
func (e *Etcd) AskAll() { e.ask(e.members) }

func (e *Etcd) ask(members []*etcdMember) {
	var urls []string
	for _, m := range members {
		urls = append(urls, e.url(m))
	}
	e.Client.SetEndpoints(urls...)
}

// Lead has member i lead etcd, which has a quorum.
func (e *Etcd) Lead(ctx context.Context, i int) error {
	defer e.AskAll()
	return Poll(ctx, fmt.Sprintf("have member %d lead etcd", i), func() error {
		now, err := e.Leader(ctx)
		if err != nil || now == i {
			return err
		}
		status, err := e.status(ctx, e.members[i])
		if err != nil {
			return err
		}
		e.ask(e.members[now : now+1]) // a leader alone can give up what it leads
		if _, err := e.Client.MoveLeader(ctx, status.Header.MemberId); err != nil {
			return err
		}
		return fmt.Errorf("member %d did", now)
	})
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
