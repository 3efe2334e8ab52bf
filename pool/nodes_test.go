package pool

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/discovery"
)

// yugabyte is a cluster of three primary nodes and three read replicas. By its topology
// keys the second place comes first, and the third next.
func yugabyte(edit func(g *discovery.Group)) *discovery.View {
	g := &discovery.Group{AllWrite: true, Listed: true, Members: []discovery.Member{
		{Name: "1", Address: "1:1", Role: "primary"},
		{Name: "2", Address: "2:1", Role: "primary", Priority: 1},
		{Name: "3", Address: "3:1", Role: "primary", Priority: 2},
		{Name: "4", Address: "4:1", Role: "read_replica", Priority: 1},
		{Name: "5", Address: "5:1", Role: "read_replica", Priority: 2},
		{Name: "6", Address: "6:1", Role: "read_replica"},
	}}
	if edit != nil {
		edit(g)
	}
	return &discovery.View{Groups: map[int]*discovery.Group{0: g}}
}

// tiers are the targets, those that are as near together, the nearest first.
func tiers(pl plan) string {
	at := make(map[int][]string)
	var distances []int
	for _, m := range pl.targets {
		d := pl.distance(m)
		if at[d] == nil {
			distances = append(distances, d)
		}
		at[d] = append(at[d], m.Name)
	}
	slices.Sort(distances)
	var text []string
	for _, d := range distances {
		text = append(text, strings.Join(at[d], " "))
	}
	return strings.Join(text, ", ")
}

// The order of nodes that die one behind the other is that of YugabyteDB's own drivers:
// psycopg2-yugabytedb, tests of read replicas, with the same places and keys.
func TestRolesAndTopologyKeysSayWhichNodeIsNext(t *testing.T) {
	keysOnly := func(g *discovery.Group) { g.KeysOnly = true }
	noKeys := func(g *discovery.Group) {
		for i := range g.Members {
			g.Members[i].Priority = 1
		}
	}
	for _, c := range []struct {
		role           string
		view           *discovery.View
		candidate      bool
		want, keysOnly string
	}{
		{"any", yugabyte(nil), false, "2 4, 3 5, 1 6", "2 4, 3 5"},
		{"only-primary", yugabyte(nil), false, "2, 3, 1", "2, 3"},
		{"only-rr", yugabyte(nil), false, "4, 5, 6", "4, 5"},
		{"prefer-primary", yugabyte(nil), false, "2, 3, 1, 4 5 6", "2, 3, 4 5"},
		{"prefer-rr", yugabyte(nil), false, "4, 5, 6, 1 2 3", "4, 5, 2 3"},
		{"any", yugabyte(noKeys), false, "1 2 3 4 5 6", ""},
		{"only-rr", yugabyte(noKeys), false, "4 5 6", ""},
		{"prefer-rr", yugabyte(noKeys), false, "4 5 6, 1 2 3", ""},
		{"leader", yugabyte(nil), false, "2 4, 3 5, 1 6", "2 4, 3 5"}, // who asks for users, or whether the cluster is ready
		{"only-rr", yugabyte(func(g *discovery.Group) { g.Members = g.Members[:3] }), false, "", ""},
		{"only-rr", yugabyte(func(g *discovery.Group) { g.Members = g.Members[:3] }), true, "2, 3, 1", "2, 3, 1"}, // any can tell whether it lets the pool in
		{"only-rr", yugabyte(func(g *discovery.Group) { noKeys(g); g.Listed = false }), false, "1 2 3 4 5 6", "1 2 3 4 5 6"},
	} {
		for only, want := range map[bool]string{false: c.want, true: c.keysOnly} {
			if only {
				if want == "" {
					continue
				}
				keysOnly(c.view.Groups[0])
			}
			c.view.Groups[0].KeysOnly = only
			pl := newPlan(c.view, 0, demand{role: c.role, candidate: c.candidate}, nil, announcedAt)
			if got := tiers(pl); got != want || pl.hold != NotHeld || pl.leads != "" || pl.as != "any" {
				t.Errorf("%s, keys only %v: %q, not %q; %+v", c.role, only, got, want, pl.hold)
			}
		}
	}
}

func TestAServerOfANodeThatHasLeftEndsInPeace(t *testing.T) {
	pl := newPlan(yugabyte(func(g *discovery.Group) { g.Members = g.Members[1:] }), 0, demand{role: "any"}, nil, announcedAt)
	at := post{as: "any"}
	if pl.keeps("1", at, 0) || !pl.lets("1", at) || pl.parting("1", at).String() != "member left" || !pl.keeps("2", at, 0) {
		t.Errorf("keeps %v, lets %v, %s", pl.keeps("1", at, 0), pl.lets("1", at), pl.parting("1", at))
	}
	if _, err := pl.judge(discovery.Member{Name: "2", Address: "2:1"}, discovery.Proof{InRecovery: true}); err != nil {
		t.Error(err)
	}
	if _, err := pl.judge(discovery.Member{Name: "1", Address: "1:1"}, discovery.Proof{}); err != errMoved {
		t.Error(err)
	}
}

// A member that refused is not asked again before those that are farther away were.
func TestTheNextNodeIsTheNearestThatNothingIsHeldAgainst(t *testing.T) {
	at := func(f fault, refused int64, distance, servers int) rank { return rank{f, refused, distance, servers} }
	order := []rank{
		at(faultless, 0, 0, 3), at(faultless, 0, 0, 4), at(faultless, 0, 1, 0), at(faultFailed, 0, 0, 0), at(faultFailed, 0, 2, 0),
		at(faultRefused, 1, 2, 0), at(faultRefused, 2, 0, 0),
	}
	for i := range order[1:] {
		if !order[i].before(order[i+1]) || order[i+1].before(order[i]) {
			t.Errorf("%+v is not before %+v", order[i], order[i+1])
		}
	}
}

func TestNodesThatDoNotServeHaveTheirReason(t *testing.T) {
	for role, want := range map[string]string{
		"any":            "1: is where no topology key matches, 6: is where no topology key matches",
		"only-primary":   "1: is where no topology key matches, 4: is a read replica, 5: is a read replica, 6: is where no topology key matches",
		"only-rr":        "1: is where no topology key matches, 2: is no read replica, 3: is no read replica, 6: is where no topology key matches",
		"prefer-primary": "1: is where no topology key matches, 6: is where no topology key matches",
	} {
		v, d := yugabyte(func(g *discovery.Group) { g.KeysOnly = true }), demand{role: role}
		pl := newPlan(v, 0, d, nil, time.Time{})
		var got []string
		for _, m := range v.Groups[0].Members {
			if !pl.has(m) {
				got = append(got, fmt.Sprintf("%s: %s", m.Name, pl.unfitness(m, d, nil, time.Time{})))
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %s", role, strings.Join(got, ", "))
		}
	}
}

func TestAServerIsLentAtTheNearestPlaceThatHasOne(t *testing.T) {
	one := []*Server{{}}
	p := &Pool{places: []*place{
		{member: "far", idle: one, distance: 2},
		{member: "near and busy", idle: one, lent: 5, distance: 1},
		{member: "near", idle: one, lent: 3, distance: 1},
		{member: "nearest, and nothing is idle", distance: 0},
	}}
	for range 8 {
		if got := p.quietestLocked(Startup{}).member; got != "near" {
			t.Errorf("lent at %s", got)
		}
	}
}
