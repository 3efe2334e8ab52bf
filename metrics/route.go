package metrics

// Route counts what the clients of one route have met: how long their transactions and
// queries took, and how long they waited. It has one shard for each event loop.
// All methods are safe for concurrent use.
type Route struct{ shards []RouteShard }

// RouteShard is the part of a route's counters that one event loop writes, 3 kB of it.
type RouteShard struct {
	Transaction Histogram // as PoolTotals.TransactionTime
	Query       Histogram // as PoolTotals.QueryTime: a time is from the first request until nothing is to be answered
	Wait        Histogram // for a server, of all who asked for one: 0 where one was free

	_ [128]byte // no two loops write one cache line, nor one pair of them
}

// NewRoute returns a route's counters with one shard for each of loops event loops.
func NewRoute(loops int) *Route { return &Route{make([]RouteShard, loops)} }

// Shard returns the counters of event loop i, counted from 0.
func (r *Route) Shard(i int) *RouteShard { return &r.shards[i] }

// RouteTotals is the sum over a route's shards at one moment.
type RouteTotals struct{ Transaction, Query, Wait Distribution }

// Totals adds up the shards. It is for scrapes and status pages.
func (r *Route) Totals() *RouteTotals {
	t := new(RouteTotals)
	for i := range r.shards {
		t.Transaction.add(&r.shards[i].Transaction)
		t.Query.add(&r.shards[i].Query)
		t.Wait.add(&r.shards[i].Wait)
	}
	return t
}

// RouteState is a route of the configuration in force with its counters.
type RouteState struct {
	*Route         // never nil
	Name    string // unique
	Cluster string
}
