package main

import "testing"

func TestTheCollectorsRoomIsSmallForAHeapOfAnySize(t *testing.T) {
	const mb = 1 << 20
	for _, c := range []struct {
		live    uint64
		percent int
	}{
		{0, 200}, {1 * mb, 200}, {4 * mb, 200}, {8 * mb, 100}, {16 * mb, 50}, {32 * mb, 25}, {1 << 40, 25},
	} {
		if got := percentFor(c.live, false); got != c.percent {
			t.Errorf("%d MB in use: GOGC %d, not %d", c.live/mb, got, c.percent)
		}
		if got := percentFor(c.live, true); got != gcPercent {
			t.Errorf("%d MB in use, and nobody logs in: GOGC %d, not %d", c.live/mb, got, gcPercent)
		}
	}
}

func TestTheRuntimeIsNotToldOfSmallChanges(t *testing.T) {
	for _, c := range []struct {
		from, to int
		told     bool
	}{{0, 200, true}, {200, 200, false}, {200, 180, false}, {200, 170, true}, {27, 25, false}, {25, 200, true}} {
		if got := differ(c.to, c.from); got != c.told {
			t.Errorf("from %d to %d: told is %v", c.from, c.to, got)
		}
	}
}
