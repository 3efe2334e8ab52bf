package metrics

import (
	"strings"
	"sync/atomic"
	"time"
)

// PoolLabels name a pool; they are the route key it lends servers for.
type PoolLabels struct {
	Cluster  string
	Group    int    // Citus group, 0 for the coordinator or a plain cluster
	Role     string // leader, replica, prefer-replica, any; of YugabyteDB any, only-primary, only-rr, prefer-primary, prefer-rr
	Mode     string // session, transaction, statement, logical-replication, physical-replication
	Database string // as the server names it
	User     string
}

// Replicates reports whether each of its servers is a walsender, for one client.
func (l *PoolLabels) Replicates() bool { return strings.HasSuffix(l.Mode, "-replication") }

// PoolMode is the mode in PgBouncer's words, which has none for those who replicate: who does
// keeps his server, as in session mode.
func (l *PoolLabels) PoolMode() string {
	if l.Replicates() {
		return "session"
	}
	return l.Mode
}

// Pool counts what one pool did since it was made. The counters only grow.
// All methods are safe for concurrent use.
type Pool struct {
	Labels PoolLabels // not to be changed after NewPool

	shards []Shard
	errors reasonCounters
}

// NewPool returns a pool's counters with one shard for each of loops event
// loops. It panics if loops is not positive.
func NewPool(labels PoolLabels, loops int) *Pool {
	if loops < 1 {
		panic("metrics: a pool needs at least one shard")
	}
	return &Pool{Labels: labels, shards: make([]Shard, loops)}
}

// Shard returns the counters of event loop i, counted from 0. They live as long
// as the pool's; a loop may keep the pointer.
func (p *Pool) Shard(i int) *Shard { return &p.shards[i] }

// Error counts an error that a client of this pool was given, or a server of
// this pool that ended, by its reason.
func (p *Pool) Error(r Reason) { p.errors.add(r) }

// PoolTotals is the sum over a pool's shards at one moment. Counters that move
// meanwhile may be read one event apart.
type PoolTotals struct {
	Transactions  uint64
	Queries       uint64
	Repeated      uint64 // transactions that a server aborted as it shut down, and another ran again
	Moved         uint64 // transactions that had begun at another group, and were moved to this one, the coordinator's
	BytesReceived uint64 // from clients
	BytesSent     uint64 // to clients
	Notifications uint64 // given to clients that listen by the pool's ear

	// As PgBouncer's SHOW STATS means them.
	Assignments     uint64        // servers lent to clients
	TransactionTime time.Duration // in which clients had a server for a transaction, at work or idle in it
	QueryTime       time.Duration // of that, in which the server had something to answer
	ClientParses    uint64        // statements that clients prepared under a name; not in session mode, where names are the server's
	ServerParses    uint64        // statements that were prepared on servers for these
	Binds           uint64        // of statements with a name; likewise

	Waits       uint64        // clients that had to wait for a server
	WaitTime    time.Duration // what those waited, in sum
	WaitBuckets WaitBuckets
	Errors      ReasonCounts
}

// Totals adds up the shards. It costs a read per counter and loop, so it is for
// scrapes and status pages, not for the hot path.
func (p *Pool) Totals() PoolTotals {
	t := PoolTotals{Errors: p.errors.load()}
	for i := range p.shards {
		p.shards[i].addTo(&t)
	}
	return t
}

// add adds o to t.
func (t *PoolTotals) add(o PoolTotals) {
	t.Transactions += o.Transactions
	t.Queries += o.Queries
	t.Repeated += o.Repeated
	t.Moved += o.Moved
	t.BytesReceived += o.BytesReceived
	t.BytesSent += o.BytesSent
	t.Notifications += o.Notifications
	t.Assignments += o.Assignments
	t.TransactionTime += o.TransactionTime
	t.QueryTime += o.QueryTime
	t.ClientParses += o.ClientParses
	t.ServerParses += o.ServerParses
	t.Binds += o.Binds
	t.Waits += o.Waits
	t.WaitTime += o.WaitTime
	for b := range o.WaitBuckets {
		t.WaitBuckets[b] += o.WaitBuckets[b]
	}
	for r := range o.Errors {
		t.Errors[r] += o.Errors[r]
	}
}

// Shard is the part of a pool's counters that one event loop writes. Any
// goroutine may read it, or write it at the price of sharing its cache lines.
type Shard struct {
	Transactions  atomic.Uint64
	Queries       atomic.Uint64
	Repeated      atomic.Uint64 // transactions that a server aborted as it shut down, and another ran again
	Moved         atomic.Uint64 // transactions that had begun at another group
	BytesReceived atomic.Uint64 // from clients
	BytesSent     atomic.Uint64 // to clients
	Notifications atomic.Uint64 // given to clients that listen by the pool's ear
	Assignments   atomic.Uint64 // and so on: see PoolTotals
	ClientParses  atomic.Uint64
	ServerParses  atomic.Uint64
	Binds         atomic.Uint64

	TransactionNanos atomic.Uint64
	QueryNanos       atomic.Uint64

	Waits     atomic.Uint64 // written by Waited
	WaitNanos atomic.Uint64 // written by Waited

	waitBuckets [NumWaitBuckets]atomic.Uint64

	// Shards lie side by side in one slice. At least one whole cache line apart,
	// whatever the slice's alignment, no two loops write the same line, and the
	// processor's habit of fetching lines in pairs does not join them again.
	_ [shardSize - (15+NumWaitBuckets)*8]byte
}

const shardSize = 384 // bytes

// Waited counts one client that had to wait d for a server, whether it got one
// in the end or gave up. It does not allocate. A client that was lent a server
// at once did not wait, and is not counted here.
func (s *Shard) Waited(d time.Duration) {
	d = max(d, 0)
	s.Waits.Add(1)
	s.WaitNanos.Add(uint64(d))
	s.waitBuckets[waitBucket(d)].Add(1)
}

func (s *Shard) addTo(t *PoolTotals) {
	t.Transactions += s.Transactions.Load()
	t.Queries += s.Queries.Load()
	t.Repeated += s.Repeated.Load()
	t.Moved += s.Moved.Load()
	t.BytesReceived += s.BytesReceived.Load()
	t.BytesSent += s.BytesSent.Load()
	t.Notifications += s.Notifications.Load()
	t.Assignments += s.Assignments.Load()
	t.TransactionTime += time.Duration(s.TransactionNanos.Load())
	t.QueryTime += time.Duration(s.QueryNanos.Load())
	t.ClientParses += s.ClientParses.Load()
	t.ServerParses += s.ServerParses.Load()
	t.Binds += s.Binds.Load()
	t.Waits += s.Waits.Load()
	t.WaitTime += time.Duration(s.WaitNanos.Load())
	for b := range s.waitBuckets {
		t.WaitBuckets[b] += s.waitBuckets[b].Load()
	}
}
