package pool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portero/discovery"
	"portero/metrics"
)

// A chronicle by its transcript: what is seen, tenth of a second by tenth, and the phases
// that it begins.
//
//	a3           a leads in epoch 3; "-3" nobody does
//	a3>b         and a switchover to b is announced
//	died         a server of the leader has
//	proved 3 8   a pool has its first server in epoch 3, for which 8 clients waited
//	failed       a client was told that its transaction was
func TestAChronicleTellsThePhasesOfAFailover(t *testing.T) {
	for _, c := range []struct{ name, seen, begun, kept string }{
		{"a switchover", "a3; a3>b; died; -3>b; b4; proved 4 8",
			"announced held|lost||elected|proved released", "a to b, epoch 4, began 0.1 released 0.5 with 8 clients, none"},
		{"that is called off", "a3; a3>b; a3", "announced held|called off", "a to b, epoch 3, began 0.1 called off 0.2 with 0 clients, none"},
		{"the death of a host", "a3; died; failed; -3; b4; proved 4 2", "||lost held|elected|proved released",
			"a to b, epoch 4, began 0.1 released 0.5 with 2 clients, 1 failed"},
		{"a crash in place", "a3; died; failed; a4; proved 4 1", "||lost elected|proved released", "a to a, epoch 4, began 0.1 released 0.4 with 1 clients, 1 failed"},
		{"a key that was lost and found", "a3; -3; a3; proved 3 0", "|lost held|elected|proved released", "a to a, epoch 3, began 0.1 released 0.3 with 0 clients, none"},
		{"clients that hear late", "a3; -3; b4; proved 4 0; failed; proved 4 5", "|lost held|elected|proved released||",
			"a to b, epoch 4, began 0.1 released 0.3 with 5 clients, 1 failed"},
		{"the first leader", "-0; a1; proved 1 3", "||", ""},
		{"a server that dies alone", "a3; died; failed", "||", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var one chronicle
			var begun []string
			now := announcedAt
			for _, what := range strings.Split(c.seen, "; ") {
				var words []string
				for _, p := range one.play(what, now) {
					words = append(words, string(p))
				}
				begun = append(begun, strings.Join(words, " "))
				now = now.Add(100 * time.Millisecond)
			}
			if got, want := strings.Trim(strings.Join(begun, "|"), "|"), strings.Trim(c.begun, "|"); got != want {
				t.Errorf("begins %q, not %q", got, want)
			}
			if got := one.kept(); got != c.kept {
				t.Errorf("keeps %q, not %q", got, c.kept)
			}
		})
	}
}

func (c *chronicle) play(what string, now time.Time) []phase {
	var epoch, waited int
	switch {
	case what == "died":
		return c.died(now)
	case what == "failed":
		c.count(metrics.Outcomes{Failed: 1}, now)
		return nil
	case strings.HasPrefix(what, "proved"):
		fmt.Sscanf(what, "proved %d %d", &epoch, &waited) //nolint:errcheck // written above
		return c.proved(uint64(epoch), waited, now)
	}
	v := led(func(g *discovery.Group) {
		g.Leader, g.Epoch = strings.Trim(what[:1], "-"), uint64(what[1]-'0')
		if _, to, ok := strings.Cut(what, ">"); ok {
			g.Announced, g.Members[0].Located = &discovery.Switchover{To: to, Since: now}, false
		}
	})
	pl := newPlan(v, 0, demand{role: "leader", drain: time.Minute}, nil, now)
	return c.see(&pl, now)
}

func (c *chronicle) kept() string {
	var all []string
	for _, f := range c.failovers() {
		how, end := "released", f.Released
		if !f.CalledOff.IsZero() {
			how, end = "called off", f.CalledOff
		}
		at := func(t time.Time) float64 { return t.Sub(announcedAt).Seconds() }
		all = append(all, fmt.Sprintf("%s to %s, epoch %d, began %.1f %s %.1f with %d clients, %v", f.From, f.To, f.Epoch, at(f.Began()), how, at(end), f.ClientsHeld, f.Outcomes))
	}
	return strings.Join(all, "; ")
}

func TestAChronicleKeepsTheLastFailovers(t *testing.T) {
	var c chronicle
	c.play("a1", announcedAt)
	for i := range keptFailovers + 5 {
		now := announcedAt.Add(time.Duration(i+1) * time.Hour)
		c.play(fmt.Sprintf("%c%d", 'a'+byte(i%2+1)%2, i%8+2), now)
		c.proved(c.epoch, 0, now)
	}
	if n := len(c.failovers()); n != keptFailovers {
		t.Errorf("%d are kept", n)
	}
}

func TestAChronicleCountsTheTimeWithoutALeader(t *testing.T) {
	var c chronicle
	for i, what := range []string{"-0", "a1", "-1", "-1", "b2"} {
		c.play(what, announcedAt.Add(time.Duration(i)*time.Second))
	}
	end := announcedAt.Add(10 * time.Second)
	if got := c.leaderless(end); got != 3*time.Second {
		t.Errorf("%v without a leader", got)
	}
	if got := c.heldFor(end); got != 3*time.Second {
		t.Errorf("%v held", got)
	}
	if c.changes != 1 {
		t.Errorf("%d changes", c.changes)
	}
}

// TestFailoversOfTheProcessBeforeAreRemembered, but for one that it has not seen to its end,
// and no more of a group than this one would keep of its own.
func TestFailoversOfTheProcessBeforeAreRemembered(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var former []metrics.FailoverState
	for i := range keptFailovers + 5 {
		at := began.Add(time.Duration(i) * time.Hour)
		former = append(former, metrics.FailoverState{Cluster: "main", Epoch: uint64(i), Lost: at, Released: at.Add(time.Second)})
	}
	former = append(former,
		metrics.FailoverState{Cluster: "main", Group: 1, Lost: began, CalledOff: began.Add(time.Second)},
		metrics.FailoverState{Cluster: "main", Lost: began.Add(900 * time.Hour)})
	ps := &Pools{}
	ps.Remember(former)
	ps.note(groupKey{"main", 0}, func(c *chronicle) []phase {
		c.past = append(c.past, metrics.FailoverState{Epoch: 99, Lost: began.Add(100 * time.Hour), Released: began.Add(101 * time.Hour)})
		return nil
	})
	all := ps.Failovers()
	if len(all) != keptFailovers+1 || all[0].Epoch != 99 || all[1].Epoch != keptFailovers+4 || all[keptFailovers].Group != 1 {
		t.Errorf("%d failovers: %+v", len(all), all)
	}
}
