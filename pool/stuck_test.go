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
		pages, all := randomStances(r)
		got, want := stuck(pages, all), searchStuck(pages, all)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: %+v %+v: %v, a search finds %v", seed, pages, all, got, want)
		}
		if len(got) > 0 {
			found++
		}
	}
	if found < 100 {
		t.Errorf("only %d cases had anybody stuck", found)
	}
}

func randomStances(r *rand.Rand) (pages []page, all []stance) {
	for range 1 + r.IntN(3) {
		pages = append(pages, page{places: 1 + r.IntN(4)})
	}
	free := make([]int, len(pages))
	for i, p := range pages {
		free[i] = p.places
	}
	for i := range 1 + r.IntN(6) {
		s := stance{who: origin(i + 1), rests: r.IntN(8) > 0}
		for range r.IntN(3) {
			if p := r.IntN(len(pages)); free[p] > 0 {
				free[p]--
				s.holds = append(s.holds, p)
			}
		}
		for range r.IntN(3) {
			s.waits = append(s.waits, want{pool: r.IntN(len(pages)), promised: r.IntN(4) == 0})
		}
		all = append(all, s)
	}
	return pages, all
}

// searchStuck looks at all sets and returns the greatest one in which nobody is served.
func searchStuck(pages []page, all []stance) (best []int) {
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
				ok = ok && !wouldServe(pages, all, set, all[i].who, w)
			}
		}
		if ok {
			best = set
		}
	}
	return best
}

// wouldServe says it by counting, where stuck keeps a ledger.
func wouldServe(pages []page, all []stance, set []int, o origin, w want) bool {
	lent, own := 0, 0
	firsts := 0 // who of the set holds one there
	for _, i := range set {
		n := 0
		for _, pool := range all[i].holds {
			if pool == w.pool {
				n++
			}
		}
		lent += n
		if n > 0 {
			firsts++
		}
		if all[i].who == o {
			own = n
		}
	}
	free := pages[w.pool].places - lent
	if w.promised || own == 0 {
		return free > 0
	}
	return free > len(set)-firsts // the others are owed one each
}

func TestOneWhoWaitsForWhatNobodyHoldsIsNotStuck(t *testing.T) {
	pages := []page{{places: 1}, {places: 1}}
	crossed := []stance{
		{who: 1, holds: []int{0}, waits: []want{{pool: 1}}, rests: true},
		{who: 2, holds: []int{1}, waits: []want{{pool: 0}}, rests: true},
	}
	if got := stuck(pages, crossed); len(got) != 2 {
		t.Errorf("two who wait for each other: %v", got)
	}
	crossed[1].rests = false
	if got := stuck(pages, crossed); len(got) != 0 {
		t.Errorf("the second one is at work: %v", got)
	}
	crossed[1].rests, pages[0].places = true, 2
	if got := stuck(pages, crossed); len(got) != 0 {
		t.Errorf("there is room for the second one: %v", got)
	}
}
