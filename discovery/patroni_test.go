package discovery

import (
	"testing"
	"time"
)

func citusGroups(t *testing.T, known *patroni, keys map[string]string) map[int]*Group {
	t.Helper()
	known.follow(pictures(newLayout("/service", "demo", true), keys, time.Time{}), time.Now())
	return known.groups()
}

func TestOnlyTheLeaderOfThisDatabaseIsBelieved(t *testing.T) {
	tests := map[string]struct {
		proof  Proof
		epoch  uint64
		behind int64
	}{
		"the leader, newer":            {Proof{Member: "m1", Timeline: 3, SystemID: "71"}, 2, 0},
		"the leader, id not asked":     {Proof{Member: "m1", Timeline: 3}, 2, 0},
		"the leader, the same":         {Proof{Member: "m1", Timeline: 2, SystemID: "71"}, 1, 0},
		"the leader, older":            {Proof{Member: "m1", Timeline: 1, SystemID: "71"}, 1, 1},
		"the leader, not asked":        {Proof{Member: "m1"}, 1, 0},
		"the leader, in recovery":      {Proof{Member: "m1", Timeline: 3, InRecovery: true}, 1, 0},
		"another member":               {Proof{Member: "m2", Timeline: 3, SystemID: "71"}, 1, 0},
		"another database":             {Proof{Member: "m1", Timeline: 3, SystemID: "99"}, 1, 0},
		"another group, same name":     {Proof{Group: 1, Member: "m1", Timeline: 3}, 1, 0},
		"a group that nobody knows of": {Proof{Group: 7, Member: "m1", Timeline: 3}, 1, 0},
	}
	for about, test := range tests {
		known := newPatroni()
		citusGroups(t, known, map[string]string{
			"/service/demo/0/initialize": "71",
			"/service/demo/0/leader":     "m1",
			"/service/demo/0/members/m1": `{"role":"primary","timeline":2}`,
			"/service/demo/1/leader":     "w1",
		})
		changed := known.observe(test.proof)
		g := known.groups()[0]
		if g.Epoch != test.epoch || g.Behind != test.behind || changed != (test.epoch == 2 || test.behind > 0) {
			t.Errorf("%s: epoch %d, behind %d, changed %v", about, g.Epoch, g.Behind, changed)
		}
	}
}

func TestAGroupWhoseKeysAreGoneKeepsItsEpoch(t *testing.T) {
	known := newPatroni()
	keys := map[string]string{
		"/service/demo/0/leader":     "c1",
		"/service/demo/1/leader":     "w1",
		"/service/demo/1/initialize": "72",
		"/service/demo/1/members/w1": `{"role":"primary","timeline":2}`,
	}
	citusGroups(t, known, keys)
	gone := citusGroups(t, known, map[string]string{"/service/demo/0/leader": "c1"})[1]
	if gone == nil || gone.Leader != "" || gone.Epoch != 1 || len(gone.Members) != 0 || gone.Timeline != 0 {
		t.Errorf("gone: %+v", gone)
	}
	keys["/service/demo/1/leader"] = "w2"
	if back := citusGroups(t, known, keys)[1]; back.Leader != "w2" || back.Epoch != 2 {
		t.Errorf("back: %+v", back)
	}
}

func TestADoubtChangesNothingUnderPatroni(t *testing.T) {
	known := newPatroni()
	before := citusGroups(t, known, map[string]string{"/service/demo/0/leader": "c1"})[0]
	if known.doubt(0, "c1") || known.groups()[0].Leader != before.Leader {
		t.Error("the key rules")
	}
}

func TestFailsafeKeepsTheLastLeaderWhenItsKeysExpire(t *testing.T) {
	keys := map[string]string{
		"config":     `{"failsafe_mode":true}`,
		"leader":     "m1",
		"members/m1": `{"conn_url":"postgres://10.0.0.1:5432/postgres","state":"running","role":"primary","timeline":3}`,
		"members/m2": `{"conn_url":"postgres://10.0.0.2:5432/postgres","state":"running","role":"replica","timeline":3}`,
	}
	p := newPatroni()
	p.follow(map[int]picture{0: newPicture(keys, time.Now())}, time.Now())
	before := p.groups()[0]
	delete(keys, "leader")
	delete(keys, "members/m1")
	p.follow(map[int]picture{0: newPicture(keys, time.Now())}, time.Now())
	g := p.groups()[0]
	m, ok := g.Member("m1")
	if g.Leader != "" || g.LastLeader != "m1" || g.Epoch != before.Epoch || !ok || m.Address != "10.0.0.1:5432" {
		t.Fatalf("leader %q, last %q, epoch %d (was %d), member %+v %v", g.Leader, g.LastLeader, g.Epoch, before.Epoch, m, ok)
	}
	keys["config"] = `{}`
	p.follow(map[int]picture{0: newPicture(keys, time.Now())}, time.Now())
	if _, ok := p.groups()[0].Member("m1"); ok {
		t.Fatal("without failsafe mode an expired member must not be kept")
	}
}
