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
		l.pools = append(l.pools, page{places: n, clients: 1})
	}
	return &l
}

// TestWhoeverIsInsideAlwaysGetsOneOfEachPool lets a ledger's rules decide on random wishes.
func TestWhoeverIsInsideAlwaysGetsOneOfEachPool(t *testing.T) {
	type held struct {
		holding
		extra bool
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		l := modelLedger(1+r.IntN(5), 1+r.IntN(5), 1+r.IntN(8))
		var all []held
		for range 400 {
			h := holding{origin(1 + r.IntN(12)), r.IntN(len(l.pools))}
			if len(all) > 0 && r.IntN(3) == 0 {
				i := r.IntN(len(all))
				l.giveBack(all[i].holding, all[i].extra)
				all = slices.Delete(all, i, i+1)
			} else if extra := l.isExtra(h, r.IntN(3) == 0); l.admits(h, extra, false) {
				l.take(h, extra)
				all = append(all, held{h, extra})
			}
			for i, p := range l.pools {
				lent, owed := 0, len(l.inside)
				for _, one := range all {
					if one.pool == i {
						lent++
						if !one.extra {
							owed--
						}
					}
				}
				if owed < 0 || lent+owed > p.places {
					t.Fatalf("seed %d: pool %d has %d places, %d lent and %d owed", seed, i, p.places, lent, owed)
				}
			}
		}
		for _, h := range all {
			l.giveBack(h.holding, h.extra)
		}
		if len(l.firsts)+len(l.inside) > 0 || l.pools[0].extras+l.pools[1].extras+l.pools[2].extras > 0 {
			t.Fatalf("seed %d: all is given back, and this is left: %+v", seed, l)
		}
	}
}

func TestAPoolOfOneLetsInOneAtATime(t *testing.T) {
	l := modelLedger(1, 4)
	l.take(holding{1, 1}, false)
	if l.admits(holding{2, 1}, false, false) || l.admits(holding{2, 0}, false, false) {
		t.Error("a second one is let in, who may want what the first is owed")
	}
	if !l.admits(holding{1, 0}, false, false) || !l.admits(holding{1, 1}, true, false) {
		t.Error("who is inside does not get what is left")
	}
	l.giveBack(holding{1, 1}, false)
	if !l.admits(holding{2, 0}, false, false) {
		t.Error("nobody is inside, and nobody is let in")
	}
}

func TestAPoolThatIsNoMoreIsInNobodysWay(t *testing.T) {
	l := modelLedger(0, 2)
	l.take(holding{1, 1}, false)
	if !l.admits(holding{2, 1}, false, false) {
		t.Error("a second one is not let in")
	}
}
