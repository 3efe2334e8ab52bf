package pool

// A backend of one Citus node opens connections to all other nodes, several to each, and
// keeps what it has while it asks for more. So two of them can each hold what the other
// waits for, and all servers of a pool can stand idle in transactions whose clients wait for
// one more. The ledger is how that is kept from happening (Dijkstra's banker, with a claim
// of one per pool): whoever holds a server in any of the pools is inside, and is owed one in
// each of them. So there must be a place in each pool for each who is inside; what is left
// may be lent to who has one already, or to one more who comes in. Then each who is inside
// gets his one, whatever the others do, and with one per pool a backend can go on: to ask
// for more is its own choice (citus.max_adaptive_executor_pool_size).
//
// The ledger is pure. It is for one database and user of a cluster.
type ledger struct {
	pools  []page
	held   map[holding]int
	inside map[origin]int // those that hold any: how many
}

// origin is for whom Citus' nodes open connections to each other: the backend that a client
// of Citus' talks to, by its gpid.
type origin uint64

// page is what the ledger knows of one pool.
type page struct {
	places int // servers that it may have; 0 = the pool is no more
	extras int // servers that are held beyond the one that their holder is owed
}

type holding struct {
	who  origin
	pool int // its page
}

func newLedger() ledger {
	return ledger{held: make(map[holding]int), inside: make(map[origin]int)}
}

// admits reports whether an origin may have another server of a pool.
func (l *ledger) admits(o origin, pool int) bool {
	switch {
	case l.inside[o] == 0:
		return l.letsIn()
	case l.held[holding{o, pool}] == 0:
		return true // it is owed
	}
	p := &l.pools[pool]
	return p.extras+len(l.inside) < p.places
}

// letsIn reports whether there is a place in each pool for one who is not inside.
func (l *ledger) letsIn() bool {
	for i := range l.pools {
		if p := &l.pools[i]; p.places > 0 && p.extras+len(l.inside) >= p.places {
			return false
		}
	}
	return true
}

// take notes that an origin has got a server, giveBack that it has one less.
func (l *ledger) take(o origin, pool int) {
	h := holding{o, pool}
	if l.held[h]++; l.held[h] > 1 {
		l.pools[pool].extras++
	}
	l.inside[o]++
}

func (l *ledger) giveBack(o origin, pool int) {
	h := holding{o, pool}
	switch n := l.held[h]; n {
	case 0:
		panic("pool: a server that nobody holds is given back")
	case 1:
		delete(l.held, h)
	default:
		l.held[h] = n - 1
		l.pools[pool].extras--
	}
	if l.inside[o]--; l.inside[o] == 0 {
		delete(l.inside, o)
	}
}

// lent is how many servers of a pool are held.
func (l *ledger) lent(pool int) (n int) {
	for h, held := range l.held {
		if h.pool == pool {
			n += held
		}
	}
	return n
}
