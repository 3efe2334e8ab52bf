package main

import (
	"context"
	"errors"

	"portero/internal/lab"
)

// replica is the only one.
func (s *stage) replica(leader *lab.Member) (*lab.Member, error) {
	for _, m := range s.group.Members {
		if m != leader {
			return m, nil
		}
	}
	return nil, errors.New("there is no replica")
}

// replicaDeath kills the replica, and brings it back.
func replicaDeath(ctx context.Context, s *stage, leader *lab.Member) error {
	m, err := s.replica(leader)
	if err != nil {
		return err
	}
	m.KillAll()
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	return m.Restart()
}

// replicaPartition takes the replica's host off the network without a word, for longer than its
// key lasts. Until that has gone no commit is confirmed, as the replica is the synchronous one.
func replicaPartition(ctx context.Context, s *stage, leader *lab.Member) error {
	m, err := s.replica(leader)
	if err != nil {
		return err
	}
	if err := m.Host.Cut(); err != nil {
		return err
	}
	if err := lab.Linger(ctx, s.options.ttl+outage); err != nil {
		return err
	}
	return m.Host.Join()
}

// reinit has Patroni copy the leader to the replica.
func reinit(ctx context.Context, s *stage, leader *lab.Member) error {
	m, err := s.replica(leader)
	if err != nil {
		return err
	}
	return m.MakeAnew(ctx)
}

// noLoadBalance restarts the replica with a tag that keeps readers from it, and takes that away
// again.
func noLoadBalance(ctx context.Context, s *stage, leader *lab.Member) error {
	m, err := s.replica(leader)
	if err != nil {
		return err
	}
	if err := m.SetTags(map[string]any{"noloadbalance": true}); err != nil {
		return err
	}
	if err := m.StopPatroni(ctx); err != nil {
		return err
	}
	if err := m.Restart(); err != nil {
		return err
	}
	if err := s.group.WaitHealthy(ctx); err != nil {
		return err
	}
	if err := lab.Linger(ctx, outage); err != nil {
		return err
	}
	if err := m.SetTags(map[string]any{"noloadbalance": false}); err != nil {
		return err
	}
	return m.Reload(ctx)
}
