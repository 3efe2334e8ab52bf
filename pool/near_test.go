package pool

import (
	"maps"
	"testing"

	"portero/discovery"
	"portero/metrics"
	"portero/wire"
)

// moveTo has this Portero be in a zone, by a reload.
func (r *reign) moveTo(zone string) {
	r.t.Helper()
	cfg := *r.pools.settings.Load()
	cfg.Zone = zone
	ch, err := r.pools.Prepare(&cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	ch.Apply(r.servers)
}

// twoZones is a primary a and a replica b in the zone north, and a replica c in the zone
// south. This Portero is in the north.
func twoZones(t *testing.T) (r *reign, c *fake) {
	t.Helper()
	r, c = twoReplicas(t)
	r.zones(map[string]string{"a": "north", "b": "north", "c": "south"}, c)
	r.moveTo("north")
	return r, c
}

func (r *reign) zones(zones map[string]string, c *fake) {
	r.t.Helper()
	tag := func(name string) map[string]any { return map[string]any{"zone": zones[name]} }
	r.keys.member("a", r.a.addr, "primary", 1, tag("a"))
	r.keys.member("b", r.b.addr, "replica", 1, tag("b"))
	r.keys.member("c", c.addr, "replica", 1, tag("c"))
	r.sees("the zones", func() bool {
		for _, m := range r.cluster.View().Groups[0].Members {
			if m.Zone != zones[m.Name] {
				return false
			}
		}
		return true
	})
}

// only uses a pool until all of its servers are at one of the members.
func (r *reign) only(p *Pool, clients []*client, name string) {
	r.t.Helper()
	wait(r.t, "all servers are at "+name, func() error {
		elsewhere := 0
		for _, c := range clients {
			if c.get().Member() != name {
				elsewhere++
			}
		}
		for _, c := range clients {
			c.release()
		}
		p.sweep()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, at := range p.places {
			if at.member != name {
				elsewhere += at.servers
			}
		}
		return until(elsewhere == 0)
	})
}

func releaseAll(clients []*client) {
	for _, c := range clients {
		c.release()
	}
}

func TestReadersAreServedInTheirZone(t *testing.T) {
	r, c := twoZones(t)
	for role, want := range map[string]map[string]int{
		"replica": {"b": 6},
		"any":     {"a": 3, "b": 3},
		"leader":  {"a": 6},
	} {
		p := r.join(6, 0, role, "app")
		clients, at := r.take(p, 6)
		if !maps.Equal(at, want) {
			t.Errorf("%s: servers at %v, want %v", role, at, want)
		}
		releaseAll(clients)
		p.sweep() // a pool in use opens a server at each near member that has none
		wait(t, "balance", p.balanced)
	}
	if n := c.lives(); n > 0 {
		t.Errorf("%d servers in the other zone", n)
	}
}

func TestWhereNoMemberIsInItsZoneAllServeAlike(t *testing.T) {
	r, _ := twoZones(t)
	r.moveTo("west")
	clients, at := r.take(r.join(6, 0, "replica", "app"), 6)
	if at["b"] != 3 || at["c"] != 3 {
		t.Errorf("servers at %v", at)
	}
	releaseAll(clients)
}

func TestAMemberWithoutZoneIsInAnother(t *testing.T) {
	r, c := twoZones(t)
	r.zones(map[string]string{"a": "", "b": "", "c": "north"}, c)
	clients, at := r.take(r.join(4, 0, "any", "app"), 4)
	if at["c"] != 4 {
		t.Errorf("servers at %v", at)
	}
	releaseAll(clients)
}

func TestIdleServersInItsZoneAreLentFirst(t *testing.T) {
	r, c := twoZones(t)
	p := r.join(4, 0, "replica", "app")
	r.b.down()
	far, _ := r.take(p, 1) // far, as the near one is down
	r.b.up()
	p.mu.Lock()
	clear(p.shunned)
	p.mu.Unlock()
	near, _ := r.take(p, 1)
	if at := near[0].claim.Server.Member(); far[0].claim.Server.Member() != "c" || at != "b" {
		t.Fatalf("one at %s, the other at %s", far[0].claim.Server.Member(), at)
	}
	releaseAll(near)
	releaseAll(far) // used last
	for range 4 {   // never in turn
		if at := near[0].get().Member(); at != "b" {
			t.Errorf("lent at %s", at)
		}
		near[0].release()
	}
	if c.lives() != 1 {
		t.Errorf("%d servers in the other zone", c.lives())
	}
	wait(t, "balance", p.balanced)
}

func TestOtherZonesServeWhileTheNearMemberIsFull(t *testing.T) {
	r, c := twoZones(t)
	p := r.join(4, 0, "replica", "app")
	clients, _ := r.take(p, 2)
	r.b.set(func() { r.b.refusal = wire.Fatal("53300", "sorry, too many clients already") })
	more, at := r.take(p, 2)
	if at["c"] != 2 {
		t.Errorf("servers at %v while the near member is full", at)
	}
	clients = append(clients, more...)
	releaseAll(clients)
	for range 3 { // it may be full as before: nothing is given up for it
		p.sweep()
	}
	wait(t, "balance", p.balanced)
	if c.lives() != 2 {
		t.Errorf("%d servers in the other zone, of 2", c.lives())
	}
	r.b.set(func() { r.b.refusal = nil })
	p.mu.Lock()
	if s := p.shunned["b"]; s != nil {
		s.until, s.at = 1, s.at-int64(trustAgain)-1
	}
	p.mu.Unlock()
	r.only(p, clients, "b")
	wait(t, "balance", p.balanced)
}

func TestOtherZonesServeWhileTheNearMemberIsGone(t *testing.T) {
	r, c := twoZones(t)
	p := r.join(4, 0, "replica", "app")
	clients, _ := r.take(p, 4)
	r.b.down()
	r.keys.put("members/b", "")
	for _, x := range clients {
		within(t, "the news", x.lost)
		x.discard(metrics.EpochMoved)
	}
	r.only(p, clients, "c")
	r.b.up()
	r.keys.member("b", r.b.addr, "replica", 1, map[string]any{"zone": "north"})
	r.only(p, clients, "b")
	if n := c.lives(); n != 0 {
		t.Errorf("%d servers are left in the other zone", n)
	}
	wait(t, "balance", p.balanced)
}

// A member that has been restarted looks as it did when it failed.
func TestANearMemberThatIsRestartedIsReturnedToAtOnce(t *testing.T) {
	r, _ := twoZones(t)
	p := r.join(4, 0, "replica", "app")
	r.b.down()
	clients, at := r.take(p, 4)
	if at["c"] != 4 {
		t.Errorf("servers at %v while the near member is down", at)
	}
	releaseAll(clients)
	state := func(is string) {
		r.keys.put("members/b", `{"conn_url":"postgres://`+r.b.addr+`/postgres","state":"`+is+`","role":"replica","timeline":1,"tags":{"zone":"north"}}`)
		wait(t, "it is "+is, func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			m, _ := p.now.group.Member("b")
			return until(m.State == is)
		})
	}
	state("starting")
	r.b.up()
	state("running")
	r.only(p, clients, "b")
	wait(t, "balance", p.balanced)
}

func TestServersMoveWithTheZoneOfAReload(t *testing.T) {
	r, _ := twoZones(t)
	p := r.join(4, 0, "replica", "app")
	clients, _ := r.take(p, 4)
	releaseAll(clients)
	r.moveTo("south")
	r.only(p, clients, "c")
	if all := p.Metrics().Totals().Errors; all[metrics.Rebalanced] == 0 || all[metrics.MemberLeft] != 0 {
		t.Errorf("%d are said to be for balance, and %d for a member that has left", all[metrics.Rebalanced], all[metrics.MemberLeft])
	}
	r.moveTo("")
	clients, at := r.take(r.join(4, 0, "replica", "other"), 4)
	if at["b"] != 2 || at["c"] != 2 {
		t.Errorf("without a zone: servers at %v", at)
	}
	releaseAll(clients)
	wait(t, "balance", p.balanced)
}

func TestAFaultSpeaksMoreThanTheZoneAndTheZoneMoreThanTheNumberOfServers(t *testing.T) {
	for _, c := range []struct {
		about        string
		first, later rank
	}{
		{"near and far", rank{servers: 9}, rank{distance: 1}},
		{"far and near, which cannot be reached", rank{distance: 1}, rank{fault: faultFailed}},
		{"far and near, which refuse both, the far one longer ago", rank{fault: faultRefused, refused: 1, distance: 1}, rank{fault: faultRefused, refused: 2}},
		{"both far", rank{distance: 1}, rank{distance: 1, servers: 1}},
	} {
		if !c.first.before(c.later) || c.later.before(c.first) {
			t.Errorf("%s: %+v is not before %+v", c.about, c.first, c.later)
		}
	}
}

func TestWhoIsInAnotherZoneIsSaidToComeLater(t *testing.T) {
	const south, none = "is in another zone, south, and comes behind those in zone north", "has no tag zone, and comes behind those in zone north"
	for _, c := range []struct {
		zone, role string
		near       string // state of the member in the north
		want       map[string]string
	}{
		{"north", "replica", "running", map[string]string{"b": south, "c": none}},
		{"north", "replica", "stopped", nil},
		{"north", "leader", "running", nil},
		{"", "any", "running", nil},
	} {
		g := &discovery.Group{Leader: "l", Members: []discovery.Member{
			{Name: "a", Zone: "north", State: c.near, Role: "replica"}, {Name: "b", Zone: "south", State: "running", Role: "replica"}, {Name: "c", State: "running", Role: "replica"}, {Name: "l", State: "running", Role: "primary"},
		}}
		if c.role == "any" {
			g.Members = g.Members[:3]
		}
		pl := newPlan(&discovery.View{Groups: map[int]*discovery.Group{0: g}}, 0, demand{role: c.role, zone: c.zone}, nil, announcedAt)
		for _, m := range pl.targets {
			if why := pl.whyLater(m); why != c.want[m.Name] {
				t.Errorf("zone %q, role %s, member %s: %q, want %q", c.zone, c.role, m.Name, why, c.want[m.Name])
			}
		}
	}
}

func TestAProspectKnowsTheZone(t *testing.T) {
	r, _ := twoZones(t)
	seen := r.pools.Prospect("postgres", Key{Cluster: "main", Role: "replica", Mode: "transaction", Database: "postgres", User: "app"})
	for _, m := range seen.Members {
		if m.Name == "c" && (!m.Fits || m.Why != "is in another zone, south, and comes behind those in zone north") || m.Name == "b" && m.Why != "" {
			t.Errorf("%s: fits %v, %q", m.Name, m.Fits, m.Why)
		}
	}
}
