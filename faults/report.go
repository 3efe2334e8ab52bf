package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portero/internal/page"
)

// report is all that has been found, by this run of the program and, with a file of runs, by
// those before it.
type report struct {
	options options
	here    page.Origin
	records []record
	runs    map[cell][]*figures // those of the records that were brought to their end
}

// newReport begins with what the file of runs holds.
func newReport(o options) (*report, error) {
	r := &report{options: o, here: describe(o), runs: make(map[cell][]*figures)}
	if o.record == "" {
		return r, nil
	}
	before, err := readRecords(o.record)
	for _, one := range before {
		r.take(one)
	}
	return r, err
}

// take takes in a run that has ended.
func (r *report) take(one record) {
	r.records = append(r.records, one)
	if one.Figures != nil {
		c := one.cell()
		r.runs[c] = append(r.runs[c], one.Figures)
	}
}

// wanting is how many runs of a case there are still to be, whatever build and machine had the
// others.
func (r *report) wanting(f *fault, k *kind) int {
	return max(0, r.options.runsOf(f, k)-len(r.runs[cell{f, k}]))
}

// add takes in a run that has just ended, well or by an error, and keeps it.
func (r *report) add(f *fault, k *kind, began time.Time, found *figures, broken error) error {
	one := record{Case: f.name, Chain: k.name, Origin: begun(r.here, began), Figures: found}
	if broken != nil {
		one.Figures = nil
		one.Broken, _, _ = strings.Cut(broken.Error(), "\n") // logs of servers follow
	}
	r.take(one)
	if broken == nil {
		progress("%s, %s, run %d: %s", k.name, f.name, len(r.runs[cell{f, k}]), summary(found))
	}
	if r.options.record == "" {
		return nil
	}
	return page.AppendRecord(r.options.record, one)
}

// summary is one run in one line.
func summary(f *figures) string {
	return fmt.Sprintf("%d rows, %d lost, %d twice, %d refused and there, %d+%d reached a non-leader; in a transaction: %s; outside: %s; %d cut; database %s, all %s, worst %s; replica: %s, %d cut, %s",
		f.Acked, f.Lost, f.Twice, f.Refused, f.Late, f.UnderWay, page.Tally(f.InBlock), page.Tally(f.Outside), f.Cut,
		page.Seconds(f.Database), page.Seconds(f.All), page.Seconds(f.Worst), page.Tally(f.Replica.Errors), f.Replica.Cut, page.Seconds(f.Replica.Worst))
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
			fmt.Fprintf(&b, "\nIn %s of \"%s\" through %s Patroni did not bring the replica back, and it was made anew.\n", page.Runs(n), c.fault.what, c.kind.label())
		}
	}
	for _, one := range r.records {
		if c := one.cell(); one.Broken != "" {
			fmt.Fprintf(&b, "\nA run was not brought to its end, and is not in the tables: %s through %s (%s).\n", c.fault.what, c.kind.label(), one.Broken)
		}
	}
	return b.String()
}

func mended(runs []*figures) (n int) {
	for _, f := range runs {
		if f.Mended {
			n++
		}
	}
	return n
}

// provenance says when, where and how, so that a reader can run it again.
func (r *report) provenance() string {
	var all []page.Origin
	for _, one := range r.records {
		all = append(all, one.Origin)
	}
	return page.Origins(all)
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
