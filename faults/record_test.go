package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"portero/internal/page"
)

func recordOf(name, chain string, f *figures) record {
	return record{
		Case: name, Chain: chain,
		Origin:  page.Origin{Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Portero: "devel", Machine: "slow", Servers: "some", Patroni: "ttl 20s", Command: "go run"},
		Figures: f,
	}
}

func TestRunsAreReadAsTheyWereKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	if all, err := readRecords(path); err != nil || all != nil {
		t.Errorf("of no file: %v, %v", all, err)
	}
	var want []record
	for _, f := range twoRuns() {
		f.Steps = []int{1, 0, 17}
		want = append(want, recordOf("crash", outerName, f))
	}
	broken := recordOf("hang", porteroName, nil)
	broken.Broken = "it took too long"
	want = append(want, broken)
	for _, r := range want {
		if err := page.AppendRecord(path, r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := readRecords(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n%+v\nwant\n%+v", err, got, want)
	}
}

func TestWhatIsNoRunIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	if err := page.AppendRecord(path, recordOf("crash", porteroName, &figures{})); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for want, line := range map[string]string{
		`no case "flood"`:            strings.Replace(string(good), `"crash"`, `"flood"`, 1),
		`no chain "odyssey"`:         strings.Replace(string(good), `"portero","began"`, `"odyssey","began"`, 1),
		"unknown field":              strings.Replace(string(good), `"acked"`, `"ackd"`, 1),
		"it is no run":               string(good[:40]),
		"its end is missing":         string(good[:len(good)-1]),
		"either figures or why":      strings.Replace(string(good), `"figures"`, `"broken":"why","figures"`, 1),
		"line 2: it is no run: EOF":  "\n",
		"it is no run: invalid char": "<<<<<<< HEAD\n",
	} {
		if err := os.WriteFile(path, append(good[:len(good):len(good)], line...), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRecords(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 2: ") {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestOnlyRunsThatAreWantingArePlayed(t *testing.T) {
	r := &report{options: options{runs: 3}, runs: make(map[cell][]*figures)}
	crash, portero := faultByName("crash"), kindByName(porteroName)
	for _, want := range []int{3, 2, 1, 0, 0} {
		if got := r.wanting(crash, portero); got != want {
			t.Errorf("%d, want %d", got, want)
		}
		r.take(recordOf("crash", porteroName, &figures{}))
	}
	broken := recordOf("hang", porteroName, nil)
	broken.Broken = "it took too long"
	r.take(broken)
	if got := r.wanting(faultByName("hang"), portero); got != 3 {
		t.Errorf("after one that was broken: %d", got)
	}
}

func TestThePageTellsWhereAllRunsComeFrom(t *testing.T) {
	r := &report{runs: make(map[cell][]*figures)}
	first, last := recordOf("crash", porteroName, &figures{}), recordOf("crash", porteroName, &figures{})
	last.Began, last.Portero, last.Command = first.Began.Add(48*time.Hour), "newer", "go run -runs 20"
	for _, one := range []record{last, first, first} {
		r.take(one)
	}
	got := r.provenance()
	for _, want := range []string{
		"3 runs, begun from 2026-01-02 03:04 to 2026-01-04 03:04 (UTC).",
		"- Portero: newer (1 run); devel (2 runs)\n", "- machine: slow\n", "- servers: some\n", "- Patroni: ttl 20s\n",
		"- command: `go run -runs 20` (1 run); `go run` (2 runs)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
