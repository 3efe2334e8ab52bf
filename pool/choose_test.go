package pool

import (
	"math/rand/v2"
	"testing"
)

func TestTheNextTransactionGoesWhereTheLeastIsForItsWeight(t *testing.T) {
	for _, test := range []struct {
		name string
		all  []option
		want []int // in turn, from turn 0 on
	}{
		{"no group", nil, []int{-1}},
		{"all are given up", []option{{levelEnded, 0, 1}}, []int{-1}},
		{"in turn among equals", []option{{levelFit, 2, 1}, {levelFit, 2, 1}, {levelFit, 2, 1}}, []int{0, 1, 2, 0}},
		{"the least first", []option{{levelFit, 2, 1}, {levelFit, 1, 1}, {levelFit, 3, 1}}, []int{1, 1}},
		{"for its weight", []option{{levelFit, 2, 1}, {levelFit, 5, 3}, {levelFit, 4, 2}}, []int{1, 1}},
		{"equals by their weight", []option{{levelFit, 0, 1}, {levelFit, 0, 3}}, []int{0, 1, 1, 1, 0}},
		{"equal for their weights", []option{{levelFit, 1, 1}, {levelFit, 2, 2}, {levelFit, 9, 1}}, []int{0, 1, 1, 0}},
		{"who has a free place before who has none", []option{{levelFull, 2, 4}, {levelFit, 2, 1}}, []int{1, 1}},
		{"near before far, however full", []option{{levelFit, 0, 1}, {levelNear, 7, 1}}, []int{1, 1}},
		{"held only if all are", []option{{levelHeld, 0, 1}, {levelAiling, 9, 1}}, []int{1, 1}},
		{"the least of those that are held", []option{{levelHeld, 3, 1}, {levelHeld, 0, 1}, {levelEnded, 0, 1}}, []int{1, 1}},
	} {
		for turn, want := range test.want {
			if got := choose(test.all, uint32(turn)); got != want {
				t.Errorf("%s: turn %d: %d, want %d", test.name, turn, got, want)
			}
		}
	}
}

// A model that looks at each pair: nobody is better than the one that is chosen, and over as many
// turns as the weights of those that are as good have together, each has its share.
func TestWhoIsChosenIsTheBestAndEachHasItsShare(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	better := func(a, b option) bool {
		return a.level < b.level || a.level == b.level && float64(a.load)/float64(a.weight) < float64(b.load)/float64(b.weight)
	}
	for range 5000 {
		all := make([]option, 1+rnd.IntN(6))
		for i := range all {
			all[i] = option{level(rnd.IntN(int(levelEnded) + 1)), rnd.IntN(4), 1 + rnd.IntN(3)}
		}
		shares, total := make(map[int]int), 0
		for i, a := range all {
			best := a.level != levelEnded
			for _, b := range all {
				best = best && !better(b, a)
			}
			if best {
				shares[i] = a.weight
				total += a.weight
			}
		}
		from := rnd.Uint32N(1 << 20)
		for turn := range uint32(total) {
			if i := choose(all, from+turn); i >= 0 {
				shares[i]--
			}
		}
		for i, left := range shares {
			if left != 0 {
				t.Fatalf("%+v: group %d has %d turns too few", all, i, left)
			}
		}
	}
}

func TestToChooseAGroupAllocatesNothing(t *testing.T) {
	all := []option{{levelFit, 1, 1}, {levelFit, 1, 2}, {levelHeld, 0, 1}}
	turn := uint32(0)
	if n := testing.AllocsPerRun(100, func() { turn++; choose(all, turn) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
