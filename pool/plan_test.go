package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"portero/discovery"
)

var announcedAt = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// led is a group of two under Patroni, of which a leads, and what edit makes of it.
func led(edit func(g *discovery.Group)) *discovery.View {
	g := &discovery.Group{Leader: "a", LastLeader: "a", Epoch: 3, Timeline: 7, SystemID: "4711", Members: []discovery.Member{
		{Name: "a", Address: "a:1", Role: "primary", State: "running", Located: true},
		{Name: "b", Address: "b:1", Role: "replica", State: "running"},
	}}
	if edit != nil {
		edit(g)
	}
	return &discovery.View{Groups: map[int]*discovery.Group{0: g}}
}

func announce(from, to string) func(g *discovery.Group) {
	return func(g *discovery.Group) {
		g.Announced, g.Members[0].Located = &discovery.Switchover{From: from, To: to, Since: announcedAt}, false
	}
}

// What a view means to the pools of a leader, of replicas, and of any member.
func TestAPlanIsWhatAViewMeans(t *testing.T) {
	for _, c := range []struct {
		name                  string
		edit                  func(g *discovery.Group)
		after                 time.Duration // since the announcement
		leader, replica, both string
	}{
		{"a leads", nil, 0, "a", "b", "a b"},
		{"nobody has the key", func(g *discovery.Group) { g.Leader = "" }, 0, "no leader", "b", "a b"},
		{"nobody has the key in failsafe mode", func(g *discovery.Group) { g.Leader, g.Failsafe = "", true }, 0, "a", "b", "a b"},
		{"nor has led yet", func(g *discovery.Group) { g.Leader, g.LastLeader, g.Failsafe = "", "", true }, 0, "no leader", "b", "a b"},
		{"the leader has no key of its own", func(g *discovery.Group) { g.Members = g.Members[1:] }, 0, "no leader", "b", "b"},
		{"it is demoted", func(g *discovery.Group) { g.Members[0].Role = "demoted" }, 0, "leader demoted", "b", "a b"},
		{"it is not promoted yet", func(g *discovery.Group) { g.Members[0].Role = "replica" }, 0, "a", "b", "a b"},
		{"a standby cluster", func(g *discovery.Group) { g.Standby = true }, 0, "standby cluster", "b", "a b"},
		{"its leader says so", func(g *discovery.Group) { g.Members[0].Role = "standby_leader" }, 0, "standby cluster", "a b", "a b"},
		{"a replica that is not to be read", func(g *discovery.Group) { g.Members[1].Tags = map[string]any{"noloadbalance": true} }, 0, "a", "", "a"},
		{"a replica that does not run", func(g *discovery.Group) { g.Members[1].State = "starting" }, 0, "a", "", "a"},
		{"a switchover to b is wanted", func(g *discovery.Group) { announce("a", "b")(g); g.Members[0].Located = true }, 0, "a, warm b", "b", "a b"},
		{"and begins", announce("a", "b"), 0, "switchover announced until 5s, a, warm b", "b", "a b"},
		{"to whom it may be", announce("a", ""), 0, "switchover announced until 5s, a, warm b", "b", "a b"},
		{"to nobody who is there", announce("a", "c"), 0, "switchover announced until 5s, a", "b", "a b"},
		{"it takes its time", announce("a", "b"), 4 * time.Second, "switchover announced until 5s, a, warm b", "b", "a b"},
		{"it does not come", announce("a", "b"), 5 * time.Second, "a, warm b", "b", "a b"},
		{"the key is given up for it", func(g *discovery.Group) { announce("a", "b")(g); g.Leader = "" }, 0, "no leader, warm b", "b", "a b"},
		{"nobody confirms it", func(g *discovery.Group) { g.Unconfirmed = true }, 0, "leader not confirmed", "b", "a b"},
		{"nor in failsafe mode", func(g *discovery.Group) { g.Leader, g.Failsafe, g.Unconfirmed = "", true, true }, 0, "leader not confirmed", "b", "a b"},
		{"nobody has the key, for all that is known", func(g *discovery.Group) { g.Leader, g.Unconfirmed = "", true }, 0, "no leader", "b", "a b"},
		{"nobody confirms it in a switchover", func(g *discovery.Group) { announce("a", "b")(g); g.Unconfirmed = true }, 0, "leader not confirmed, warm b", "b", "a b"},
		{"it is on an older timeline", func(g *discovery.Group) { g.Behind = 6 }, 0, "leader is on an older timeline, a", "b", "a b"},
		{"and is to be switched from", func(g *discovery.Group) { announce("a", "b")(g); g.Behind = 6 }, 0, "leader is on an older timeline, a, warm b", "b", "a b"},
		{"hosts that are to be asked", func(g *discovery.Group) { g.Leader, g.LastLeader, g.AskHosts = "", "", true }, 0, "a b or another", "a b", "a b"},
		{"of which one is known to lead", func(g *discovery.Group) { g.AskHosts = true }, 0, "a or another", "b", "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for role, want := range map[string]string{"leader": c.leader, "replica": c.replica, "any": c.both} {
				pl := newPlan(led(c.edit), 0, demand{role: role, drain: 5 * time.Second}, nil, announcedAt.Add(c.after))
				if got := planText(pl); got != want {
					t.Errorf("%s: %q, not %q", role, got, want)
				}
			}
		})
	}
	unknown := newPlan(&discovery.View{}, 0, demand{role: "leader", drain: 5 * time.Second}, nil, announcedAt)
	if got := planText(unknown); got != "no leader known" {
		t.Errorf("of a group that nobody knows: %q", got)
	}
	if none := newPlan(led(announce("a", "b")), 0, demand{role: "leader"}, nil, announcedAt); none.hold != NotHeld {
		t.Errorf("without switchover_drain: %q", planText(none))
	}
}

func planText(pl plan) string {
	text := pl.hold.String()
	if !pl.until.IsZero() {
		text += fmt.Sprintf(" until %v", pl.until.Sub(announcedAt))
	}
	var names []string
	for _, m := range pl.targets {
		names = append(names, m.Name)
	}
	if len(names) > 0 && text != "" {
		text += ", "
	}
	text += strings.Join(names, " ")
	if pl.choice && pl.as == "leader" {
		text += " or another"
	}
	if pl.warm != "" {
		text += ", warm " + pl.warm
	}
	return text
}

func TestAServerStaysAsLongAsItsPlanKeepsIt(t *testing.T) {
	for _, c := range []struct {
		name   string
		view   *discovery.View
		role   string
		member string
		epoch  uint64
		stays  bool
	}{
		{"of this epoch", led(nil), "leader", "a", 3, true},
		{"of the one before", led(nil), "leader", "a", 2, false},
		{"while a switchover is announced", led(announce("a", "b")), "leader", "a", 3, true},
		{"while nobody leads", led(func(g *discovery.Group) { g.Leader = "" }), "leader", "a", 3, true},
		{"that nobody confirms", led(func(g *discovery.Group) { g.Unconfirmed = true }), "leader", "a", 3, false},
		{"that has lost its key before", led(func(g *discovery.Group) { g.Leader, g.Unconfirmed = "", true }), "leader", "a", 3, false},
		{"a replica of one", led(func(g *discovery.Group) { g.Unconfirmed = true }), "replica", "b", 1, true},
		{"on an older timeline", led(func(g *discovery.Group) { g.Behind = 6 }), "leader", "a", 3, true},
		{"of a group that is not known any more", &discovery.View{}, "leader", "a", 3, true},
		{"and is older", &discovery.View{}, "leader", "a", 2, false},
		{"a replica", led(nil), "replica", "b", 1, true},
		{"that leads", led(nil), "replica", "a", 3, false},
		{"that is gone", led(func(g *discovery.Group) { g.Members = g.Members[:1] }), "replica", "b", 1, false},
		{"of a group that is not known", &discovery.View{}, "replica", "b", 1, true},
	} {
		pl := newPlan(c.view, 0, demand{role: c.role, drain: time.Second}, nil, announcedAt)
		if got := pl.keeps(c.member, post{c.role, c.epoch}, 3); got != c.stays {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestOperatorsAreToldWhyClientsAreHeld(t *testing.T) {
	for want, edit := range map[string]func(g *discovery.Group){
		"":                                  nil,
		"no leader":                         func(g *discovery.Group) { g.Leader = "" },
		"no leader, and no member is known": func(g *discovery.Group) { g.Leader, g.Members = "", nil },
		"leader is on an older timeline: a is on 6, and 7 has led":                          func(g *discovery.Group) { g.Behind = 6 },
		"leader is on an older timeline: a has come to 7 from there, and another 7 has led": func(g *discovery.Group) { g.Behind = 7 },
		"leader not confirmed: nothing was heard of a from etcd or Patroni for 20s": func(g *discovery.Group) {
			g.Unconfirmed, g.StaleLimit = true, 20*time.Second
		},
	} {
		pl := newPlan(led(edit), 0, demand{role: "leader"}, nil, announcedAt)
		if got := pl.words(); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func TestALeaderIsNotJudgedByANumberThatWasUsedTwice(t *testing.T) {
	v := led(func(g *discovery.Group) { g.Behind = 7 })
	pl := newPlan(v, 0, demand{role: "leader"}, nil, announcedAt)
	if _, err := pl.judge(pl.targets[0], discovery.Proof{Member: "a", Timeline: 7, SystemID: "4711"}); !errors.Is(err, errOldTimeline) {
		t.Errorf("%v", err)
	}
}

func TestAServerIsJudgedByWhatItSaysOfItself(t *testing.T) {
	for _, c := range []struct {
		name, role, member string
		recovery           bool
		timeline           int64
		system             string
		want               error
	}{
		{"the leader", "leader", "a", false, 7, "4711", nil},
		{"on a timeline that nobody knows yet", "leader", "a", false, 8, "4711", nil},
		{"on an older one", "leader", "a", false, 6, "4711", errOldTimeline},
		{"in recovery", "leader", "a", true, 0, "4711", errInRecovery},
		{"of another cluster", "leader", "a", false, 7, "4712", errStranger},
		{"who does not lead", "leader", "b", false, 7, "4711", errMoved},
		{"a replica", "replica", "b", true, 0, "4711", nil},
		{"that takes writes", "replica", "b", false, 7, "4711", errNotReplica},
		{"any that takes writes", "any", "b", false, 7, "4711", nil},
	} {
		v := led(nil)
		m, _ := v.Groups[0].Member(c.member)
		pl := newPlan(v, 0, demand{role: c.role}, nil, announcedAt)
		at, err := pl.judge(m, discovery.Proof{Member: c.member, InRecovery: c.recovery, Timeline: c.timeline, SystemID: c.system})
		if !errors.Is(err, c.want) || err == nil && at != (post{c.role, 3}) {
			t.Errorf("%s: %+v, %v", c.name, at, err)
		}
	}
}
