package pool

import "slices"

// board is what a search for standstills looks at: the pools of all banks, as these may have
// bounds in common. Pools go by their numbers on it.
type board []spot

// spot is a pool on a board.
type spot struct {
	bank   int              // whose it is
	places int              // servers that it may have
	bounds [numBounds]limit // that it has in common with other pools
}

// limit is how many servers there may be of a bound.
type limit struct {
	of   *bound
	most int // 0 = any number
}

// stance is where one origin stands in the pools of a bank.
type stance struct {
	who   origin
	bank  int
	holds []hold
	waits []want
	rests bool // nothing runs on what it holds
}

// hold is a server that is held, want a client's wait for one.
type hold struct {
	pool  int // its number on the board
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
func stuck(b board, all []stance) []int {
	var set []int
	for i, s := range all {
		if s.rests && len(s.holds) > 0 && len(s.waits) > 0 {
			set = append(set, i)
		}
	}
	for len(set) > 0 {
		n, alone := len(set), b.tally(all, set)
		set = slices.DeleteFunc(set, func(i int) bool {
			return slices.ContainsFunc(all[i].waits, func(w want) bool { return alone.meets(all[i].who, w) == noLimit })
		})
		if len(set) == n {
			break
		}
	}
	return set
}

// tally is what would be lent if some only had servers.
type tally struct {
	board   board
	ledgers []ledger       // of each bank, with all pools; those of others have no places
	lent    []int          // of each pool
	used    map[*bound]int // of each bound
}

func (b board) tally(all []stance, set []int) *tally {
	t := &tally{board: b, lent: make([]int, len(b)), used: make(map[*bound]int)}
	for i, p := range b {
		for len(t.ledgers) <= p.bank {
			t.ledgers = append(t.ledgers, newLedger())
			t.ledgers[len(t.ledgers)-1].pools = make([]page, len(b))
		}
		t.ledgers[p.bank].pools[i].places = p.places
	}
	for _, i := range set {
		for _, h := range all[i].holds {
			t.ledgers[all[i].bank].take(holding{all[i].who, h.pool}, h.extra)
			t.lent[h.pool]++
			for _, one := range b[h.pool].bounds {
				t.used[one.of]++
			}
		}
	}
	return t
}

// What a want meets, beside the bounds of its pool.
const (
	noLimit = -1        // it would be served
	ofPool  = numBounds // the pool's own places
)

// meets is the limit that keeps an origin from what it wants.
func (t *tally) meets(who origin, w want) int {
	p, h := &t.board[w.pool], holding{who, w.pool}
	l := &t.ledgers[p.bank]
	if t.lent[w.pool] >= p.places || !l.admits(h, l.isExtra(h, w.late), w.promised) {
		return ofPool
	}
	return slices.IndexFunc(p.bounds[:], func(one limit) bool { return one.most > 0 && t.used[one.of] >= one.most })
}
