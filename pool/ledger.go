package pool

// A backend of one Citus node opens connections to all other nodes, several to each, and
// keeps what it has while it asks for more. So two of them can each hold what the other
// waits for, and all servers of a pool can stand idle in transactions whose clients wait for
// one more. The ledger is how that is kept from happening (Dijkstra's banker, with a claim
// of one per pool): whoever holds a server in any of the pools is inside, and is owed one in
// each of them, for his first connection to it. So there must be a place in each pool for
// each who is inside; what is left may be lent, or promised, to further connections, or to one
// more who comes in. Then each who is inside gets his one, whatever the others do; and he
// can go on with one per pool, if no further connection of his was logged in for which there
// is no place.
//
// The ledger is pure. It is for one database and user of a cluster.
type ledger struct {
	pools  []page
	firsts map[holding]int // servers that are held as owed
	inside map[origin]int  // those that hold any: how many
}

// origin is for whom Citus' nodes open connections to each other: the backend that a client
// of Citus' talks to, by its gpid.
type origin uint64

// page is what the ledger knows of one pool.
type page struct {
	places  int // servers that it may have; 0 = the pool is no more
	extras  int // of them, those that are held or promised beyond what anybody is owed
	clients int // that are logged in to it; while there is none, it is in the way of nobody who comes in by another
}

type holding struct {
	who  origin
	pool int // its page
}

func newLedger() ledger {
	return ledger{firsts: make(map[holding]int), inside: make(map[origin]int)}
}

// isExtra reports whether another server of a pool would be more than an origin is owed. late
// is for the login of a connection that is not its first.
func (l *ledger) isExtra(h holding, late bool) bool { return late || l.firsts[h] > 0 }

// admits reports whether an origin may have another server of a pool. promised: its place is
// counted already.
func (l *ledger) admits(h holding, extra, promised bool) bool {
	for i := range l.pools {
		if l.lacks(h, extra && !promised, i) {
			return false
		}
	}
	return true
}

// lacks reports whether a pool has no place that there has to be for an origin to have a server.
// One who is inside is owed his; for one who is not there has to be a place in each pool; and
// in that of the server one more if it is more than he is owed.
func (l *ledger) lacks(h holding, more bool, pool int) bool {
	p := &l.pools[pool]
	needs := 0
	if l.inside[h.who] == 0 {
		needs++
	}
	if more && pool == h.pool {
		needs++
	}
	if p.clients == 0 && pool != h.pool {
		return false
	}
	return needs > 0 && p.places > 0 && p.extras+len(l.inside)+needs > p.places
}

// isBlank reports whether nothing is counted on a page.
func (l *ledger) isBlank(pool int) bool {
	for h := range l.firsts {
		if h.pool == pool {
			return false
		}
	}
	return l.pools[pool].extras == 0 && l.pools[pool].clients == 0
}

// take notes that an origin has got a server, giveBack that it has one less.
func (l *ledger) take(h holding, extra bool) {
	if extra {
		l.pools[h.pool].extras++
	} else {
		l.firsts[h]++
	}
	l.inside[h.who]++
}

func (l *ledger) giveBack(h holding, extra bool) {
	if extra {
		l.pools[h.pool].extras--
	} else if l.firsts[h]--; l.firsts[h] == 0 {
		delete(l.firsts, h)
	}
	if l.inside[h.who]--; l.inside[h.who] == 0 {
		delete(l.inside, h.who)
	}
}
