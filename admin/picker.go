package admin

import (
	"cmp"
	"slices"
)

// rank orders rows: the least comes first.
type rank struct {
	busyness int
	wait     int64
	since    int64
	id       uint64
}

func compareRanks(a, b rank) int {
	return cmp.Or(cmp.Compare(a.busyness, b.busyness), cmp.Compare(a.wait, b.wait), cmp.Compare(a.since, b.since), cmp.Compare(a.id, b.id))
}

// picker keeps the first rows of many by their rank, and counts the others.
type picker[Row any] struct {
	made  listing[Row]
	limit int
	kept  []ranked[Row]
}

type ranked[Row any] struct {
	rank
	row Row
}

func newPicker[Row any](limit int) *picker[Row] {
	p := &picker[Row]{limit: limit}
	p.made.States, p.made.Rows = make(map[string]int), []Row{}
	return p
}

func (p *picker[Row]) see(state string, matches bool, at rank, row Row) {
	p.made.Total++
	p.made.States[state]++
	if !matches {
		return
	}
	p.made.Matches++
	p.kept = append(p.kept, ranked[Row]{at, row})
	if len(p.kept) >= 2*p.limit {
		p.cut()
	}
}

func (p *picker[Row]) cut() {
	slices.SortFunc(p.kept, func(a, b ranked[Row]) int { return compareRanks(a.rank, b.rank) })
	p.kept = p.kept[:min(p.limit, len(p.kept))]
}

func (p *picker[Row]) listing() listing[Row] {
	p.cut()
	for _, k := range p.kept {
		p.made.Rows = append(p.made.Rows, k.row)
	}
	return p.made
}
