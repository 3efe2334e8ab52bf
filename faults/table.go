package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portero/internal/page"
)

// promises is the table of what must not be.
func (r *report) promises() string {
	rows := [][]string{{
		"fault", "chain", "runs", "rows confirmed", "lost", "twice", "told failed, and there",
		"reached a non-leader", "… under way", "errors in a transaction", "errors outside of one", "connections cut",
	}}
	for _, c := range r.cells() {
		s := sum(r.runs[c])
		rows = append(rows, []string{
			c.fault.what, c.kind.label(), fmt.Sprint(len(r.runs[c])), fmt.Sprint(s.Acked), fmt.Sprint(s.Lost),
			fmt.Sprint(s.Twice), fmt.Sprint(s.Refused), fmt.Sprint(s.Late), fmt.Sprint(s.UnderWay),
			errorList(s.InBlock), errorList(s.Outside) + ofCopies(s.Copies), fmt.Sprint(s.Cut),
		})
	}
	return page.Table(rows, "llrrrrrrrllr")
}

// pauses is the table of times. Nothing in it is added up over runs.
func (r *report) pauses() string {
	rows := [][]string{{"fault", "chain", "runs", "database took no writes", "no writer was served", "worst writer", "added for all", "added for the worst"}}
	for _, c := range r.cells() {
		t := spread(r.runs[c])
		rows = append(rows, []string{
			c.fault.what, c.kind.label(), fmt.Sprint(len(r.runs[c])),
			t.database.String(), t.all.String(), t.worst.String(), t.addedAll.String(), t.addedWorst.String(),
		})
	}
	return page.Table(rows, "llrrrrrr")
}

func (r *report) replicas() string {
	rows := [][]string{{"fault", "chain", "errors", "connections cut", "worst reader waited"}}
	for _, c := range r.cells() {
		s, t := sum(r.runs[c]), spread(r.runs[c])
		rows = append(rows, []string{c.fault.what, c.kind.label(), errorList(s.Replica.Errors), fmt.Sprint(s.Replica.Cut), t.replica.String()})
	}
	return page.Table(rows, "lllrr")
}

// sum adds up the counts of runs.
func sum(runs []*figures) figures {
	s := figures{InBlock: make(map[string]int), Outside: make(map[string]int), Replica: route{Errors: make(map[string]int)}}
	for _, f := range runs {
		s.Acked += f.Acked
		s.Lost += f.Lost
		s.Twice += f.Twice
		s.Refused += f.Refused
		s.Late += f.Late
		s.UnderWay += f.UnderWay
		s.Cut += f.Cut
		s.Copies += f.Copies
		s.Replica.Cut += f.Replica.Cut
		addErrors(s.InBlock, f.InBlock)
		addErrors(s.Outside, f.Outside)
		addErrors(s.Replica.Errors, f.Replica.Errors)
	}
	return s
}

// ofCopies says how many of some errors were told to a COPY under way.
func ofCopies(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d to a COPY)", n)
}

func addErrors(to, from map[string]int) {
	for what, n := range from {
		to[what] += n
	}
}

// durations are one time of each run, in order.
type durations []time.Duration

// times are those of all runs of a case.
type times struct{ database, all, worst, addedAll, addedWorst, replica durations }

func spread(runs []*figures) times {
	var t times
	for _, f := range runs {
		t.database = append(t.database, f.Database)
		t.all = append(t.all, f.All)
		t.worst = append(t.worst, f.Worst)
		t.addedAll = append(t.addedAll, f.All-f.Database)
		t.addedWorst = append(t.addedWorst, f.Worst-f.Database)
		t.replica = append(t.replica, f.Replica.Worst)
	}
	for _, d := range []durations{t.database, t.all, t.worst, t.addedAll, t.addedWorst, t.replica} {
		slices.Sort(d)
	}
	return t
}

func (d durations) median() time.Duration {
	if len(d) == 0 {
		return 0
	}
	last := len(d) - 1
	return (d[last/2] + d[(last+1)/2]) / 2
}

func (d durations) longest() time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[len(d)-1]
}

func (d durations) String() string { return seconds(d.median()) + " / " + seconds(d.longest()) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// errorList is as "3 × 08006, 1 × 08007".
func errorList(errors map[string]int) string {
	if len(errors) == 0 {
		return "none"
	}
	var list []string
	for _, what := range slices.Sorted(maps.Keys(errors)) {
		list = append(list, fmt.Sprintf("%d × %s", errors[what], what))
	}
	return strings.Join(list, ", ")
}
