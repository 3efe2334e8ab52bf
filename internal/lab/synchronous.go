package lab

import (
	"context"
	"errors"
	"net/http"
)

// Resynchronize turns synchronous_mode off and on again, and returns once a standby is
// synchronous. Patroni 3.0 needs that when it has been killed beside a running leader: it
// starts by taking synchronous_standby_names out of the configuration, and does not put it
// back, as its key names the same standby as before.
func (g *Group) Resynchronize(ctx context.Context) error {
	m, err := g.anyMember(ctx)
	if err != nil {
		return err
	}
	if _, err := m.ask(ctx, http.MethodPatch, "/config", object{"synchronous_mode": false}); err != nil {
		return err
	}
	err = Poll(ctx, "wait until no standby is registered as synchronous", func() error {
		leader, err := g.Leader(ctx)
		if err != nil {
			return err
		}
		if standbys, err := g.synchronousStandbys(ctx, leader); err == nil {
			return errors.New(standbys[0] + " is")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := m.ask(ctx, http.MethodPatch, "/config", object{"synchronous_mode": true}); err != nil {
		return err
	}
	return g.WaitHealthy(ctx)
}

// WaitPatroni waits until the member's Patroni answers.
func (m *Member) WaitPatroni(ctx context.Context) error {
	return Poll(ctx, "wait for patroni of "+m.Name, func() error {
		if err := m.alive(); err != nil {
			return hopeless{err}
		}
		_, err := m.paused(ctx)
		return err
	})
}
