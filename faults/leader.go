package main

import (
	"context"

	"portero/internal/lab"
)

func switchover(ctx context.Context, s *stage, _ *lab.Member) error { return s.group.Switchover(ctx) }

// crash leaves it to Patroni to start postgres where it was, on the next timeline, or to have
// the other member promoted.
func crash(_ context.Context, _ *stage, leader *lab.Member) error {
	leader.KillPostgres()
	return nil
}
