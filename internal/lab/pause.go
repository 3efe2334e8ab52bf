package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// SetStandby makes the cluster a standby cluster of the server at host and port, or, with a nil
// setting, a cluster of its own again. It returns at once.
func (g *Group) SetStandby(ctx context.Context, of map[string]any) error {
	m, err := g.anyMember(ctx)
	if err != nil {
		return err
	}
	var value any // null takes the setting away
	if of != nil {
		value = of
	}
	_, err = m.ask(ctx, http.MethodPatch, "/config", object{"standby_cluster": value})
	return err
}

// SetPause pauses the cluster or ends its pause, and returns once each member knows.
func (g *Group) SetPause(ctx context.Context, on bool) error {
	m, err := g.anyMember(ctx)
	if err != nil {
		return err
	}
	var value any // null takes the setting away
	if on {
		value = true
	}
	if _, err := m.ask(ctx, http.MethodPatch, "/config", object{"pause": value}); err != nil {
		return err
	}
	return Poll(ctx, "wait until members know of the pause", func() error {
		for _, m := range g.Members {
			known, err := m.paused(ctx)
			if err != nil {
				return err
			}
			if known != on {
				return fmt.Errorf("%s does not know that it is %v", m.Name, on)
			}
		}
		return nil
	})
}

// paused tells whether a member says so by its REST interface, of which any path but those
// for checks tells its state.
func (m *Member) paused(ctx context.Context) (bool, error) {
	ctx, cancel := limit(ctx, askLimit)
	defer cancel()
	text, err := m.ask(ctx, http.MethodGet, "/patroni", nil)
	if err != nil {
		return false, err
	}
	var state struct {
		Pause bool `json:"pause"`
	}
	err = json.Unmarshal([]byte(text), &state)
	return state.Pause, err
}

// anyMember is one whose Patroni answers: a paused cluster may have no leader.
func (g *Group) anyMember(ctx context.Context) (*Member, error) {
	for _, m := range g.Members {
		if _, err := m.paused(ctx); err == nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no member of group %s answers", g.Scope)
}
