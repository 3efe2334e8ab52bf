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
				s.holds = append(s.holds, hold{p, slices.ContainsFunc(s.holds, func(h hold) bool { return h.pool == p }) || r.IntN(6) == 0})
			}
		}
		for range r.IntN(3) {
			s.waits = append(s.waits, want{pool: r.IntN(len(pages)), late: r.IntN(3) == 0, promised: r.IntN(4) == 0})
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
	lent, extras, ownFirsts := 0, 0, 0
	for _, i := range set {
		for _, h := range all[i].holds {
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
	if lent >= pages[w.pool].places {
		return false
	}
	return w.promised || !w.late && ownFirsts == 0 || extras+len(set) < pages[w.pool].places
}

func TestOneWhoWaitsForWhatNobodyHoldsIsNotStuck(t *testing.T) {
	pages := []page{{places: 1}, {places: 1}}
	crossed := []stance{
		{who: 1, holds: []hold{{pool: 0}}, waits: []want{{pool: 1}}, rests: true},
		{who: 2, holds: []hold{{pool: 1}}, waits: []want{{pool: 0}}, rests: true},
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
