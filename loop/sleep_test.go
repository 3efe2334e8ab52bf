package loop

import (
	"runtime"
	"slices"
	"testing"
)

func TestALoopNapsWhileItIsWokenSoon(t *testing.T) {
	const short, long = soon / 10, soon
	often := slices.Repeat([]int64{short}, napAfter)
	for _, c := range []struct {
		name string
		took []int64
		naps bool
	}{
		{"at first", nil, false},
		{"woken soon, not often enough", often[1:], false},
		{"woken soon in a row", often, true},
		{"woken late in between", slices.Concat(often[1:], []int64{long, short}), false},
		{"naps one after the other", slices.Repeat(often, 10), true},
		{"a nap that nothing ends", append(slices.Clone(often), long), false},
		{"... and then some that are short", slices.Concat(often, []int64{long}, often[:longIs]), true},
		{"long busy, and one of many is late", slices.Concat(often, often, []int64{long}), true},
		{"long busy, and then at rest", slices.Concat(often, often, often, slices.Repeat([]int64{long}, napAfter/longIs+1)), false},
		{"long at rest, and a little to do", slices.Concat(slices.Repeat([]int64{long}, 99), often[1:]), false},
		{"a little to do now and then", slices.Repeat(slices.Concat(often[:longIs], []int64{long}), 99), false},
	} {
		var d drowsiness
		for _, took := range c.took {
			d.woke(took, true)
		}
		if d.naps() != c.naps {
			t.Errorf("%s: naps %v", c.name, d.naps())
		}
	}
}

// Signals come about as often as a nap may be long. So they must not keep a loop napping.
func TestALoopThatOnlySignalsWakeGoesToSleep(t *testing.T) {
	var d drowsiness
	for range napAfter {
		d.woke(soon/10, true)
	}
	d.woke(soon-1, false)
	if d.naps() {
		t.Error("it naps on")
	}
}

// A loop that naps keeps its processor: a stop of the world must not have to wait for it.
func TestTheWorldStopsWhileALoopNaps(t *testing.T) {
	l := startLoop(t, 0)
	naps := false
	for range 100 {
		for range 2 * napAfter { // posts in a row have it nap
			do(t, l, func() { naps = naps || l.drowsy.naps() })
		}
		runtime.GC()
	}
	if !naps {
		t.Error("it has never napped")
	}
}
