package lab

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"
)

// at are times in seconds.
func at(seconds ...int) []time.Time {
	var times []time.Time
	for _, s := range seconds {
		times = append(times, time.Unix(int64(s), 0))
	}
	return times
}

func TestLongestGapCountsWhatReachesIntoTheWindow(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []time.Time
		want  time.Duration
	}{
		{"nothing", nil, 0},
		{"inside", at(9, 11, 14, 15), 3 * time.Second},
		{"began before", at(5, 12, 13), 7 * time.Second},
		{"ended after", at(11, 18, 30), 12 * time.Second},
		{"outside", at(1, 9, 21, 40), 12 * time.Second},
	} {
		if got := LongestGap(c.times, time.Unix(10, 0), time.Unix(20, 0)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func acked(times []time.Time) (a Account) {
	for _, ended := range times {
		a.Acked = append(a.Acked, Ack{Ended: ended})
	}
	return a
}

func TestGapsOfAllWritersAndOfTheWorst(t *testing.T) {
	for _, c := range []struct {
		name       string
		ledger     Ledger
		all, worst time.Duration
	}{
		{"nobody has written", Ledger{{}, {}}, 0, 0},
		{"they take turns", Ledger{acked(at(1, 5, 11, 15, 19, 30)), acked(at(2, 8, 13, 17, 21))}, 3 * time.Second, 11 * time.Second},
		{"one is held", Ledger{acked(at(9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21)), acked(at(1, 40))}, time.Second, 39 * time.Second},
		{"all are held", Ledger{acked(at(1, 2, 40, 41)), acked(at(3, 39))}, 36 * time.Second, 38 * time.Second},
	} {
		all, worst := c.ledger.Gaps(time.Unix(10, 0), time.Unix(20, 0))
		if all != c.all || worst != c.worst {
			t.Errorf("%s: %v and %v, want %v and %v", c.name, all, worst, c.all, c.worst)
		}
	}
}

func TestTroublesAreThoseOfTheTimeAskedFor(t *testing.T) {
	moments := at(1, 10, 15, 20, 21)
	l := Ledger{
		{Troubles: []Trouble{{At: moments[0], What: "08006"}, {At: moments[1], What: "08006"}, {At: moments[2], What: ""}}},
		{Troubles: []Trouble{{At: moments[3], What: "08006"}, {At: moments[3], What: "08007"}, {At: moments[4], What: ""}}},
	}
	got, reconnects := l.Troubles(moments[1], moments[3])
	if want := map[string]int{"08006": 2, "08007": 1}; !maps.Equal(got, want) || reconnects != 1 {
		t.Errorf("%v and %d new connections", got, reconnects)
	}
}

func TestUnfencedFindsWritesToAStaleLeader(t *testing.T) {
	ack := func(began, ended, port int, timeline int64) Ack {
		return Ack{Began: time.Unix(int64(began), 0), Ended: time.Unix(int64(ended), 0), Port: port, Timeline: timeline}
	}
	for _, c := range []struct {
		name string
		acks Ledger
		want string // in the only fault; "" for none
	}{
		{"one after the other", Ledger{{Acked: []Ack{ack(1, 2, 1, 1), ack(5, 6, 2, 2)}}, {Acked: []Ack{ack(1, 3, 1, 1), {}, ack(7, 8, 2, 2)}}}, ""},
		{"begun before the new leader wrote", Ledger{{Acked: []Ack{ack(1, 9, 1, 1)}}, {Acked: []Ack{ack(2, 3, 2, 2)}}}, ""},
		{"begun after the new leader wrote", Ledger{{Acked: []Ack{ack(4, 9, 1, 1)}}, {Acked: []Ack{ack(2, 3, 2, 2)}}}, "row 1 of writer 0"},
		{"two servers on one timeline", Ledger{{Acked: []Ack{ack(1, 2, 1, 1)}}, {Acked: []Ack{ack(3, 4, 2, 1)}}}, "ports 1 and 2"},
	} {
		got := c.acks.Unfenced()
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestALedgerDoesNotChangeWhenItsWriterGoesOn(t *testing.T) {
	w := &writer{}
	for range 3 {
		w.acknowledge(Ack{}, "5432 0000000A")
	}
	before := w.copy()
	before.Acked = append(before.Acked, Ack{Port: 1}) // as a reader may
	w.acknowledge(Ack{}, "")
	w.note("08006")
	if len(before.Troubles) != 0 || w.copy().Acked[3].Port != 0 {
		t.Errorf("%+v shares memory with %+v", before, w.copy())
	}
	if a := before.Acked[2]; a.Port != 5432 || a.Timeline != 10 {
		t.Errorf("a row was written at %+v", a)
	}
}

// What writers are told is compared with what is there, while their connections are cut under
// them; then a row is taken away, and another written again.
func TestWritersFindOutWhatBecameOfTheirRows(t *testing.T) {
	ctx := needServers(t)
	t.Parallel()
	p := PostgresForTest(t, PostgresOptions{SQL: append([]string{"create role app login"}, WriterTable...)})
	all := StartWriters(ctx, 4, p.DSN("app", "", "postgres"))
	defer all.Stop(ctx)
	for range 5 {
		goOn(ctx, t, all)
		if err := RunSQL(ctx, p.SuperuserDSN("postgres"),
			"select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'"); err != nil {
			t.Fatal(err)
		}
	}
	goOn(ctx, t, all)
	all.Stop(ctx)
	ledger := all.Ledger()
	if a, err := ledger.Audit(ctx, p.SuperuserDSN("postgres")); err != nil || len(a.Lost)+len(a.Twice) > 0 {
		t.Errorf("of %d rows lost: %v, twice: %v; %v", ledger.Acknowledged(), a.Lost, a.Twice, err)
	}
	if told, reconnects := ledger.Troubles(time.Time{}, time.Now()); len(told) == 0 || reconnects == 0 || len(ledger.Unfenced()) > 0 {
		t.Errorf("told %v, %d new connections, not fenced: %v", told, reconnects, ledger.Unfenced())
	}
	if err := RunSQL(ctx, p.SuperuserDSN("postgres"),
		"delete from written where writer = 1 and seq = 2", "insert into written values (3, 4), (3, 4)"); err != nil {
		t.Fatal(err)
	}
	a, err := ledger.Audit(ctx, p.SuperuserDSN("postgres"))
	if err != nil || len(a.Lost) != 1 || a.Lost[0] != ledger[1].Acked[1] || len(a.Twice) != 1 || a.Twice[0] != ledger[3].Acked[3] {
		t.Errorf("lost %v, twice %v; %v", a.Lost, a.Twice, err)
	}
}

func goOn(ctx context.Context, t *testing.T, all *Writers) {
	t.Helper()
	if err := all.GoOn(ctx, 10); err != nil {
		t.Fatal(err)
	}
}
