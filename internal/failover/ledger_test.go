package failover

import (
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"portero/internal/lab"
)

// snapshot is what is acknowledged at one moment, by writer.
func (all writers) snapshot() [][]ack {
	var acks [][]ack
	for _, w := range all {
		w.mu.Lock()
		acks = append(acks, append([]ack(nil), w.acked...))
		w.mu.Unlock()
	}
	return acks
}

type row struct {
	writer int
	seq    int
}

// rowsThere is how often each row is in the table of the leader.
func rowsThere(t testing.TB, leader *lab.Member) map[row]int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), leader.SuperuserDSN("app"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "select writer, seq, count(*) from written group by writer, seq")
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[row]int)
	var r row
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&r.writer, &r.seq, &n}, func() error {
		there[r] = n
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return there
}

// audit compares what was acknowledged with what is there.
func audit(t testing.TB, acks [][]ack, there map[row]int) {
	t.Helper()
	total, lost, twice := 0, 0, 0
	for i, list := range acks {
		for j := range list {
			total++
			switch n := there[row{i, j + 1}]; {
			case n == 0:
				lost++
			case n > 1:
				twice++
			}
		}
	}
	t.Logf("%d rows acknowledged", total)
	if lost > 0 || twice > 0 {
		t.Errorf("of %d acknowledged rows %d are lost and %d are there twice", total, lost, twice)
	}
}

// fenced checks that each timeline had one writer's server, and that no row
// was begun and confirmed on a timeline once a newer one had confirmed another.
func fenced(t testing.TB, acks [][]ack) {
	t.Helper()
	newer := make(map[int64]time.Time) // when a timeline confirmed its first row
	ports := make(map[int64]int)
	for _, list := range acks {
		for _, a := range list {
			if a.timeline == 0 {
				continue
			}
			if at, ok := newer[a.timeline]; !ok || a.ended.Before(at) {
				newer[a.timeline] = a.ended
			}
			if port, ok := ports[a.timeline]; ok && port != a.port {
				t.Errorf("timeline %d was written to on ports %d and %d", a.timeline, port, a.port)
			}
			ports[a.timeline] = a.port
		}
	}
	for i, list := range acks {
		for j, a := range list {
			for timeline, since := range newer {
				if a.timeline != 0 && a.timeline < timeline && a.began.After(since) {
					t.Errorf("row %d of writer %d: written on timeline %d at %v, after timeline %d had begun",
						j+1, i, a.timeline, a.began, timeline)
				}
			}
		}
	}
}

// pause is the longest time since then in which no row was confirmed.
func pause(acks [][]ack, since time.Time) (longest time.Duration) {
	var times []time.Time
	for _, list := range acks {
		for _, a := range list {
			if a.ended.After(since) {
				times = append(times, a.ended)
			}
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest.Round(time.Millisecond)
}
