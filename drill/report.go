package main

import (
	"fmt"
	"strings"

	"portero/internal/page"
)

// report is all that has been found, by this run of the program and, with a file of runs, by
// those before it.
type report struct {
	options options
	records []record
	runs    map[cell][]*figures // those of the records that were brought to their end
}

// newReport begins with what the file of runs holds.
func newReport(o options) (*report, error) {
	r := &report{options: o, runs: make(map[cell][]*figures)}
	if o.record == "" {
		return r, nil
	}
	before, err := page.ReadRecords(o.record, record.check)
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

// publish writes the report to standard output, and into the file that is asked for.
func (r *report) publish() error {
	text := r.text()
	fmt.Print(text)
	if r.options.out == "" {
		return nil
	}
	return section(r.options.out).Write(text)
}

// text is the section of the page.
func (r *report) text() string {
	var b strings.Builder
	var origins []page.Origin
	for _, one := range r.records {
		origins = append(origins, one.Origin)
	}
	b.WriteString(page.Origins(origins))
	for _, l := range layouts {
		fmt.Fprintf(&b, "- layout *%s*: %s\n", l.name, l.what())
	}
	b.WriteString("\nCounts are sums over all writers and runs.\n\n" + r.promises())
	b.WriteString("\nPauses in seconds: in which the group itself took no write → in which its worst writer had no row confirmed; of several runs, the longest. " +
		"*(whole)* marks a group that the event took away as a whole. To any node: in which no group took a write → in which no writer had a row confirmed, " +
		"and behind that the worst writer's, who may have to wait for a group that is away to learn what became of a row in doubt.\n\n" + r.pauses())
	b.WriteString("\nWhat was promised is a pause of 2 to 5 seconds. The longest of a group that had another server, over all layouts:\n\n" + r.held())
	b.WriteString("\n" + r.verdict())
	b.WriteString(r.remarks())
	return b.String()
}

// verdict is on what must never be.
func (r *report) verdict() string {
	var all []*figures
	for _, runs := range r.runs {
		all = append(all, runs...)
	}
	s := sum(all)
	word := "kept"
	if s.Lost+s.Twice+s.Refused+s.Late > 0 {
		word = "**broken**"
	}
	return fmt.Sprintf("Nothing lost: %s. In all %s: lost %d, twice %d, told failed and there %d, reached a non-leader %d.\n",
		word, page.Runs(len(all)), s.Lost, s.Twice, s.Refused, s.Late)
}

// remarks are on single runs.
func (r *report) remarks() string {
	var b strings.Builder
	for _, one := range r.records {
		c := one.cell()
		what := fmt.Sprintf("%s, layout %s, settings %s", c.event.what, one.Layout, one.Setting)
		if one.Broken != "" {
			fmt.Fprintf(&b, "\nA run was not brought to its end, and is not in the tables: %s (%s).\n", what, one.Broken)
			continue
		}
		for _, group := range one.Figures.Mended {
			fmt.Fprintf(&b, "\nIn a run of %s Patroni did not bring a member of %s back, and it was made anew.\n", what, group)
		}
	}
	return b.String()
}

// cells is the order of the rows.
func (r *report) cells() (all []cell) {
	for _, l := range layouts {
		for _, set := range settings {
			for _, e := range events {
				if c := (cell{l, set, e}); len(r.runs[c]) > 0 {
					all = append(all, c)
				}
			}
		}
	}
	return all
}
