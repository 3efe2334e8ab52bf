package metrics

import "time"

// NumWaitBuckets is how many buckets the histogram of waits has: one for each
// bound, and a last one for the waits above all of them.
const NumWaitBuckets = 14

// waitBounds are the upper bounds of the buckets, each included in its bucket,
// from a hand-over within the loop to query_wait_timeout's default.
var waitBounds = [NumWaitBuckets - 1]time.Duration{
	100 * time.Microsecond,
	1 * time.Millisecond,
	5 * time.Millisecond,
	10 * time.Millisecond,
	50 * time.Millisecond,
	100 * time.Millisecond,
	500 * time.Millisecond,
	1 * time.Second,
	5 * time.Second,
	10 * time.Second,
	30 * time.Second,
	60 * time.Second,
	120 * time.Second,
}

// WaitBuckets counts waits by length; each wait is in one bucket only.
type WaitBuckets [NumWaitBuckets]uint64

// waitBucket returns the bucket that a wait of d falls into. Most waits are
// short, so a walk from the bottom beats a binary search.
func waitBucket(d time.Duration) int {
	for i, bound := range waitBounds {
		if d <= bound {
			return i
		}
	}
	return len(waitBounds)
}

// Count returns how many waits there were in all.
func (b WaitBuckets) Count() uint64 {
	var n uint64
	for _, c := range b {
		n += c
	}
	return n
}

// Cumulative returns, by upper bound in seconds, how many waits were not longer
// than that: the form Prometheus wants. The caller owns the map.
func (b WaitBuckets) Cumulative() map[float64]uint64 {
	cumulative := make(map[float64]uint64, len(waitBounds))
	var n uint64
	for i, bound := range waitBounds {
		n += b[i]
		cumulative[bound.Seconds()] = n
	}
	return cumulative
}
