package main

import (
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
	if _, err := evaluate(done[:500], readings[:20]); err == nil {
		t.Error("a run shorter than its warm-up gave figures")
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

func TestVerdictsCompareWithinTheRun(t *testing.T) {
	r := report{load: map[cell]figures{
		{"simple", 16, porteroName}:    {cpu: 18},
		{"simple", 16, pgbouncerName}:  {cpu: 16},
		{"simple", 16, haproxyName}:    {cpu: 32},
		{"simple", 64, porteroName}:    {cpu: 20},
		{"simple", 64, pgbouncerName}:  {cpu: 16},
		{"simple", 256, porteroName}:   {spread: 2},
		{"simple", 256, pgbouncerName}: {spread: 3},
	}, memory: []idleCost{{chain: porteroName, clients: 10, fresh: 1100}}, fairness: []besides{
		{place: place{reading: true}, p99: 100},
		{place: place{reading: true, near: true}, p99: 201},
		{place: place{reading: true, encrypted: true}, p99: 150},
		{place: place{reading: true, encrypted: true, near: true}, p99: 300},
	}}
	var words []string
	for _, line := range r.verdicts() {
		words = append(words, strings.Trim(strings.Fields(line)[1], "*:"))
	}
	if got := strings.Join(words, " "); got != "pass short pass short pass short pass" {
		t.Errorf("got %s\n%s", got, strings.Join(r.verdicts(), "\n"))
	}
}

func TestPlanIsCheckedBeforeAnythingRuns(t *testing.T) {
	for _, args := range []string{"-modes parsed", "-clients 0", "-chains odyssey", "-rounds 0", "-result -1", "extra"} {
		if _, err := parsePlan(strings.Fields(args)); err == nil {
			t.Errorf("%s was accepted", args)
		}
	}
	p, err := parsePlan([]string{"-quick"})
	if err != nil || p.idle != 0 || p.result != 0 || p.rounds != 1 || len(p.modes) != 1 || len(p.chains) != 2 {
		t.Errorf("quick: %+v, %v", p, err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
