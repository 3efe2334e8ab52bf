package metrics

import "sync/atomic"

// Route counts what the clients of one route have met: how long their transactions and
// queries took, and how long they waited. It has one shard for each event loop that has had
// such clients: routes may be many, and most of them idle. All methods are safe for
// concurrent use.
type Route struct{ shards []atomic.Pointer[RouteShard] }

// RouteShard is the part of a route's counters that one event loop writes, 3 kB of it.
type RouteShard struct {
	Transaction Histogram // as PoolTotals.TransactionTime
	Query       Histogram // as PoolTotals.QueryTime: a time is from the first request until nothing is to be answered
	Wait        Histogram // for a server, of all who asked for one: 0 where one was free

	_ [128]byte // no two loops write one cache line, nor one pair of them
}

// NewRoute returns a route's counters for loops event loops.
func NewRoute(loops int) *Route { return &Route{make([]atomic.Pointer[RouteShard], loops)} }

// Shard returns the counters of event loop i, counted from 0. It allocates them at the first
// call for i.
func (r *Route) Shard(i int) *RouteShard {
	s := r.shards[i].Load()
	if s == nil {
		r.shards[i].CompareAndSwap(nil, new(RouteShard))
		s = r.shards[i].Load()
	}
	return s
}

// isUsed reports whether there has been anything to count.
func (r *Route) isUsed() bool {
	for i := range r.shards {
		if r.shards[i].Load() != nil {
			return true
		}
	}
	return false
}

// RouteTotals is the sum over a route's shards at one moment.
type RouteTotals struct{ Transaction, Query, Wait Distribution }

// Totals adds up the shards. It is for scrapes and status pages.
func (r *Route) Totals() *RouteTotals {
	t := new(RouteTotals)
	for i := range r.shards {
		if s := r.shards[i].Load(); s != nil {
			t.Transaction.add(&s.Transaction)
			t.Query.add(&s.Query)
			t.Wait.add(&s.Wait)
		}
	}
	return t
}

// RouteState is a route of the configuration in force with its counters.
type RouteState struct {
	*Route         // never nil
	Name    string // unique
	Cluster string
}
