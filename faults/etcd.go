package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"portero/internal/lab"
)

// outage is for how long a member of etcd is away.
const outage = 5 * time.Second

// oneEtcd kills the member of etcd that leads it.
func oneEtcd(ctx context.Context, s *stage, _ *lab.Member) error {
	i, err := s.etcd.Leader(ctx)
	if err != nil {
		return err
	}
	s.etcd.KillMember(i)
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	return s.bringBack(ctx, i)
}

// quorum takes two members of etcd away for longer than the lease of the leader's key, which
// failsafe mode is to make harmless.
func quorum(ctx context.Context, s *stage, _ *lab.Member) error {
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	if err := lab.Linger(ctx, s.options.ttl+outage); err != nil {
		return err
	}
	return s.bringBack(ctx, 0, 1)
}

// quorumDemotes does the same without failsafe mode: the leader becomes a replica, and keeps
// its key.
func quorumDemotes(ctx context.Context, s *stage, leader *lab.Member) error {
	s.etcd.KillMember(0)
	s.etcd.KillMember(1)
	err := lab.Poll(ctx, "wait until the leader is demoted", func() error {
		writable, err := leader.IsWritable(ctx)
		if err == nil && writable {
			err = errors.New("it takes writes")
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	return s.bringBack(ctx, 0, 1)
}

// allEtcd restarts all of etcd, as an unlucky upgrade does.
func allEtcd(ctx context.Context, s *stage, _ *lab.Member) error {
	for i := range s.etcd.Endpoints() {
		s.etcd.KillMember(i)
	}
	return s.bringBack(ctx, 0, 1, 2)
}

// compacted cuts Portero off from etcd, which meanwhile tells of a switchover and forgets the
// revisions that Portero has not seen. The other chains do not ask etcd.
func compacted(ctx context.Context, s *stage, leader *lab.Member) error {
	if err := s.porteroHost().CutFromEtcd(); err != nil {
		return err
	}
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	switching, soon := errgroup.WithContext(ctx)
	switching.Go(func() error { return s.group.Switchover(ctx) })
	switching.Go(func() error { // without a switchover nobody succeeds
		if err := s.succeed(soon, leader); err != nil {
			return err
		}
		return errors.Join(s.etcd.Compact(soon), s.porteroHost().JoinEtcd())
	})
	return switching.Wait()
}

// followFirst has Portero follow the first member of etcd: from one that dies it goes to the
// next.
func followFirst(ctx context.Context, s *stage) error {
	for i := 1; i < len(s.etcd.Endpoints()); i++ {
		s.etcd.KillMember(i)
		if err := s.bringBack(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// staleEtcd cuts the member of etcd that Portero follows off from the others. It still answers,
// and does not know of the switchover that comes. Patroni takes none until it has found the
// others, and they have elected a leader.
func staleEtcd(ctx context.Context, s *stage, leader *lab.Member) error {
	if err := s.etcd.Isolate(); err != nil {
		return err
	}
	if err := lab.Poll(ctx, "a switchover is taken", func() error {
		if now, err := s.group.Leader(ctx); err == nil && now != leader {
			return nil // by an attempt whose answer was lost
		}
		return s.group.Switchover(ctx)
	}); err != nil {
		return err
	}
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	return s.etcd.Rejoin(ctx)
}

// bringBack starts members of etcd again, and waits until it is whole.
func (s *stage) bringBack(ctx context.Context, members ...int) error {
	for _, i := range members {
		if err := s.etcd.RestartMember(ctx, i); err != nil {
			return err
		}
	}
	return s.etcd.WaitHealthy(ctx)
}
