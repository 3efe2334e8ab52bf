package metrics

import (
	"sync"
	"testing"
	"time"
	"unsafe"
)

func TestTotalsAddUpTheShards(t *testing.T) {
	p := NewPool(PoolLabels{Cluster: "main"}, 3)
	for i := range 3 {
		s := p.Shard(i)
		s.Transactions.Add(1)
		s.Queries.Add(10)
		s.Repeated.Add(20)
		s.Assignments.Add(2)
		s.TransactionNanos.Add(3)
		s.QueryNanos.Add(4)
		s.ClientParses.Add(5)
		s.ServerParses.Add(6)
		s.Binds.Add(7)
		s.BytesReceived.Add(100)
		s.BytesSent.Add(1000)
		s.Waited(time.Duration(i) * time.Second)
	}
	p.Error(WaitTimeout)

	want := PoolTotals{
		Transactions: 3, Queries: 30, Repeated: 60, BytesReceived: 300, BytesSent: 3000,
		Assignments: 6, TransactionTime: 9, QueryTime: 12, ClientParses: 15, ServerParses: 18, Binds: 21,
		Waits: 3, WaitTime: 3 * time.Second,
		Errors: ReasonCounts{WaitTimeout: 1},
	}
	want.WaitBuckets[0] = 1 // none
	want.WaitBuckets[7] = 1 // up to 1 s
	want.WaitBuckets[8] = 1 // up to 5 s
	if got := p.Totals(); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestTotalsOfConcurrentLoopsLoseNothing(t *testing.T) {
	const loops, rounds = 4, 10_000
	p := NewPool(PoolLabels{}, loops)
	var wg sync.WaitGroup
	for i := range loops {
		wg.Go(func() {
			for range rounds {
				p.Shard(i).Transactions.Add(1)
				p.Shard(i).Waited(time.Millisecond)
				p.Error(ServerLost)
			}
		})
	}
	p.Totals() // while they run
	wg.Wait()
	got := p.Totals()
	if got.Transactions != loops*rounds || got.WaitBuckets.Count() != loops*rounds || got.Errors[ServerLost] != loops*rounds {
		t.Errorf("got %+v", got)
	}
}

func TestWaitFallsIntoTheBucketOfItsBound(t *testing.T) {
	for i, bound := range waitBounds {
		if got := waitBucket(bound); got != i {
			t.Errorf("%v is in bucket %d, want %d", bound, got, i)
		}
		if got := waitBucket(bound + 1); got != i+1 {
			t.Errorf("%v and a bit is in bucket %d, want %d", bound, got, i+1)
		}
	}
}

func TestNegativeWaitCountsAsNone(t *testing.T) {
	var s Shard
	s.Waited(-time.Second)
	if s.WaitNanos.Load() != 0 || s.waitBuckets[0].Load() != 1 {
		t.Errorf("nanos %d, first bucket %d", s.WaitNanos.Load(), s.waitBuckets[0].Load())
	}
}

func TestCumulativeCountsAllShorterWaits(t *testing.T) {
	b := WaitBuckets{0: 1, 2: 5, NumWaitBuckets - 1: 2}
	c := b.Cumulative()
	if c[0.0001] != 1 || c[0.001] != 1 || c[0.005] != 6 || c[120] != 6 || b.Count() != 8 {
		t.Errorf("got %v of %d", c, b.Count())
	}
}

func TestShardsShareNoCacheLine(t *testing.T) {
	const line = 64
	if size := unsafe.Sizeof(Shard{}); size != shardSize || size%line != 0 {
		t.Errorf("a shard takes %d bytes, want %d", size, shardSize)
	}
	used := unsafe.Offsetof(Shard{}.waitBuckets) + unsafe.Sizeof(Shard{}.waitBuckets)
	if padding := shardSize - used; padding < line {
		t.Errorf("only %d bytes lie between two shards", padding)
	}
}

func TestNewPoolWithoutLoopsPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewPool(PoolLabels{}, 0)
}

func TestCountingDoesNotAllocate(t *testing.T) {
	p := NewPool(PoolLabels{}, 2)
	var process Process
	allocs := testing.AllocsPerRun(1000, func() {
		s := p.Shard(1)
		s.Transactions.Add(1)
		s.Queries.Add(1)
		s.BytesReceived.Add(70)
		s.BytesSent.Add(80)
		s.Waited(3 * time.Second)
		p.Error(ServerFatal)
		process.End(ClientClosed)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func BenchmarkShardWaited(b *testing.B) {
	p := NewPool(PoolLabels{}, 1)
	s := p.Shard(0)
	for b.Loop() {
		s.Transactions.Add(1)
		s.Waited(20 * time.Microsecond)
	}
}
