package pool

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestWhoIsStuckIsWhoASearchOfAllSetsFinds(t *testing.T) {
	found := 0
	for seed := range uint64(4_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		b, all := randomStances(r)
		got, want := stuck(b, all), searchStuck(b, all)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %+v %+v: %v, a search finds %v", seed, b, all, got, want)
		}
		if len(got) > 0 {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d cases had anybody stuck", found)
	}
}

// randomStances has pools of up to two banks, with bounds in common.
func randomStances(r *rand.Rand) (b board, all []stance) {
	inCommon, banks := limit{&bound{}, r.IntN(6)}, 1+r.IntN(2)
	for i := range banks + r.IntN(3) {
		p := spot{bank: i % banks, places: 1 + r.IntN(4)}
		if r.IntN(3) > 0 {
			p.bounds[ofUser] = inCommon
		}
		b = append(b, p)
	}
	free := make([]int, len(b))
	for i, p := range b {
		free[i] = p.places
	}
	for i := range 1 + r.IntN(6) {
		s := stance{who: origin(i + 1), bank: r.IntN(banks), rests: r.IntN(8) > 0}
		own := func() int { return s.bank + banks*r.IntN((len(b)-s.bank+banks-1)/banks) }
		for range r.IntN(3) {
			if p := own(); free[p] > 0 {
				free[p]--
				s.holds = append(s.holds, hold{p, slices.ContainsFunc(s.holds, func(h hold) bool { return h.pool == p }) || r.IntN(6) == 0})
			}
		}
		for range r.IntN(3) {
			s.waits = append(s.waits, want{pool: own(), late: r.IntN(3) == 0, promised: r.IntN(4) == 0})
		}
		all = append(all, s)
	}
	return b, all
}

// searchStuck looks at all sets and returns the greatest one in which nobody is served.
func searchStuck(b board, all []stance) (best []int) {
	for bits := range 1 << len(all) {
		var set []int
		ok := true
		for i, s := range all {
			if bits&(1<<i) != 0 {
				set = append(set, i)
				ok = ok && s.rests && len(s.holds) > 0 && len(s.waits) > 0
			}
		}
		if !ok || len(set) <= len(best) {
			continue
		}
		for _, i := range set {
			for _, w := range all[i].waits {
				ok = ok && !wouldServe(b, all, set, all[i].who, w)
			}
		}
		if ok {
			best = set
		}
	}
	return best
}

// wouldServe says it by counting, where stuck keeps ledgers.
func wouldServe(b board, all []stance, set []int, o origin, w want) bool {
	lent, extras, inside, ownFirsts, inCommon := 0, 0, 0, 0, 0
	for _, i := range set {
		if all[i].bank == b[w.pool].bank {
			inside++
		}
		for _, h := range all[i].holds {
			if b[h.pool].bounds[ofUser].of != nil {
				inCommon++
			}
			switch {
			case h.pool != w.pool:
				continue
			case h.extra:
				extras++
			case all[i].who == o:
				ownFirsts++
			}
			lent++
		}
	}
	if most := b[w.pool].bounds[ofUser].most; lent >= b[w.pool].places || most > 0 && inCommon >= most {
		return false
	}
	return w.promised || !w.late && ownFirsts == 0 || extras+inside < b[w.pool].places
}

func TestOneWhoWaitsForWhatNobodyHoldsIsNotStuck(t *testing.T) {
	pools := board{{places: 1}, {places: 1}}
	crossed := []stance{
		{who: 1, holds: []hold{{pool: 0}}, waits: []want{{pool: 1}}, rests: true},
		{who: 2, holds: []hold{{pool: 1}}, waits: []want{{pool: 0}}, rests: true},
	}
	if got := stuck(pools, crossed); len(got) != 2 {
		t.Errorf("two who wait for each other: %v", got)
	}
	crossed[1].rests = false
	if got := stuck(pools, crossed); len(got) != 0 {
		t.Errorf("the second one is at work: %v", got)
	}
	crossed[1].rests, pools[0].places = true, 2
	if got := stuck(pools, crossed); len(got) != 0 {
		t.Errorf("there is room for the second one: %v", got)
	}
}

// Two banks, as of two users, whose pools have room, which what they have in common has not.
func TestABoundOfSeveralPoolsIsSomethingToWaitFor(t *testing.T) {
	inCommon := [numBounds]limit{ofDatabase: {&bound{}, 2}}
	pools := board{{bank: 0, places: 5, bounds: inCommon}, {bank: 1, places: 5, bounds: inCommon}}
	all := []stance{
		{who: 1, bank: 0, holds: []hold{{pool: 0}}, waits: []want{{pool: 0}}, rests: true},
		{who: 1, bank: 1, holds: []hold{{pool: 1}}, waits: []want{{pool: 1}}, rests: true},
	}
	set := stuck(pools, all)
	if len(set) != 2 {
		t.Fatalf("%v", set)
	}
	if met := pools.tally(all, set).meets(1, all[0].waits[0]); met != ofDatabase {
		t.Errorf("it is limit %d", met)
	}
	pools[0].bounds[ofDatabase].most = 3
	if got := stuck(pools, all); len(got) != 0 {
		t.Errorf("there is room for the first one: %v", got)
	}
}
