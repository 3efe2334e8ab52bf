package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// modelLedger returns a ledger of pools with so many places.
func modelLedger(places ...int) *ledger {
	l := newLedger()
	for _, n := range places {
		l.pools = append(l.pools, page{places: n})
	}
	return &l
}

func TestWhoeverIsInsideAlwaysGetsOneOfEachPool(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := modelLedger(1+r.IntN(5), 1+r.IntN(5), 1+r.IntN(8))
		type held struct {
			who  origin
			pool int
		}
		var all []held
		for range 400 {
			o, pool := origin(1+r.IntN(12)), r.IntN(len(l.pools))
			if len(all) > 0 && r.IntN(3) == 0 {
				i := r.IntN(len(all))
				l.giveBack(all[i].who, all[i].pool)
				all = slices.Delete(all, i, i+1)
			} else if l.admits(o, pool) {
				l.take(o, pool)
				all = append(all, held{o, pool})
			}
			for i, p := range l.pools {
				owed := 0
				for who := range l.inside {
					if l.held[holding{who, i}] == 0 {
						owed++
					}
				}
				if l.lent(i)+owed > p.places {
					t.Fatalf("seed %d: pool %d has %d places, %d lent and %d owed", seed, i, p.places, l.lent(i), owed)
				}
			}
		}
		for _, h := range all {
			l.giveBack(h.who, h.pool)
		}
		if len(l.held)+len(l.inside) > 0 || l.pools[0].extras+l.pools[1].extras+l.pools[2].extras > 0 {
			t.Fatalf("seed %d: all is given back, and this is left: %+v", seed, l)
		}
	}
}

func TestAPoolOfOneLetsInOneAtATime(t *testing.T) {
	l := modelLedger(1, 4)
	l.take(1, 1)
	if l.admits(2, 1) || l.admits(2, 0) {
		t.Error("a second one is let in, who may want what the first is owed")
	}
	if !l.admits(1, 0) || !l.admits(1, 1) {
		t.Error("who is inside does not get what is left")
	}
	l.giveBack(1, 1)
	if !l.admits(2, 0) {
		t.Error("nobody is inside, and nobody is let in")
	}
}

func TestAPoolThatIsNoMoreIsInNobodysWay(t *testing.T) {
	l := modelLedger(0, 2)
	l.take(1, 1)
	if !l.admits(2, 1) {
		t.Error("a second one is not let in")
	}
}
