package proxy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestWhoGoesOver(t *testing.T) {
	for name, c := range map[string]struct {
		loads []load
		want  order // once its cause has lasted; the zero value: none
	}{
		"one loop":                          {[]load{{1, 50}}, order{}},
		"not busy":                          {[]load{{0.6, 50}, {0, 0}}, order{}},
		"busy":                              {[]load{{0.9, 50}, {0, 0}}, order{0, 1, 25}},
		"half of the difference":            {[]load{{0.9, 60}, {0.3, 10}}, order{0, 1, 20}},
		"little difference":                 {[]load{{0.9, 60}, {0.75, 10}}, order{}},
		"all busy":                          {[]load{{1, 60}, {1, 10}}, order{}},
		"one client at work":                {[]load{{1, 1}, {0, 0}}, order{}},
		"two of them":                       {[]load{{1, 2}, {0, 0}}, order{0, 1, 1}},
		"no more than so many at once":      {[]load{{1, 5000}, {0, 0}}, order{0, 1, mostAtOnce}},
		"not the first is busy":             {[]load{{0.4, 10}, {1, 30}}, order{1, 0, 9}},
		"to one that works already":         {[]load{{0.9, 10}, {0, 0}, {0.15, 4}}, order{0, 2, 4}},
		"to one that does not, if it must":  {[]load{{1, 10}, {0.5, 5}, {0, 0}}, order{0, 2, 5}},
		"two have work for one":             {[]load{{0.25, 9}, {0.15, 4}}, order{1, 0, 4}},
		"they have work for more than one":  {[]load{{0.3, 9}, {0.25, 4}}, order{}},
		"the last comes to who has room":    {[]load{{0.45, 9}, {0.2, 3}, {0.1, 4}}, order{2, 1, 4}},
		"nothing is left to bring together": {[]load{{0.3, 9}, {0, 4}}, order{}},
		"idle":                              {[]load{{0, 0}, {0, 0}}, order{}},
	} {
		var b balance
		var got order
		looks := 0
		for got.n == 0 && looks < 100 {
			got = b.look(c.loads)
			looks++
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if least := min(spreadAfter, gatherAfter); got.n > 0 && looks < least {
			t.Errorf("%s: after %d looks", name, looks)
		}
	}
}

func TestWhereAClientComes(t *testing.T) {
	for _, c := range []struct {
		busy []float64
		want int
	}{
		{[]float64{0}, 0}, {[]float64{1}, 0}, {[]float64{0.6, 0}, 0}, {[]float64{0.8, 0}, 1}, {[]float64{0.8, 0.9, 0.7}, 2}, {[]float64{0.9, 0.8, 1}, 1},
	} {
		if got := roomiest(c.busy); got != c.want {
			t.Errorf("%v: loop %d, want %d", c.busy, got, c.want)
		}
	}
}

// A loop that waits for a processor uses none.
func TestWhatALoopWaitsForAProcessorIsNotItsLoad(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, c := range []struct {
		busy      []time.Duration
		span, cpu time.Duration
		want      []float64
	}{
		{[]time.Duration{500 * ms, 250 * ms}, s, 800 * ms, []float64{0.5, 0.25}},
		{[]time.Duration{800 * ms, 400 * ms}, s, 600 * ms, []float64{0.4, 0.2}},
		{[]time.Duration{s, 0}, 2 * s, 3 * s, []float64{0.5, 0}},
		{[]time.Duration{3 * s}, s, 3 * s, []float64{1}}, // a long turn has ended
		{[]time.Duration{0, 0}, s, 0, []float64{0, 0}},
		{[]time.Duration{0}, 0, 0, []float64{0}},
	} {
		if got := shareOut(c.busy, c.span, c.cpu); !slices.Equal(got, c.want) {
			t.Errorf("%v of %v with %v: %v, want %v", c.busy, c.span, c.cpu, got, c.want)
		}
	}
}

// town is loops with clients, each of which gives its loop so much to do.
type town struct {
	loops [][]float64
	moved int
}

// look is one second in it. What a loop has to do swings by itself, and costs more where
// servers move.
func (w *town) look(b *balance, r *rand.Rand) order {
	used := 0
	for _, clients := range w.loops {
		if len(clients) > 0 {
			used++
		}
	}
	loads := make([]load, len(w.loops))
	for i, clients := range w.loops {
		for _, does := range clients {
			if loads[i].busy += does * (0.95 + 0.1*r.Float64()); does > 0 {
				loads[i].working++
			}
		}
		if used > 1 {
			loads[i].busy *= 1.1
		}
		loads[i].busy = min(1, loads[i].busy)
	}
	o := b.look(loads)
	w.obey(o)
	return o
}

// obey moves those who come to rest first: clients in the order in which they stand.
func (w *town) obey(o order) {
	var stay []float64
	n := o.n
	for _, does := range w.loops[o.from] {
		if n > 0 && does > 0 {
			w.loops[o.to] = append(w.loops[o.to], does)
			w.moved++
			n--
		} else {
			stay = append(stay, does)
		}
	}
	if o.n > 0 {
		w.loops[o.from] = stay
	}
}

func (w *town) work(i int) (sum float64) {
	for _, does := range w.loops[i] {
		sum += does
	}
	return sum
}

// TestNothingSwings: whatever the clients do, where they go on doing it they soon stay
// where they are.
func TestNothingSwings(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 11))
		w := &town{loops: make([][]float64, 1+r.IntN(5))}
		total := r.Float64() * float64(len(w.loops))
		for left := total; left > 0; {
			does := min(left, r.ExpFloat64()*[]float64{0.01, 0.1, 0.4}[r.IntN(3)])
			to := 0
			if seed%2 == 1 {
				to = r.IntN(len(w.loops))
			}
			w.loops[to] = append(w.loops[to], does, 0)
			left -= does
		}
		var b balance
		orders := 0
		for i := range 2000 {
			if o := w.look(&b, r); o.n > 0 && i > 200 {
				orders++
			}
		}
		if orders > 40 { // one in 45 s
			t.Errorf("seed %d: %d orders in the last half hour, %.2f to do on %d loops", seed, orders, total, len(w.loops))
		}
		if total < 0.38 && w.work(0) < total*0.99 && len(w.loops) > 1 {
			t.Errorf("seed %d: one loop could do it: %s", seed, w)
		}
	}
}

func (w *town) String() (s string) {
	for i := range w.loops {
		s += fmt.Sprintf("%.2f by %d; ", w.work(i), len(w.loops[i]))
	}
	return s
}

// TestMoreLoopsTakePartAsThereIsMoreToDo: many clients that do the same fill one loop after
// the other, and come back to one.
func TestMoreLoopsTakePartAsThereIsMoreToDo(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w, b := &town{loops: make([][]float64, 3)}, balance{}
	used := func(perClient float64) (n int) {
		for i := range w.loops {
			for k := range w.loops[i] {
				w.loops[i][k] = perClient
			}
		}
		for range 300 {
			w.look(&b, r)
		}
		for i := range w.loops {
			if w.work(i) > 0 {
				n++
			}
			if w.work(i) > 0.8 {
				t.Errorf("each does %.4f: %s", perClient, w)
			}
		}
		return n
	}
	w.loops[0] = make([]float64, 100)
	for _, step := range []struct {
		perClient float64
		loops     int
	}{{0.001, 1}, {0.006, 1}, {0.009, 2}, {0.018, 3}, {0.006, 3}, {0.003, 1}, {0.0001, 1}} {
		if got := used(step.perClient); got != step.loops && !(step.perClient == 0.006 && got <= step.loops) {
			t.Errorf("each does %.4f: %d loops, want %d: %s", step.perClient, got, step.loops, w)
		}
	}
}
