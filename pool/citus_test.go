package pool

import (
	"slices"
	"testing"

	"portero/auth"
	"portero/session"
)

// Servers that are not needed any more are found by how long they have been idle: to drop a name
// is no use of one, nor is what it answers.
func TestAServerThatDropsItsNameKeepsItsPlaceAmongTheIdle(t *testing.T) {
	f := startFake(t)
	s := newStage(t, nil, f.addr)
	key := keyOf("leader", "postgres", "app")
	key.Citus = citusInternal
	p, err := s.pools.Join(key, s.terms(3, 0), auth.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*client
	var servers []*Server
	for i := range 3 {
		c := s.client(p, 0)
		c.do(func() { c.claim.Number = uint64(i + 1) })
		all, servers = append(all, c), append(servers, c.get())
	}
	servers[0].Applied = session.Settings{}.With(applicationName, "citus_internal gpid=10000000001")
	for _, c := range all {
		c.release()
	}
	p.mu.Lock()
	since, back := servers[0].since, p.turnover.cameBack
	p.mu.Unlock()
	wait(t, "its name is dropped, and that is answered", func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return until(servers[0].state == stateIdle && !servers[0].bearsName() && servers[0].Owed == 0)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if servers[0].since != since {
		t.Error("it is idle since another time")
	}
	if idle := p.places[0].idle; !slices.Equal(idle, servers) {
		t.Errorf("it has moved to place %d", slices.Index(idle, servers[0]))
	}
	if p.turnover.cameBack != back {
		t.Error("it counts as given back")
	}
}
