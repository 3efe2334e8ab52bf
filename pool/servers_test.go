package pool

import (
	"slices"
	"strings"
	"testing"
	"time"

	"portero/auth"
	"portero/metrics"
)

func TestServersAreDescribed(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	p := must(s.pools.JoinAs("alias", keyOf("leader", "postgres", "app"), terms(4, 0), auth.Credentials{}))(t)
	a, b := s.client(p, 0), s.client(p, 1)
	a.do(func() { a.claim.Number = 77 })
	lent, idle := a.get(), b.get()
	b.release()
	states := s.pools.ServerStates(t.Context())
	if len(states) != 2 {
		t.Fatalf("%+v", states)
	}
	slices.SortFunc(states, func(x, y metrics.ServerState) int { return strings.Compare(x.State, y.State) })
	for i, want := range []struct {
		s     *Server
		state string
		link  uint64
	}{{lent, "active", 77}, {idle, "idle", 0}} {
		got := states[i]
		if got.ID != want.s.ID() || got.State != want.state || got.Link != want.link || got.RemotePID != int(want.s.PID()) {
			t.Errorf("%+v", got)
		}
		if got.Address.String() != pg.Address() || !got.Local.IsValid() || got.Database != "alias" || got.User != "app" || got.Role != "leader" || got.CloseNeeded {
			t.Errorf("%+v", got)
		}
		if age := time.Since(got.Connected); age < 0 || age > patience || got.Requested.Before(got.Connected) {
			t.Errorf("connected %s, requested %s", got.Connected, got.Requested)
		}
	}
	if lent.ID() == idle.ID() {
		t.Error("two servers of one number")
	}
	a.release()
}
