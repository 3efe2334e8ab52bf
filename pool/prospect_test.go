package pool

import (
	"testing"
	"time"

	"portero/discovery"
)

// What is said of a member that is no target is the reason by which the plan passed it over.
func TestMembersThatDoNotServeHaveTheirReason(t *testing.T) {
	now := time.Unix(1000, 0)
	view := &discovery.View{Groups: map[int]*discovery.Group{0: {Leader: "a", Epoch: 1, Members: []discovery.Member{
		{Name: "a", Role: "primary", State: "running", Located: true},
		{Name: "b", Role: "replica", State: "running"},
		{Name: "c", Role: "replica", State: "running"},
		{Name: "d", Role: "replica", State: "starting"},
		{Name: "e", Role: "replica", State: "running", Tags: map[string]any{"noloadbalance": true}},
		{Name: "f", Role: "uninitialized", State: "running"},
		{Name: "g", Role: "replica", State: "running"},
	}}}}
	heard := readings{
		"b": {at: now, seen: now, led: now},
		"c": {at: now, seen: now, led: now, behind: now.Add(-7 * time.Second)},
	}
	for role, want := range map[string]map[string]string{
		"leader": {"a": "", "b": "does not lead", "c": "does not lead", "d": "does not lead", "e": "does not lead", "f": "does not lead", "g": "does not lead"},
		"replica": {
			"a": "leads", "b": "", "c": "is behind by 7s, max_lag 5s", "d": "is not running: starting", "e": "has the tag noloadbalance",
			"f": "is no replica: uninitialized", "g": "how far it is behind is not known",
		},
		"any": {
			"a": "", "b": "", "c": "is behind by 7s, max_lag 5s", "d": "is not running: starting", "e": "has the tag noloadbalance",
			"f": "how far it is behind is not known", "g": "how far it is behind is not known",
		},
	} {
		d := demand{role: role}
		if role != "leader" {
			d.maxLag = 5 * time.Second
		}
		pl := newPlan(view, 0, d, heard, now)
		for _, m := range view.Groups[0].Members {
			got := ""
			if !pl.has(m) {
				got = pl.unfitness(m, d, heard, now)
			}
			if got != want[m.Name] {
				t.Errorf("role %s, member %s: %q, want %q", role, m.Name, got, want[m.Name])
			}
		}
	}
}
