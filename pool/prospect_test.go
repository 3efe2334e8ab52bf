package pool

import (
	"maps"
	"slices"
	"testing"
	"time"

	"portero/discovery"
)

// What is said of a member that is no target is the reason by which the plan passed it over.
func TestMembersThatDoNotServeHaveTheirReason(t *testing.T) {
	now := time.Unix(1000, 0)
	group := func(change func(*discovery.Group)) *discovery.View {
		g := &discovery.Group{Leader: "a", Epoch: 1, Members: []discovery.Member{
			{Name: "a", Role: "primary", State: "running", Located: true},
			{Name: "b", Role: "replica", State: "running"},
			{Name: "c", Role: "replica", State: "running"},
			{Name: "d", Role: "replica", State: "starting"},
			{Name: "e", Role: "replica", State: "running", Tags: map[string]any{"noloadbalance": true}},
			{Name: "f", Role: "uninitialized", State: "running"},
			{Name: "g", Role: "replica", State: "running"},
		}}
		change(g)
		return &discovery.View{Groups: map[int]*discovery.Group{0: g}}
	}
	all, fallen := group(func(*discovery.Group) {}), group(func(g *discovery.Group) { g.Members = slices.Delete(g.Members, 1, 2) })
	ledBy := func(what string, change func(*discovery.Group)) []reasons {
		other := map[string]string{"a": what}
		for _, name := range []string{"b", "c", "d", "e", "f", "g"} {
			other[name] = "does not lead"
		}
		return []reasons{{"leader", group(change), other}}
	}
	behind := map[string]string{
		"a": "is no replica", "b": "", "c": "is behind by 7s, max_lag 5s", "d": "is not running: starting", "e": "has the tag noloadbalance",
		"f": "is no replica: uninitialized", "g": "how far it is behind is not known",
	}
	either := maps.Clone(behind)
	either["a"], either["f"] = "", "how far it is behind is not known"
	fallenTo := maps.Clone(behind) // the leader, as no replica fits
	fallenTo["a"] = ""
	for _, c := range slices.Concat(
		ledBy("", func(*discovery.Group) {}),
		ledBy("was not confirmed as leader for too long", func(g *discovery.Group) { g.Unconfirmed = true }),
		ledBy("holds the leader key, and says that it is demoted", func(g *discovery.Group) { g.Members[0].Role = "demoted" }),
		ledBy("leads a standby cluster, which takes no writes", func(g *discovery.Group) { g.Standby = true }),
		[]reasons{{"replica", all, behind}, {"any", all, either}, {"prefer-replica", all, behind}, {"prefer-replica", fallen, fallenTo}},
	) {
		heard := readings{
			"b": {at: now, seen: now, led: now},
			"c": {at: now, seen: now, led: now, behind: now.Add(-7 * time.Second)},
		}
		d := demand{role: c.role}
		if c.role != "leader" {
			d.maxLag = 5 * time.Second
		}
		pl := newPlan(c.view, 0, d, heard, now)
		for _, m := range c.view.Groups[0].Members {
			got := ""
			if !pl.has(m) {
				got = pl.unfitness(m, d, heard, now)
			}
			if got != c.want[m.Name] {
				t.Errorf("role %s, member %s: %q, want %q", c.role, m.Name, got, c.want[m.Name])
			}
		}
	}
}

// reasons are why members of a view do not serve a role, by their names.
type reasons struct {
	role string
	view *discovery.View
	want map[string]string
}
