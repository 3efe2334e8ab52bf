package main

import (
	"fmt"
	"strings"
	"time"

	"portero/internal/page"
)

// totals are the counts of runs, over all writers.
type totals struct {
	Acked, Lost, Twice, Refused, Late, UnderWay, Cut int
	Errors                                           map[string]int
}

func (f *figures) sum() totals { return sum([]*figures{f}) }

func sum(runs []*figures) totals {
	s := totals{Errors: make(map[string]int)}
	for _, f := range runs {
		s.Cut += f.Cut
		for _, p := range f.Parties {
			s.Acked += p.Acked
			s.Lost += p.Lost
			s.Twice += p.Twice
			s.Refused += p.Refused
			s.Cut += p.Cut
			page.AddTally(s.Errors, p.Errors)
		}
		for _, g := range f.Strays {
			s.Late += g.Late
			s.UnderWay += g.UnderWay
		}
	}
	return s
}

// promises is the table of what must not be, and of what clients were told.
func (r *report) promises() string {
	rows := [][]string{{
		"layout", "settings", "event", "runs", "rows confirmed", "lost", "twice", "told failed, and there",
		"reached a non-leader", "… under way", "errors", "connections cut",
	}}
	for _, c := range r.cells() {
		s := sum(r.runs[c])
		rows = append(rows, []string{
			c.layout.name, c.setting.name, c.event.what, fmt.Sprint(len(r.runs[c])), fmt.Sprint(s.Acked), fmt.Sprint(s.Lost),
			fmt.Sprint(s.Twice), fmt.Sprint(s.Refused), fmt.Sprint(s.Late), fmt.Sprint(s.UnderWay), page.Tally(s.Errors), fmt.Sprint(s.Cut),
		})
	}
	return page.Table(rows, "lllrrrrrrrlr")
}

// pauses is the table of times.
func (r *report) pauses() string {
	head := []string{"layout", "settings", "event"}
	for _, p := range parties {
		head = append(head, p.name)
	}
	rows := [][]string{head}
	for _, c := range r.cells() {
		row := []string{c.layout.name, c.setting.name, c.event.what}
		for _, p := range parties {
			row = append(row, c.pause(p, r.runs[c]))
		}
		rows = append(rows, row)
	}
	return page.Table(rows, "lll"+strings.Repeat("r", len(parties)))
}

// pause is that of one party, of the run in which it was longest.
func (c cell) pause(p *party, runs []*figures) string {
	one := p.longest(runs)
	if one == nil {
		return "not measured"
	}
	text := page.Seconds(one.Database) + " → " + page.Seconds(p.pause(one))
	switch {
	case p.group == anyGroup:
		text += " (" + page.Seconds(one.Worst) + ")"
	case c.gone(p):
		text += " (whole)"
	}
	return text
}

// pause is for how long the party's route did not serve: its worst writer. To any node that may
// be one that has to wait for a certain group, so as to learn what became of its row.
func (p *party) pause(one *share) time.Duration {
	if p.group == anyGroup {
		return one.All
	}
	return one.Worst
}

// longest is the party's share of the run in which its pause was longest; nil if it was in none.
func (p *party) longest(runs []*figures) (found *share) {
	for _, f := range runs {
		for _, one := range f.Parties {
			if one.Name == p.name && (found == nil || p.pause(one) > p.pause(found)) {
				found = one
			}
		}
	}
	return found
}

// gone tells whether the event takes all of a party's group away.
func (c cell) gone(p *party) bool {
	if p.group == anyGroup || c.event.kind == linkCut || len(c.event.servers) == 0 {
		return false
	}
	return c.layout.wholeOn(p.group, c.event.servers[0])
}

// promised is the longest pause that the plan of three servers has in mind.
const promised = 5 * time.Second

// held is the table of which settings keep which pauses as short as was promised.
func (r *report) held() string {
	head := []string{"settings", "Patroni and PostgreSQL"}
	for _, k := range kinds {
		head = append(head, k.String())
	}
	rows := [][]string{head}
	for _, set := range settings {
		row := []string{set.name, set.what()}
		for _, k := range kinds {
			row = append(row, r.verdictOn(set, k))
		}
		rows = append(rows, row)
	}
	return page.Table(rows, "ll"+strings.Repeat("l", len(kinds)))
}

// verdictOn is the longest pause of any party for events of a kind, and whether it was promised.
func (r *report) verdictOn(set *setting, k kind) string {
	var worst time.Duration
	seen := false
	for _, c := range r.cells() {
		if c.setting != set || c.event.kind != k {
			continue
		}
		for _, p := range parties {
			if one := p.longest(r.runs[c]); one != nil && !c.gone(p) {
				seen, worst = true, max(worst, p.pause(one))
			}
		}
	}
	switch {
	case !seen:
		return "not measured"
	case worst <= promised:
		return page.Seconds(worst) + ", kept"
	}
	return page.Seconds(worst) + ", **not kept**"
}
