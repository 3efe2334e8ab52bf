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
	places int // servers that it may have; 0 = the pool is no more
	extras int // of them, those that are held or promised beyond what anybody is owed
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
	more := 0
	if extra && !promised {
		more = 1
	}
	if l.inside[h.who] == 0 {
		return l.letsIn(h.pool, more)
	}
	return more == 0 || l.hasExtra(h.pool)
}

// hasExtra reports whether a place of a pool is owed to nobody.
func (l *ledger) hasExtra(pool int) bool {
	p := &l.pools[pool]
	return p.extras+len(l.inside) < p.places
}

// letsIn reports whether there is a place in each pool for one who is not inside, and in one
// of them more.
func (l *ledger) letsIn(pool, more int) bool {
	for i := range l.pools {
		p := &l.pools[i]
		taken := p.extras + len(l.inside)
		if i == pool {
			taken += more
		}
		if p.places > 0 && taken >= p.places {
			return false
		}
	}
	return true
}

// isBlank reports whether nothing is counted on a page.
func (l *ledger) isBlank(pool int) bool {
	for h := range l.firsts {
		if h.pool == pool {
			return false
		}
	}
	return l.pools[pool].extras == 0
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
