package main

import (
	"context"

	"portero/internal/lab"
)

// partition takes the leader's host off the network without a word, and brings it back when
// another has led for a while. Its Patroni has demoted it by then.
func partition(ctx context.Context, s *stage, leader *lab.Member) error {
	if err := leader.Host.Cut(); err != nil {
		return err
	}
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	if err := lab.Linger(ctx, danger); err != nil {
		return err
	}
	return leader.Host.Join()
}

// etcdCut leaves the leader in reach of all clients, while it loses its key.
func etcdCut(ctx context.Context, s *stage, leader *lab.Member) error {
	if err := leader.Host.CutFromEtcd(); err != nil {
		return err
	}
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	if err := lab.Linger(ctx, danger); err != nil {
		return err
	}
	return leader.Host.JoinEtcd()
}
