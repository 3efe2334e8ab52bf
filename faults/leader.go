package main

import (
	"context"
	"time"

	"portero/internal/lab"
)

// danger is for how long a stale leader answers beside its successor.
const danger = 3 * time.Second

func switchover(ctx context.Context, s *stage, _ *lab.Member) error { return s.group.Switchover(ctx) }

// crash leaves it to Patroni to start postgres where it was, on the next timeline, or to have
// the other member promoted.
func crash(_ context.Context, _ *stage, leader *lab.Member) error {
	leader.KillPostgres()
	return nil
}

// death is that of a host, which comes back once another leads.
func death(ctx context.Context, s *stage, leader *lab.Member) error {
	leader.KillAll()
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	return leader.Restart()
}

// shutdown is the end of a host in good order: Patroni stops postgres and gives up its key.
func shutdown(ctx context.Context, s *stage, leader *lab.Member) error {
	if err := leader.StopPatroni(ctx); err != nil {
		return err
	}
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	return leader.Restart()
}

// freeze stops a host for longer than its lease, as a hypervisor may, and lets its postgres go
// on, which knows of nothing.
func freeze(ctx context.Context, s *stage, leader *lab.Member) error {
	leader.SuspendPatroni()
	leader.SuspendPostgres()
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	if err := lab.Linger(ctx, danger); err != nil {
		return err
	}
	leader.ResumePostgres()
	return replace(ctx, leader)
}

// hang stops Patroni alone: its key runs out, and another is promoted beside its postgres.
func hang(ctx context.Context, s *stage, leader *lab.Member) error {
	leader.SuspendPatroni()
	if err := s.succeed(ctx, leader); err != nil {
		return err
	}
	return replace(ctx, leader)
}

// replace lets a stale leader answer for a while, and starts it anew. Its Patroni never wakes:
// version 3.0 may then put its old key over the new one (patroni/dcs/etcd3.py,
// _update_leader), lead on the old timeline, and lose rows by itself.
func replace(ctx context.Context, stale *lab.Member) error {
	if err := lab.Linger(ctx, danger); err != nil {
		return err
	}
	stale.KillAll()
	return stale.Restart()
}

// succeed waits until another member leads and takes writes.
func (s *stage) succeed(ctx context.Context, old *lab.Member) error {
	other, err := s.group.WaitLeader(ctx, old.Name)
	if err != nil {
		return err
	}
	return other.WaitWritable(ctx)
}
