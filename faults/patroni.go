package main

import (
	"context"
	"errors"

	"portero/internal/lab"
)

// restartPostgres is Patroni's own: the leader keeps its key, and nobody else is promoted.
func restartPostgres(ctx context.Context, _ *stage, leader *lab.Member) error {
	return leader.RestartPostgres(ctx)
}

// restartPatroni leaves postgres running meanwhile, which is no longer synchronous then.
func restartPatroni(ctx context.Context, s *stage, leader *lab.Member) error {
	leader.KillPatroni()
	if err := leader.Restart(); err != nil {
		return err
	}
	if err := leader.WaitPatroni(ctx); err != nil {
		return err
	}
	return s.group.Resynchronize(ctx)
}

func pause(ctx context.Context, s *stage) error { return s.group.SetPause(ctx, true) }

// crashPaused kills postgres in a paused cluster: nobody starts it and nobody is promoted
// until somebody ends the pause.
func crashPaused(ctx context.Context, s *stage, leader *lab.Member) error {
	leader.KillPostgres()
	if err := lab.Linger(ctx, s.options.loopWait+outage); err != nil {
		return err
	}
	for _, m := range s.group.Members {
		if writable, err := m.IsWritable(ctx); err == nil && writable {
			return errors.New(m.Name + " takes writes in a paused cluster whose leader is dead")
		}
	}
	return s.group.SetPause(ctx, false)
}
