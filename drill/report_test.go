package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"portero/internal/page"
)

// found are the figures of a run in which each party waited for so many seconds, beside a
// database that did for one less.
func found(errors map[string]int, waited ...int) *figures {
	f := &figures{Strays: make([]stray, len(groupNames))}
	for i, p := range parties {
		worst := time.Duration(waited[min(i, len(waited)-1)]) * time.Second
		f.Parties = append(f.Parties, &share{Name: p.name, Acked: 10, Errors: errors, Database: worst - time.Second, All: worst, Worst: worst + time.Duration(i/len(groupNames))*time.Minute})
	}
	return f
}

func recordOf(layout, setting, event string, f *figures) record {
	return record{
		Layout: layout, Setting: setting, Event: event, Figures: f,
		Origin: page.Origin{Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Portero: "devel", Patroni: setting},
	}
}

func reportOf(records ...record) *report {
	r := &report{runs: make(map[cell][]*figures)}
	for _, one := range records {
		r.take(one)
	}
	return r
}

// cellsOf are the texts of a table's row, 0 being its head.
func cellsOf(table string, row int) []string {
	if row > 0 {
		row++ // the rule
	}
	var cells []string
	for _, text := range strings.Split(strings.Split(table, "\n")[row], "|") {
		cells = append(cells, strings.TrimSpace(text))
	}
	return cells[1 : len(cells)-1]
}

func TestLayoutsPutEachGroupWhereThePlanHasIt(t *testing.T) {
	plan, moved := byName(layouts, "plan", layoutName), byName(layouts, "moved", layoutName)
	want := "coordinator leader, worker 1 standby, etcd 1 | coordinator standby, worker 1 leader, etcd 2 | worker 2 leader, worker 2 standby, etcd 3"
	if got := plan.what(); got != want {
		t.Errorf("%s", got)
	}
	want = "coordinator leader, worker 1 standby, worker 2 standby, etcd 1 | coordinator standby, worker 1 leader, etcd 2 | worker 2 leader, etcd 3"
	if got := moved.what(); got != want {
		t.Errorf("%s", got)
	}
	for group := range groupNames {
		for server := range servers {
			if got, want := plan.wholeOn(group, server), group == 2 && server == 2; got != want {
				t.Errorf("plan: all of %s is on server %d: %v", groupNames[group], server+1, got)
			}
			if moved.wholeOn(group, server) {
				t.Errorf("moved: all of %s is on server %d", groupNames[group], server+1)
			}
		}
	}
}

func TestSettingsAreSuchAsPatroniTakes(t *testing.T) {
	for _, s := range settings {
		if s.loopWait+2*s.retryTimeout > s.ttl {
			t.Errorf("%s: %s", s.name, s.what())
		}
	}
}

func TestCountsAreAddedUpOverWritersAndRuns(t *testing.T) {
	one, other := found(errorsOf("08006", 1), 2), found(nil, 3)
	one.Cut, one.Parties[0].Cut, one.Parties[1].Lost, one.Parties[2].Twice = 1, 2, 3, 4
	other.Parties[0].Refused, other.Strays[1] = 5, stray{Late: 6, UnderWay: 7}
	r := reportOf(recordOf("plan", "short", "kill-2", one), recordOf("plan", "short", "kill-2", other))
	n := len(parties)
	want := []string{"plan", "short", "server 2 killed", "2", strconv.Itoa(20 * n), "3", "4", "5", "6", "7", strconv.Itoa(n) + " × 08006", "3"}
	if got := cellsOf(r.promises(), 1); strings.Join(got, ";") != strings.Join(want, ";") {
		t.Errorf("%v, want %v", got, want)
	}
	if v := r.verdict(); !strings.Contains(v, "**broken**") || !strings.Contains(v, "lost 3, twice 4, told failed and there 5, reached a non-leader 6") {
		t.Error(v)
	}
	if v := reportOf(recordOf("plan", "short", "kill-2", found(nil, 1))).verdict(); strings.Contains(v, "broken") {
		t.Error(v)
	}
}

func errorsOf(what string, n int) map[string]int { return map[string]int{what: n} }

func TestPausesAreOfTheRunThatWaitedLongest(t *testing.T) {
	r := reportOf(
		recordOf("plan", "short", "kill-3", found(nil, 2, 9, 30)), recordOf("plan", "short", "kill-3", found(nil, 4, 3, 20)),
		recordOf("moved", "short", "kill-3", found(nil, 1, 2, 3)), recordOf("plan", "short", "cut-1-3", found(nil, 6)),
	)
	table := r.pauses()
	for row, want := range []string{
		1: "plan;short;server 3 killed;3.00 → 4.00;8.00 → 9.00;29.00 → 30.00 (whole);29.00 → 30.00 (90.00)",
		2: "plan;short;link between servers 1 and 3 cut;5.00 → 6.00;5.00 → 6.00;5.00 → 6.00;5.00 → 6.00 (66.00)",
		3: "moved;short;server 3 killed;0.00 → 1.00;1.00 → 2.00;2.00 → 3.00;2.00 → 3.00 (63.00)",
	} {
		if row == 0 {
			continue
		}
		if got := strings.Join(cellsOf(table, row), ";"); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// A group that has gone as a whole waits for its server, which is no failover.
func TestThePromiseIsOnGroupsThatHaveAnotherServer(t *testing.T) {
	r := reportOf(
		recordOf("plan", "short", "kill-3", found(nil, 2, 5, 30)), recordOf("plan", "short", "pull-3", found(nil, 2, 6, 3)),
		recordOf("plan", "default", "switchover", found(nil, 1)), recordOf("moved", "default", "switchover", found(nil, 2)),
	)
	for _, one := range r.records {
		one.Figures.Parties[len(groupNames)].All = time.Second // to any node
	}
	table := r.held()
	for row, want := range map[int][]string{
		1: {"2.00, kept", "not measured", "not measured", "not measured", "not measured"},
		2: {"not measured", "not measured", "5.00, kept", "6.00, **not kept**", "not measured"},
	} {
		if got := cellsOf(table, row)[2:]; strings.Join(got, ";") != strings.Join(want, ";") {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestRecordsAreReadAsTheyWereKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	broken := recordOf("moved", "default", "pull-1", nil)
	broken.Broken = "it took too long"
	for _, one := range []record{recordOf("plan", "short", "kill-2", found(errorsOf("08007", 2), 4)), broken} {
		if err := page.AppendRecord(path, one); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newReport(options{record: path, runs: 2})
	if err != nil || len(r.records) != 2 {
		t.Fatalf("%d records, %v", len(r.records), err)
	}
	c := r.records[0].cell()
	if n := r.wanting(c); n != 1 {
		t.Errorf("%d runs are wanting behind one of two", n)
	}
	if n := r.wanting(r.records[1].cell()); n != 2 {
		t.Errorf("%d runs are wanting behind a broken one", n)
	}
	if got := page.Tally(r.runs[c][0].Parties[0].Errors); got != "2 × 08007" {
		t.Error(got)
	}
	if text := r.text(); !strings.Contains(text, "link pulled, layout moved, settings default (it took too long)") {
		t.Errorf("the broken run is not told of:\n%s", text)
	}
	for _, bad := range []record{
		recordOf("flat", "short", "kill-2", found(nil, 1)), recordOf("plan", "none", "kill-2", found(nil, 1)),
		recordOf("plan", "short", "flood", found(nil, 1)), recordOf("plan", "short", "kill-2", nil),
	} {
		if bad.check() == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "portero")
	if err := os.WriteFile(binary, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-layouts", "flat"}, {"-settings", "none"}, {"-events", "flood"}, {"-runs", "0"}, {"more"}, {"-portero", binary + "x"},
	} {
		if _, err := parseOptions(append([]string{"-portero", binary}, args...)); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	o, err := parseOptions([]string{"-portero", binary, "-events", "kill-2,cut-1-3"})
	if err != nil || len(o.layouts) != len(layouts) || len(o.settings) != len(settings) || len(o.events) != 2 || o.runs != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}
