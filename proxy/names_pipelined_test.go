package proxy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

const tangledSteps = 12

// Pipelines in which names are taken, used and given up, by messages and by SQL, are answered as
// PostgreSQL answers them.
func TestTangledNamesMeanWhatTheyDoDirectly(t *testing.T) {
	for servers := 1; servers <= 2; servers++ {
		t.Run(fmt.Sprint(servers, " servers"), func(t *testing.T) {
			w := start(t, size(servers))
			for seed := *firstSeed; seed < *firstSeed+*moreSeeds; seed++ {
				if seed%4 == uint64(servers) || *moreSeeds == 1 {
					w.compareTangled(seed)
				}
			}
		})
	}
}

// tangles are two clients' conversations.
func tangles(seed uint64) []dialogue {
	talks := make([]dialogue, 2)
	for i := range talks {
		talks[i] = dialogue{schema: fmt.Sprintf("diff_%d", i), user: "app"}
		w := talker{rand.New(rand.NewPCG(seed, uint64(i))), talks[i].schema}
		for range tangledSteps {
			talks[i].steps = append(talks[i].steps, plainly(append(w.tangled(), q(marker))...))
		}
	}
	return talks
}

// reducing is how long conversations that differ are made smaller.
const reducing = 15 * time.Second

// compareTangled fails the test where the conversations of a seed differ from direct ones, with
// as little of them as differs.
func (w *world) compareTangled(seed uint64) {
	w.t.Helper()
	if talks := tangles(seed); w.differ(talks) {
		w.compare(fmt.Sprint("seed ", seed), w.smallest(talks))
		w.t.Fatalf("seed %d differed, and not when it was tried again", seed)
	}
}

func (w *world) differ(talks []dialogue) bool {
	want, got := compareTalks(w.t, w.address(), talks)
	for i := range talks {
		if difference(want[i], got[i]) != "" {
			return true
		}
	}
	return false
}

// smallest leaves out of conversations that differ from direct ones what they differ without.
func (w *world) smallest(talks []dialogue) []dialogue {
	end := time.Now().Add(reducing)
	try := func(i int, steps []step) bool {
		less := slices.Clone(talks)
		less[i].steps = steps
		if time.Now().After(end) || !w.differ(less) {
			return false
		}
		talks = less
		return true
	}
	for i := range talks {
		for j := len(talks[i].steps) - 1; j >= 0; j-- {
			if try(i, slices.Delete(slices.Clone(talks[i].steps), j, j+1)) {
				continue
			}
			for k := len(talks[i].steps[j].messages) - 2; k >= 0; k-- { // the last one is the marker
				steps := slices.Clone(talks[i].steps)
				steps[j].messages = slices.Delete(slices.Clone(steps[j].messages), k, k+1)
				try(i, steps)
			}
		}
	}
	return talks
}

// What has to be made on the server first is not sent behind a Query that may fail the transaction:
// in the middle of a group that would have the server skip what comes up to the Sync.
func TestAnExecuteBehindAQueryThatFailsInTheMiddleOfAGroupIsAnswered(t *testing.T) {
	w := start(t, size(2))
	r, holder := w.dial(), w.dial()
	r.ask("1 Z(I)", parseAs("a", "select 7"), syncs())
	holder.ask("C(BEGIN) Z(T)", q("begin")) // at the server that has it
	r.ask("1 2 C(BEGIN) E(ERROR_22012) Z(E) E(ERROR_25P02) Z(E) Z(E)",
		&pgproto3.Parse{Query: "begin"}, &pgproto3.Bind{}, &pgproto3.Execute{}, q("select 1/0"), q("execute a"), syncs())
}
