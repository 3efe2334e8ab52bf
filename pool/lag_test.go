package pool

import (
	"testing"
	"time"
)

// moment is s seconds into a test of what has no clock.
func moment(s float64) time.Time {
	return announcedAt.Add(time.Duration(s * float64(time.Second)))
}

func at(lsn uint64) position { return position{lsn: lsn} }

// lagOf is the lag of the replica b in words.
func lagOf(g *gauge, s float64) string {
	lag, known := g.read()["b"].lag(moment(s))
	if !known {
		return "not known"
	}
	return lag.String()
}

func TestAReplicaLagsSinceItsLeaderWasFirstAheadOfIt(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(g *gauge)
		at   float64
		want string
	}{
		{"nothing is known", func(g *gauge) {}, 1, "not known"},
		{"the leader was never heard", func(g *gauge) { g.follow("b", at(100), moment(0)) }, 1, "not known"},
		{"it has all", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(0.5))
		}, 1, "0s"},
		{"it was asked before the leader told", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.lead(1, at(200), moment(1))
			g.follow("b", at(100), moment(0.9))
		}, 1, "0s"},
		{"it stands still", func(g *gauge) {
			for s := range 10 {
				g.lead(1, at(uint64(100+s)), moment(float64(s)))
				g.follow("b", at(102), moment(float64(s)+0.5))
			}
		}, 10, "7s"},
		{"it gets on, two seconds late", func(g *gauge) {
			for s := range 10 {
				g.lead(1, at(uint64(100+s)), moment(float64(s)))
				g.follow("b", at(uint64(100+s-2)), moment(float64(s)+0.5))
			}
		}, 10, "2s"},
		{"its leader is idle, and it hears nothing", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(0))
			g.lead(1, at(100), moment(9))
			g.follow("b", at(100), moment(9))
		}, 10, "0s"},
		{"its leader is silent", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(1))
			g.follow("b", at(100), moment(9))
		}, 10, "10s"},
		{"it is silent itself", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(1))
			g.lead(1, at(100), moment(9))
		}, 10, "9s"},
		{"it was behind before anybody asked", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", position{lsn: 50, told: true, idle: 7 * time.Second}, moment(1))
		}, 2, "8s"},
		{"so it was, and it does not say since when", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(50), moment(1))
		}, 2, "not known"},
		{"it has replayed nothing yet", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(0), moment(1))
		}, 2, "not known"},
		{"a new leader whose WAL ends below the old one's", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(90), moment(0.5))
			g.lead(2, at(90), moment(1))
			g.follow("b", at(90), moment(1.5))
		}, 2, "0s"},
		{"it was behind the old leader, and is behind the new one", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(0.5))
			g.lead(1, at(200), moment(1))
			g.follow("b", at(100), moment(2))
			g.lead(2, at(300), moment(3))
			g.follow("b", at(100), moment(4))
		}, 5, "4s"},
		{"before the new leader is heard", func(g *gauge) {
			g.lead(1, at(100), moment(0))
			g.follow("b", at(100), moment(0.5))
			g.lead(1, at(200), moment(1))
			g.follow("b", at(100), moment(2))
			g.lead(2, at(300), moment(4))
			g.follow("b", at(100), moment(3.5)) // asked before the leader told
		}, 5, "4s"},
		{"half a record of an idle transaction", func(g *gauge) {
			g.lead(1, at(0x337E000), moment(0))
			g.lead(1, at(0x337E000), moment(9))
			g.follow("b", at(0x337DD88), moment(9))
		}, 10, "0s"},
	} {
		g := &gauge{}
		c.run(g)
		if got := lagOf(g, c.at); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestPoolsAreToldWhenAReplicaFitsOrNot(t *testing.T) {
	g := &gauge{}
	for i, step := range []struct {
		do   func() bool
		want bool
		what string
	}{
		{func() bool { return g.lead(1, at(100), moment(0)) }, true, "the leader is heard"},
		{func() bool { return g.follow("b", at(100), moment(0.5)) }, true, "the replica is heard"},
		{func() bool { return g.lead(1, at(200), moment(1)) }, false, "the leader gets on"},
		{func() bool { return g.follow("b", at(200), moment(1.5)) }, false, "the replica gets on"},
		{func() bool { return g.lead(1, at(300), moment(2)) }, false, "the leader gets on"},
		{func() bool { return g.follow("b", at(200), moment(2.5)) }, true, "the replica does not"},
		{func() bool { return g.follow("b", at(200), moment(3.5)) }, false, "it still does not"},
		{func() bool { return g.follow("b", at(300), moment(4.5)) }, true, "it has caught up"},
		{func() bool { return g.lead(1, at(300), moment(6)) }, true, "the leader was silent"},
		{func() bool { return g.follow("b", at(300), moment(9)) }, true, "the replica was silent"},
		{func() bool { return g.forget("b") }, true, "it is forgotten"},
		{func() bool { return g.forget("b") }, false, "it was"},
	} {
		if got := step.do(); got != step.want {
			t.Errorf("step %d, %s: %v", i, step.what, got)
		}
	}
}

// A leader is not remembered for ever, and a great lag is known all the same.
func TestALagOfHoursIsKnown(t *testing.T) {
	g := &gauge{}
	const hours = 3 * 3600
	for s := range hours {
		g.lead(1, at(uint64(1+s)), moment(float64(s)))
		g.follow("b", at(uint64(min(1+s, 100))), moment(float64(s)+0.5))
	}
	if len(g.marks) > maxMarks {
		t.Errorf("%d marks", len(g.marks))
	}
	if got, want := lagOf(g, hours), (hours-100)*time.Second; got != want.String() {
		t.Errorf("%s, not %v", got, want)
	}
}

func TestAPositionIsRead(t *testing.T) {
	for _, c := range []struct {
		lsn, idle string
		want      position
	}{
		{"16/B374D848", "1.5", position{0x16B374D848, true, 1500 * time.Millisecond}},
		{"0/0", "", position{}},
		{"", "", position{}},
		{"x/1", "-0.25", position{0, true, -250 * time.Millisecond}},
		{"1/x", "NaN", position{}},
		{"FFFFFFFFF/0", "1e300", position{}},
	} {
		if got := positionOf(c.lsn, c.idle); got != c.want {
			t.Errorf("%q, %q: %+v", c.lsn, c.idle, got)
		}
	}
}
