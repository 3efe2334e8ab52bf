package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func errorsOf(what string, n int) map[string]int { return map[string]int{what: n} }

// twoRuns are of a case with something in each column.
func twoRuns() []*figures {
	return []*figures{
		{Acked: 100, Lost: 1, Late: 2, InBlock: errorsOf("08006", 1), Outside: errorsOf("08007", 2), Copies: 1, Cut: 3,
			Database: time.Second, All: 1100 * time.Millisecond, Worst: 1200 * time.Millisecond},
		{Acked: 50, Twice: 4, Refused: 5, UnderWay: 6, InBlock: errorsOf("08006", 1), Outside: nil,
			Database: 3 * time.Second, All: 3020 * time.Millisecond, Worst: 3400 * time.Millisecond,
			Replica: route{Errors: errorsOf("57P01", 1), Cut: 1, Worst: 7 * time.Second}},
	}
}

func reportOf(name string, runs []*figures) *report {
	return &report{runs: map[cell][]*figures{
		{faultByName("switchover"), kindByName(name)}: runs,
	}}
}

// cellsOf are the texts of a table's row.
func cellsOf(table string, row int) []string {
	var cells []string
	for _, text := range strings.Split(strings.Split(table, "\n")[row], "|") {
		cells = append(cells, strings.TrimSpace(text))
	}
	return cells[1 : len(cells)-1]
}

func TestTablesAddCountsUpAndSpreadTimes(t *testing.T) {
	r := reportOf(outerName, twoRuns())
	for _, c := range []struct{ table, want string }{
		{r.promises(), "planned switchover (REST);HAProxy → PgBouncer;2;150;1;4;5;2;6;2 × 08006;2 × 08007 (1 to a COPY);3"},
		{r.pauses(), "planned switchover (REST);HAProxy → PgBouncer;2;2.00 / 3.00;2.06 / 3.02;2.30 / 3.40;0.06 / 0.10;0.30 / 0.40"},
		{r.replicas(), "planned switchover (REST);HAProxy → PgBouncer;1 × 57P01;1;3.50 / 7.00"},
	} {
		if got := strings.Join(cellsOf(c.table, 2), ";"); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

func TestVerdictsAreOnPorteroAlone(t *testing.T) {
	if lines := reportOf(outerName, twoRuns()).verdicts(); lines != nil {
		t.Errorf("on another chain: %v", lines)
	}
	for _, line := range reportOf(porteroName, twoRuns()).verdicts() {
		if !strings.HasPrefix(line, "- **not reached**") {
			t.Errorf("%s", line)
		}
	}
	for _, bad := range []*figures{{Lost: 1}, {Twice: 1}, {Refused: 1}, {Late: 1}} {
		if line := reportOf(porteroName, []*figures{bad}).verdicts()[0]; !strings.Contains(line, "not reached") {
			t.Errorf("%+v: %s", bad, line)
		}
	}
	good := []*figures{{Acked: 1, Database: time.Second, All: time.Second, Worst: 1040 * time.Millisecond}}
	for _, line := range reportOf(porteroName, good).verdicts() {
		if !strings.HasPrefix(line, "- reached") {
			t.Errorf("%s", line)
		}
	}
}

func TestACrashMayTellClientsThatTheyWereCaught(t *testing.T) {
	crash := faultByName("crash")
	for what, want := range map[string]string{"08006": "- reached", "08007": "- reached", "57P01": "- **not reached**"} {
		for _, f := range []*figures{{InBlock: errorsOf(what, 1)}, {Outside: errorsOf(what, 1)}} {
			lines := ofCase(crash, []*figures{f})
			if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
				t.Errorf("%s: %s", what, last)
			}
		}
	}
}

func TestRowsAreByFaultAndThenByChain(t *testing.T) {
	r := &report{runs: map[cell][]*figures{}}
	for _, f := range []string{"crash", "switchover"} {
		for _, k := range []string{innerName, porteroName, outerName} {
			r.runs[cell{faultByName(f), kindByName(k)}] = []*figures{{}}
		}
	}
	var got []string
	for _, c := range r.cells() {
		got = append(got, c.fault.name+" "+c.kind.name)
	}
	want := "switchover portero,switchover haproxy-pgbouncer,switchover pgbouncer-haproxy,crash portero,crash haproxy-pgbouncer,crash pgbouncer-haproxy"
	if strings.Join(got, ",") != want {
		t.Errorf("%v", got)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "portero")
	if err := os.WriteFile(binary, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-cases", "flood"}, {"-chains", "odyssey"}, {"-runs", "-1"}, {"-retry-timeout", "10s"}, {"more"}, {"-portero", binary + "x"},
	} {
		if _, err := parseOptions(append([]string{"-portero", binary}, args...)); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
	o, err := parseOptions([]string{"-portero", binary})
	if err != nil || len(o.faults) != len(faults) || len(o.kinds) != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	crash, portero := faultByName("crash"), kindByName(porteroName)
	if o.runsOf(crash, portero) != 20 || o.runsOf(crash, kindByName(innerName)) != 3 || o.runsOf(faultByName("hang"), portero) != 3 {
		t.Error("the runs of a case by default")
	}
	o.runs = 7
	if o.runsOf(crash, portero) != 7 {
		t.Error("-runs is not heard")
	}
}
