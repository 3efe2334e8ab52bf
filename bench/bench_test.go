package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestPgbenchLogGivesEndAndLatency(t *testing.T) {
	got, err := parseLine([]byte("3 17 4021 0 1700000000 250001"))
	if want := (transaction{at: 1700000000_250001, took: 4021}); err != nil || got != want {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, line := range []string{"", "3 17 failed 0 1700000000 250001", "3 17 4021"} {
		if got, err := parseLine([]byte(line)); err == nil {
			t.Errorf("%q: got %v, want an error", line, got)
		}
	}
}

func TestLogsOfAllThreadsAreMergedInTime(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "log.7"), "0 0 10 0 100 5\n0 1 11 0 100 9\n")
	writeFile(t, filepath.Join(dir, "log.7.1"), "1 0 12 0 100 7\n")
	all, err := readLogs(dir)
	if err != nil || len(all) != 3 || all[1].took != 12 {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestPercentileIsNearestRank(t *testing.T) {
	var values []int64
	for i := range int64(200) {
		values = append(values, i+1)
	}
	if p50, p99 := percentile(values, 50), percentile(values, 99); p50 != 100 || p99 != 198 {
		t.Errorf("p50 %v, p99 %v; want 100 and 198", p50, p99)
	}
	if only := percentile(values[:1], 99); only != 1 {
		t.Errorf("of one value: %v", only)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("of three: %v", got)
	}
	if got := median([]float64{4, 1, 2, 9}); got != 3 {
		t.Errorf("of four: %v", got)
	}
}

// A transaction per millisecond for 4 s, each costing 20 µs once the warm-up, which costs
// far more, is over.
func TestFiguresLeaveOutWarmUp(t *testing.T) {
	var done []transaction
	for ms := range int64(4000) {
		took := int64(100)
		if ms < warmUp.Milliseconds() {
			took = 9999
		}
		done = append(done, transaction{at: ms * 1000, took: took})
	}
	var readings []reading
	for ms := int64(0); ms <= 4000; ms += 25 {
		used := 10*time.Second + time.Duration(ms)*20*time.Microsecond
		if ms < warmUp.Milliseconds() {
			used = time.Duration(ms) * time.Millisecond
		}
		readings = append(readings, reading{at: ms * 1000, used: used})
	}
	f, err := evaluate(done, readings)
	if err != nil {
		t.Fatal(err)
	}
	if math.Round(f.tps) != 1000 || f.cpu != 20 || f.p50 != 100 || f.p99 != 100 || f.spread != 1 {
		t.Errorf("got %+v", f)
	}
	if _, err := evaluate(done[:500], readings[:20]); !errors.Is(err, errTooLittle) {
		t.Errorf("a run shorter than its warm-up: %v", err)
	}
}

func TestCPUClockOfAProcessIsOurs(t *testing.T) {
	before, err := processCPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	after := before
	for end := time.Now().Add(time.Minute); after-before < 10*time.Millisecond; { // others may have the processors
		if after, err = processCPU(os.Getpid()); err != nil || time.Now().After(end) {
			t.Fatalf("%v then %v, %v", before, after, err)
		}
	}
}

func TestPlanIsCheckedBeforeAnythingRuns(t *testing.T) {
	for _, args := range []string{"-modes parsed", "-clients 0", "-chains odyssey", "-rounds 0", "-result -1", "-parts load,speed", "extra"} {
		if _, err := parsePlan(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
	p, err := parsePlan([]string{"-quick"})
	if err != nil || len(p.parts) != 1 || !p.measures("load") || p.rounds != 1 || len(p.modes) != 1 || len(p.chains) != 2 {
		t.Errorf("quick: %+v, %v", p, err)
	}
}

func TestPlanLeavesOutWhatItHasNothingFor(t *testing.T) {
	p, err := parsePlan(strings.Fields("-parts load,memory,crowd,fairness -idle 0 -result 0"))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range parts {
		if got := p.measures(one.name); got != (one.name == "load") {
			t.Errorf("%s: measured %v", one.name, got)
		}
	}
}

func TestPgBouncerIsAskedWhetherItKnowsPreparedStatements(t *testing.T) {
	for text, want := range map[string]bool{
		"PgBouncer 1.18.0\nlibevent 2.1.12-stable": false, "PgBouncer 1.21.0\n": true, "PgBouncer 1.25.2": true, "PgBouncer 2.0": true,
	} {
		if got, err := knowsPrepared(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	if _, err := knowsPrepared("odyssey 1.4"); err == nil {
		t.Error("another program was taken for PgBouncer")
	}
}

func TestPgBouncerThatIsNamedMustBeThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pgbouncer")
	var found tools
	if err := found.findPgBouncer(t.Context(), path); err == nil {
		t.Error("none was found and nothing said")
	}
	script := "#!/bin/sh\necho PgBouncer 1.24.1\n"
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := found.findPgBouncer(t.Context(), path); err != nil || found.pgbouncer != path || !found.newer {
		t.Errorf("got %+v, %v", found, err)
	}
}

func TestCommandIsShownWithoutPathsOfTheMachine(t *testing.T) {
	got := strings.Join(shown(strings.Fields("-pgbouncer /home/me/pgbouncer -out docs/benchmarks.md")), " ")
	if want := "-pgbouncer /path/to/pgbouncer -out docs/benchmarks.md"; got != want {
		t.Errorf("got %s", got)
	}
}

func TestClientsAtRestFitIntoTheDescriptors(t *testing.T) {
	b := builder{files: 12_000}
	for name, want := range map[string]int{pgbouncerName: 10_000, haproxyName: 5_000, porteroName: 5_000} {
		if got := b.idleRoom(name, 10_000); got != want {
			t.Errorf("%s: %d", name, got)
		}
	}
	b.files = 20_000
	if got := b.idleRoom(porteroName, 10_000); got != 10_000 {
		t.Errorf("with more descriptors: %d", got)
	}
}

func TestSlabsOfSocketsAreAddedUp(t *testing.T) {
	text := "slabinfo - version: 2.1\n" +
		"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n" +
		"TCPv6                 26     26   2496   13    8 : tunables    0    0    0\n" +
		"TCP                   10     13   2368   13    8 : tunables    0    0    0\n" +
		"filp                 100    105    192   21    1 : tunables    0    0    0\n"
	if got, err := takenOf([]byte(text), socketCaches); err != nil || got != 10*2368+100*192 {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := takenOf([]byte("filp many 105 192\n"), socketCaches); err == nil {
		t.Errorf("got %v of what is no number", got)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
