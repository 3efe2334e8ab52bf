package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portero/internal/page"
)

// report is all that a program's run has found.
type report struct {
	options options
	machine machine
	runs    map[cell][]*figures
	failed  []string // runs that were not brought to their end
}

func (r *report) add(f *fault, k *kind, found *figures) {
	r.runs[cell{f, k}] = append(r.runs[cell{f, k}], found)
	progress("%s, %s, run %d: %s", k.name, f.name, len(r.runs[cell{f, k}]), summary(found))
}

// broken notes a run that was not brought to its end.
func (r *report) broken(f *fault, k *kind) {
	r.failed = append(r.failed, fmt.Sprintf("%s through %s", f.what, k.label()))
}

// summary is one run in one line.
func summary(f *figures) string {
	return fmt.Sprintf("%d rows, %d lost, %d twice, %d refused and there, %d+%d reached a non-leader; in a transaction: %s; outside: %s; %d cut; database %s, all %s, worst %s; replica: %s, %d cut, %s",
		f.acked, f.lost, f.twice, f.refused, f.late, f.underWay, errorList(f.inBlock), errorList(f.outside), f.cut,
		seconds(f.database), seconds(f.all), seconds(f.worst), errorList(f.replica.errors), f.replica.cut, seconds(f.replica.worst))
}

// publish writes the report to standard output, and into the files that are asked for.
func (r *report) publish() error {
	text := r.text()
	fmt.Print(text)
	if r.options.plot != "" {
		if err := r.writePlot(r.options.plot); err != nil {
			return err
		}
		text += fmt.Sprintf("\n![Rows confirmed per 100 ms around a switchover and a crash](%s)\n", filepath.Base(r.options.plot))
	}
	if r.options.out == "" {
		return nil
	}
	return section(r.options.out).Write(text)
}

// text is the section of the page.
func (r *report) text() string {
	var b strings.Builder
	b.WriteString(r.provenance())
	b.WriteString("Counts are sums over all runs; times are in seconds, median / longest of the runs.\n\n")
	b.WriteString(r.promises())
	b.WriteString("\n" + r.pauses())
	b.WriteString("\nThe clients on the replica's route, who read:\n\n" + r.replicas())
	if lines := r.verdicts(); lines != nil {
		b.WriteString("\nTo reach:\n\n" + strings.Join(lines, "\n") + "\n")
	}
	for _, c := range r.cells() {
		if n := mended(r.runs[c]); n > 0 {
			fmt.Fprintf(&b, "\nIn %d runs of \"%s\" through %s Patroni did not bring the replica back, and it was made anew.\n", n, c.fault.what, c.kind.label())
		}
	}
	for _, failed := range r.failed {
		fmt.Fprintf(&b, "\nA run was not brought to its end, and is not in the tables: %s.\n", failed)
	}
	return b.String()
}

func mended(runs []*figures) (n int) {
	for _, f := range runs {
		if f.mended {
			n++
		}
	}
	return n
}

// provenance says when, where and how, so that a reader can run it again.
func (r *report) provenance() string {
	o := r.options
	return fmt.Sprintf("%s, %s.\n\n`go run ./faults %s`: ttl %v, loop_wait %v, retry_timeout %v.\n\n",
		time.Now().Format(time.DateOnly), r.machine, strings.Join(os.Args[1:], " "), o.ttl, o.loopWait, o.retryTimeout)
}

// cells is the order of the rows: by fault, then by chain.
func (r *report) cells() []cell {
	var cells []cell
	for c := range r.runs {
		cells = append(cells, c)
	}
	slices.SortFunc(cells, func(a, b cell) int {
		if a.fault != b.fault {
			return slices.Index(faults, a.fault) - slices.Index(faults, b.fault)
		}
		return slices.Index(kinds, a.kind) - slices.Index(kinds, b.kind)
	})
	return cells
}

// section is the part of the page at path that is this program's.
func section(path string) page.Section {
	return page.Section{Path: path, Name: "faults", Title: "Failover"}
}
