package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// reading is what a chain's processes had used at one moment.
type reading struct {
	at   int64 // µs since 1970, as pgbench's log has it
	used time.Duration
}

// watch reads a chain's CPU time all along a run, so that afterwards the part without
// logins and warm-up can be cut out, with the transactions that ended in just that part.
type watch struct {
	end      chan struct{}
	ended    sync.WaitGroup
	readings []reading // the goroutine's until ended
	err      error     // the same
}

// watchCPU starts watching; the caller calls stop.
func watchCPU(c *chain) *watch {
	w := &watch{end: make(chan struct{})}
	w.ended.Go(func() { w.readAll(c) })
	return w
}

func (w *watch) readAll(c *chain) {
	ticker := time.NewTicker(25 * time.Millisecond)
	defer ticker.Stop()
	for {
		used, err := c.cpu()
		if err != nil {
			w.err = err
			return
		}
		w.readings = append(w.readings, reading{at: time.Now().UnixMicro(), used: used})
		select {
		case <-w.end:
			return
		case <-ticker.C:
		}
	}
}

// stop ends the watch and returns its readings.
func (w *watch) stop() ([]reading, error) {
	close(w.end)
	w.ended.Wait()
	return w.readings, w.err
}

var errTooLittle = errors.New("logins left too little of the run")

// evaluate takes the figures of the time between the end of the warm-up and the last
// reading before clients began to leave.
func evaluate(done []transaction, readings []reading) (figures, error) {
	begin := done[0].at + warmUp.Microseconds()
	end := done[len(done)-1].at
	first := slices.IndexFunc(readings, func(r reading) bool { return r.at >= begin })
	last := len(readings) - 1
	// The last transactions of a run end one by one, with fewer and fewer clients.
	const leaving = 50_000
	for last >= 0 && readings[last].at > end-leaving {
		last--
	}
	if first < 0 || last <= first {
		return figures{}, fmt.Errorf("%w: transactions for %d ms", errTooLittle, (end-done[0].at)/1000)
	}
	from, to := readings[first], readings[last]
	var took []int64
	for _, t := range done {
		if t.at > from.at && t.at <= to.at {
			took = append(took, t.took)
		}
	}
	if len(took) == 0 {
		return figures{}, fmt.Errorf("%w: no transaction after the warm-up", errTooLittle)
	}
	slices.Sort(took)
	count := float64(len(took))
	f := figures{
		tps: count / (float64(to.at-from.at) / 1e6),
		cpu: float64(to.used-from.used) / float64(time.Microsecond) / count,
		p50: percentile(took, 50),
		p99: percentile(took, 99),
	}
	f.spread = f.p99 / f.p50
	return f, nil
}

// percentile is the smallest value that at least p % of the sorted values do not exceed.
func percentile(sorted []int64, p int) float64 {
	return float64(sorted[(len(sorted)*p+99)/100-1])
}

// medianFigures takes the median of each figure by itself.
func medianFigures(all []figures) figures {
	of := func(pick func(figures) float64) float64 { return medianOf(all, pick) }
	return figures{
		tps:    of(func(f figures) float64 { return f.tps }),
		cpu:    of(func(f figures) float64 { return f.cpu }),
		p50:    of(func(f figures) float64 { return f.p50 }),
		p99:    of(func(f figures) float64 { return f.p99 }),
		spread: of(func(f figures) float64 { return f.spread }),
	}
}

// medianOf is the median of one figure of each.
func medianOf[T any](all []T, pick func(T) float64) float64 {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = pick(one)
	}
	return median(values)
}

// median sorts values and returns the middle one, or the mean of the two in the middle.
func median(values []float64) float64 {
	slices.Sort(values)
	half := len(values) / 2
	if len(values)%2 == 1 {
		return values[half]
	}
	return (values[half-1] + values[half]) / 2
}
