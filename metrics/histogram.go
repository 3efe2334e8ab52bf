package metrics

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// The buckets of a histogram are those of Prometheus' native histograms of schema 2, four to
// each doubling: the upper bound of bucket i is 2^(i/4) seconds. Classic buckets are made of
// the same counters, as each fourth bound is a power of two. So the relay counts a time once,
// by whole numbers, and both forms are exact.
const (
	histogramSchema = 2
	perDoubling     = 1 << histogramSchema

	shortestPower = -18 // what takes up to 2^-18 s, 3.8 µs, is as good as nothing
	longestPower  = 13  // what takes longer than 2^13 s, 2.3 h, is in one bucket

	// numSlots are the counters: one for what is as good as nothing, one for each bound
	// above that, one for what is longer than all.
	numSlots = (longestPower-shortestPower)*perDoubling + 2

	// The bounds of the classic buckets are the powers of two from 61 µs to 128 s.
	firstClassicPower, lastClassicPower = -14, 7
)

// slotBounds are the upper bounds of the slots in nanoseconds, each included in its slot;
// slotStarts has, for numbers of so many binary digits, the first slot that they can be in.
var slotBounds, slotStarts = makeSlots()

func makeSlots() (bounds [numSlots]uint64, starts [65]uint8) {
	for slot := range numSlots - 1 {
		power := shortestPower + float64(slot)/perDoubling
		bounds[slot] = uint64(math.Exp2(power) * float64(time.Second)) // times are whole nanoseconds
	}
	bounds[numSlots-1] = math.MaxUint64
	for digits := 1; digits <= 64; digits++ {
		smallest := uint64(1) << (digits - 1)
		starts[digits] = starts[digits-1]
		for bounds[starts[digits]] < smallest {
			starts[digits]++
		}
	}
	return bounds, starts
}

// slotOf is where a time is counted: at most four steps behind a look into a table.
func slotOf(nanos uint64) int {
	slot := int(slotStarts[bits.Len64(nanos)])
	for nanos > slotBounds[slot] {
		slot++
	}
	return slot
}

// Histogram counts lengths of time. One goroutine writes it, any may read it. The zero
// value is empty.
type Histogram struct {
	counts [numSlots]atomic.Uint64
	nanos  atomic.Uint64
	_      [8]byte // to whole cache lines
}

// Add counts n times that took nanos together, which is not negative, as n of the same
// length. It does not allocate; what took no time costs one atomic add, else it is two.
func (h *Histogram) Add(nanos, n int64) {
	if nanos == 0 {
		h.counts[0].Add(uint64(n))
		return
	}
	each := uint64(nanos)
	if n > 1 {
		each /= uint64(n)
	}
	h.counts[slotOf(each)].Add(uint64(n))
	h.nanos.Add(uint64(nanos))
}

// Distribution is what histograms have counted, at one moment.
type Distribution struct {
	Counts [numSlots]uint64 // by slot
	Sum    time.Duration
}

// add adds what h has counted. Counters that move meanwhile may be read one time apart.
func (d *Distribution) add(h *Histogram) {
	for i := range h.counts {
		d.Counts[i] += h.counts[i].Load()
	}
	d.Sum += time.Duration(h.nanos.Load())
}

// Count is how many times there were.
func (d *Distribution) Count() (n uint64) {
	for _, c := range d.Counts {
		n += c
	}
	return n
}
