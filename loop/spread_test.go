package loop

import "testing"

func TestSpreadDoesSoMuchPerTurnAndLetsOthersCome(t *testing.T) {
	const n, per = 1000, 64
	l := startLoop(t, 0)
	turns := make(map[uint64]int)
	var order []int
	done := make(chan struct{})
	l.Spread(n, per, func(i int) { turns[l.Turn()]++; order = append(order, i) }, func() { close(done) })
	await(t, done, "the end")
	if len(order) != n || len(turns) != (n+per-1)/per {
		t.Errorf("%d done in %d turns", len(order), len(turns))
	}
	for i, got := range order {
		if got != i {
			t.Fatalf("%d came at %d", got, i)
		}
	}
	for turn, did := range turns {
		if did > per {
			t.Errorf("%d done in turn %d", did, turn)
		}
	}
}

func TestSpreadOfNothingEndsAtOnce(t *testing.T) {
	done := make(chan struct{})
	startLoop(t, 0).Spread(0, 64, func(int) { t.Error("something was done") }, func() { close(done) })
	await(t, done, "the end")
}
