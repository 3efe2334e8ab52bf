package lab

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStraysAreWritesOnAServerThatHasASuccessor(t *testing.T) {
	write := func(member string, writer, begun, at int, timeline int64) Write {
		return Write{Member: member, Writer: writer, Begun: time.Unix(int64(begun), 0), At: time.Unix(int64(at), 0), Timeline: timeline}
	}
	for _, c := range []struct {
		name           string
		writes         []Write
		late, underWay int
	}{
		{"one leader after the other", []Write{write("a", 0, 1, 1, 1), write("b", 0, 2, 3, 2), write("b", 1, 4, 5, 2)}, 0, 0},
		{"begun and written after the successor wrote", []Write{write("a", 0, 1, 1, 1), write("b", 0, 2, 3, 2), write("a", 1, 4, 5, 1)}, 1, 0},
		{"begun before and written after", []Write{write("a", 0, 1, 1, 1), write("b", 0, 2, 3, 2), write("a", 1, 2, 5, 1)}, 0, 1},
		{"a prober's word is enough that a timeline has begun", []Write{write("a", 0, 1, 1, 1), write("b", probeWriter, 2, 3, 2), write("a", 1, 4, 5, 1)}, 1, 0},
		{"a prober itself is no stray", []Write{write("b", 0, 2, 3, 2), write("a", probeWriter, 4, 5, 1)}, 0, 0},
		{"the first of two newer timelines counts", []Write{write("b", 0, 1, 2, 2), write("c", 0, 5, 6, 3), write("a", 0, 3, 7, 1)}, 1, 0},
		{"two servers on one timeline", []Write{write("a", 0, 1, 1, 1), write("b", 0, 2, 3, 1)}, 1, 0},
		{"the same server on its next timeline", []Write{write("a", 0, 1, 1, 1), write("a", 0, 2, 3, 2)}, 0, 0},
	} {
		got := Strays(c.writes)
		if len(got.Late) != c.late || len(got.UnderWay) != c.underWay {
			t.Errorf("%s: %+v, want %d and %d", c.name, got, c.late, c.underWay)
		}
	}
}

func TestReadWritesSkipsWhatIsNone(t *testing.T) {
	log := "2026-01-01 [1] app@app LOG:  witness saw 3 17 1000000 2000000 5\nother\nLOG:  witness saw 4 1 cut"
	got, err := readWrites(strings.NewReader(log), "m")
	want := []Write{{Member: "m", Writer: 3, Row: 17, Begun: time.UnixMicro(1000000), At: time.UnixMicro(2000000), Timeline: 5}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// Writers of all kinds write their rows once, and the server says so of each row of theirs, of
// one that is rolled back too. A row is then put there that its writer was told had failed.
func TestAllKindsOfWritersAndTheirWitness(t *testing.T) {
	ctx := needServers(t)
	t.Parallel()
	p := PostgresForTest(t, PostgresOptions{
		SQL: slices.Concat([]string{"create role app login"}, WriterTable, Witness), Settings: WitnessSettings,
	})
	kinds := []Kind{Simple, Extended, Prepared, Explicit, Copying}
	all := StartKinds(ctx, p.DSN("app", "", "postgres"), kinds...)
	defer all.Stop(ctx)
	if err := all.GoOn(ctx, 3); err != nil {
		t.Fatal(err)
	}
	all.Stop(ctx)
	ledger := all.Ledger()
	if told, _ := ledger.Troubles(time.Time{}, time.Now()); len(told) > 0 {
		t.Errorf("told %v", told)
	}
	if err := RunSQL(ctx, p.SuperuserDSN("postgres"),
		"begin; insert into written values (7, 1, 1); rollback", "insert into written values (0, 1000000, 1)"); err != nil {
		t.Fatal(err)
	}
	ledger[0].Refused = []Attempt{{Row: 1000000, Begun: 1}, {Row: 1000000, Begun: 2}}
	a, err := ledger.Audit(ctx, p.SuperuserDSN("postgres"))
	if err != nil || len(a.Lost)+len(a.Twice) > 0 || len(a.Refused) != 1 || a.Refused[0].Begun != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	log, err := os.Open(p.site.path("postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	seen, err := readWrites(log, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := ledger.Acknowledged() + 2; len(seen) != want {
		t.Errorf("the server saw %d writes, want %d", len(seen), want)
	}
	if last := seen[len(seen)-2]; last.Writer != 7 || last.Timeline != 1 || time.Since(last.At) > time.Minute {
		t.Errorf("of the row that was rolled back it says %+v", last)
	}
}
