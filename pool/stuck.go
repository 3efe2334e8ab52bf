package pool

import "slices"

// stance is where one origin stands in the pools of a ledger.
type stance struct {
	who   origin
	holds []int // pages of the pools that it holds a server of, one for each server
	waits []want
	rests bool // nothing runs on what it holds
}

// want is a client's wait for a server.
type want struct {
	pool     int  // its page
	promised bool // the ledger has admitted it already: it waits for the server alone
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
		alone := ledgerOf(pages, all, set)
		set = slices.DeleteFunc(set, func(i int) bool { return slices.ContainsFunc(all[i].waits, alone.serves(all[i].who)) })
		if len(set) == n {
			return set
		}
	}
}

// ledgerOf is the ledger if only some had servers.
func ledgerOf(pages []page, all []stance, set []int) *ledger {
	l := newLedger()
	for _, p := range pages {
		l.pools = append(l.pools, page{places: p.places})
	}
	for _, i := range set {
		for _, pool := range all[i].holds {
			l.take(all[i].who, pool)
		}
	}
	return &l
}

// serves tells whether a wait of an origin would be served.
func (l *ledger) serves(o origin) func(want) bool {
	return func(w want) bool {
		return l.lent(w.pool) < l.pools[w.pool].places && (w.promised || l.admits(o, w.pool))
	}
}
