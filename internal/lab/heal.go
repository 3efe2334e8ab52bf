package lab

import (
	"context"
	"fmt"
	"time"
)

// Heal waits for the group's health, and brings it about if Patroni has not done so in time:
// version 3.0 sometimes starts postgres twice where it demotes it for want of etcd, and then
// takes the data from under the one that it does not know of. Then tell hears what was wrong,
// and all but the leader are made anew.
func (g *Group) Heal(ctx context.Context, patience time.Duration, tell func(why error)) (mended bool, err error) {
	soon, cancel := limit(ctx, patience)
	defer cancel()
	if err = g.WaitHealthy(soon); err == nil {
		return false, nil
	}
	tell(err)
	leader, err := g.Leader(ctx)
	if err != nil {
		return true, err
	}
	for _, m := range g.Members {
		if m != leader {
			if err := m.Reinitialize(); err != nil {
				return true, err
			}
		}
	}
	return true, g.WaitHealthy(ctx)
}

// LeadBy has a member lead its group of two, by a switchover if another does, and returns once
// the group is healthy.
func (g *Group) LeadBy(ctx context.Context, m *Member) error {
	if err := g.WaitHealthy(ctx); err != nil {
		return err
	}
	if err := Poll(ctx, "have "+m.Name+" lead", func() error {
		leader, err := g.Leader(ctx)
		if err != nil || leader == m {
			return err
		}
		if err := g.Switchover(ctx); err != nil {
			return err
		}
		return fmt.Errorf("%s did", leader.Name)
	}); err != nil {
		return err
	}
	return g.WaitHealthy(ctx)
}

// Linger lets things be for a while.
func Linger(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
