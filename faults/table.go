package main

import (
	"fmt"

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
			page.Tally(s.InBlock), page.Tally(s.Outside) + ofCopies(s.Copies), fmt.Sprint(s.Cut),
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
		rows = append(rows, []string{c.fault.what, c.kind.label(), page.Tally(s.Replica.Errors), fmt.Sprint(s.Replica.Cut), t.replica.String()})
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
		page.AddTally(s.InBlock, f.InBlock)
		page.AddTally(s.Outside, f.Outside)
		page.AddTally(s.Replica.Errors, f.Replica.Errors)
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

// times are those of all runs of a case.
type times struct{ database, all, worst, addedAll, addedWorst, replica page.Durations }

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
	return t
}
