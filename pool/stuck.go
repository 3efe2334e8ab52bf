package pool

import "slices"

// stance is where one origin stands in the pools of a ledger.
type stance struct {
	who   origin
	holds []hold
	waits []want
	rests bool // nothing runs on what it holds
}

// hold is a server that is held, want a client's wait for one.
type hold struct {
	pool  int // its page
	extra bool
}

type want struct {
	pool     int
	late     bool // for the login of a connection that is not the origin's first
	promised bool // its place is counted already: it waits for the server alone
}

// stuck finds those who wait for each other: the greatest set of origins that hold servers on
// which nothing runs, and of whose waits none would be served if all that others hold were
// given back. So nothing that anybody else does helps them. It returns their indices.
func stuck(pages []page, all []stance) []int {
	var set []int
	for i, s := range all {
		if s.rests && len(s.holds) > 0 && len(s.waits) > 0 {
			set = append(set, i)
		}
	}
	for {
		n := len(set)
		alone, lent := ledgerOf(pages, all, set)
		set = slices.DeleteFunc(set, func(i int) bool {
			return slices.ContainsFunc(all[i].waits, func(w want) bool {
				h := holding{all[i].who, w.pool}
				return lent[w.pool] < pages[w.pool].places && alone.admits(h, alone.isExtra(h, w.late), w.promised)
			})
		})
		if len(set) == n {
			return set
		}
	}
}

// ledgerOf is the ledger if only some had servers, and lent how many of each pool these have.
func ledgerOf(pages []page, all []stance, set []int) (l ledger, lent []int) {
	l, lent = newLedger(), make([]int, len(pages))
	for _, p := range pages {
		l.pools = append(l.pools, page{places: p.places})
	}
	for _, i := range set {
		for _, h := range all[i].holds {
			l.take(holding{all[i].who, h.pool}, h.extra)
			lent[h.pool]++
		}
	}
	return l, lent
}
