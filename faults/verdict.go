package main

import (
	"fmt"
	"slices"
	"time"

	"portero/internal/page"
)

// What is to be reached, of design and issue.
const (
	addedMedian = 50 * time.Millisecond
	addedMost   = 200 * time.Millisecond
)

// verdicts say for Portero what is to be reached and what was; nil if it was not played.
func (r *report) verdicts() []string {
	var all []*figures
	for c, runs := range r.runs {
		if c.kind.name == porteroName {
			all = append(all, runs...)
		}
	}
	if all == nil {
		return nil
	}
	s := sum(all)
	lines := []string{fmt.Sprintf("- %s: Portero, all %d runs: lost %d, twice %d, told failed and there %d, reached a non-leader %d.",
		reached(s.Lost+s.Twice+s.Refused+s.Late == 0), len(all), s.Lost, s.Twice, s.Refused, s.Late)}
	for _, f := range faults {
		if runs := r.runs[cell{f, kindByName(porteroName)}]; f.plot && runs != nil {
			lines = append(lines, ofCase(f, runs)...)
		}
	}
	return lines
}

// ofCase are the verdicts on a switchover or a crash.
func ofCase(f *fault, runs []*figures) []string {
	s, t := sum(runs), spread(runs)
	lines := []string{
		added(f, "until the first writer is served", t.addedAll), added(f, "for the worst writer", t.addedWorst),
		fmt.Sprintf("- %s: %s, connections cut: 0 (%d).", reached(s.Cut == 0), f.what, s.Cut),
	}
	told, allowed := "errors", []string(nil)
	if f.name != "switchover" {
		allowed = []string{"08006", "08007"}
		told = "errors other than 08006 and 08007"
	}
	n := others(s.InBlock, allowed) + others(s.Outside, allowed)
	return append(lines, fmt.Sprintf("- %s: %s, %s: 0 (%d%s).", reached(n == 0), f.what, told, n, ofCopies(min(n, s.Copies))))
}

// added is the verdict on what a chain adds to the database's own time.
func added(f *fault, what string, d page.Durations) string {
	return fmt.Sprintf("- %s: %s, added %s: median at most %s (%s), most at most %s (%s).",
		reached(d.Median() <= addedMedian && d.Longest() <= addedMost), f.what, what,
		millis(addedMedian), millis(d.Median()), millis(addedMost), millis(d.Longest()))
}

// others counts the errors that are not allowed.
func others(errors map[string]int, allowed []string) (n int) {
	for what, count := range errors {
		if !slices.Contains(allowed, what) {
			n += count
		}
	}
	return n
}

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

func reached(yes bool) string {
	if yes {
		return "reached"
	}
	return "**not reached**"
}
