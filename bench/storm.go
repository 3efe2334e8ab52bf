package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"portero/internal/page"
)

// weather is what a client has that asks `select 1` while others log in, or while nobody does.
type weather struct {
	chain    string
	stormy   bool
	p50, p99 float64 // µs
	rate     float64 // logins per second that there were
}

const (
	stormRate = 500             // logins per second, by SCRAM
	stormTime = 3 * time.Second // measured of each run, after warmUp
	stormers  = 16              // log in at the same time at most
)

// measureStorm measures `select 1` of one client with and without a storm of logins, in turn.
func (r *report) measureStorm(ctx context.Context, b *builder, p plan, names []string) error {
	chains, err := startAll(ctx, b, only(names, pgbouncerName, beforeName, porteroName), door{scram: true})
	defer stopAll(chains)
	if err != nil {
		return err
	}
	type sky struct {
		chain  string
		stormy bool
	}
	runs := make(map[sky][]weather)
	err = r.inRounds(ctx, p, func(round string) error {
		for _, c := range chains {
			for _, stormy := range []bool{false, true} {
				got, err := underStorm(ctx, c, stormy)
				if err != nil {
					return fmt.Errorf("chain %s: %w\n%s", c.name, err, c.outputs())
				}
				progress("%s: select 1, %-18s p50 %6.0f  p99 %6.0f  logins %4.0f/s", round, label(c.name), got.p50, got.p99, got.rate)
				runs[sky{c.name, stormy}] = append(runs[sky{c.name, stormy}], got)
			}
		}
		return nil
	})
	for _, c := range chains {
		for _, stormy := range []bool{false, true} {
			if all := runs[sky{c.name, stormy}]; len(all) > 0 {
				r.storm = append(r.storm, medianWeather(all))
			}
		}
	}
	return err
}

// underStorm measures once.
func underStorm(ctx context.Context, c *chain, stormy bool) (weather, error) {
	got := weather{chain: c.name, stormy: stormy}
	var s *storm
	if stormy {
		s = startStorm(ctx, c)
	}
	took, err := askForAWhile(ctx, c, stormTime)
	if stormy {
		rate, stormErr := s.stop()
		got.rate, err = rate, errors.Join(err, stormErr)
	}
	if err != nil {
		return got, err
	}
	got.p50, got.p99 = percentile(took, 50), percentile(took, 99)
	return got, nil
}

// storm is clients that log in and leave, each at its time; whoever started it calls stop.
type storm struct {
	begun   time.Time
	end     chan struct{}
	ended   sync.WaitGroup
	entered atomic.Int64
	errs    [stormers]error // the workers' until ended
}

func startStorm(ctx context.Context, c *chain) *storm {
	s := &storm{begun: time.Now(), end: make(chan struct{})}
	for i := range stormers {
		s.ended.Go(func() { s.errs[i] = s.enterAll(ctx, c, i) })
	}
	return s
}

// enterAll does each sixteenth of the logins. Whoever is late makes up for it.
func (s *storm) enterAll(ctx context.Context, c *chain, first int) error {
	for n := first; ; n += stormers {
		select {
		case <-s.end:
			return nil
		case <-time.After(time.Until(s.begun.Add(time.Duration(n) * time.Second / stormRate))):
		}
		client, err := c.login(ctx)
		if err != nil {
			return err
		}
		if err := client.leave(); err != nil {
			return err
		}
		s.entered.Add(1)
	}
}

// stop ends the storm and returns how many logins there were per second.
func (s *storm) stop() (float64, error) {
	close(s.end)
	rate := float64(s.entered.Load()) / time.Since(s.begun).Seconds()
	s.ended.Wait()
	return rate, errors.Join(s.errs[:]...)
}

func medianWeather(all []weather) weather {
	of := func(pick func(weather) float64) float64 { return medianOf(all, pick) }
	return weather{
		chain:  all[0].chain,
		stormy: all[0].stormy,
		p50:    of(func(w weather) float64 { return w.p50 }),
		p99:    of(func(w weather) float64 { return w.p99 }),
		rate:   of(func(w weather) float64 { return w.rate }),
	}
}

// under finds a chain's weather.
func (r report) under(chain string, stormy bool) (weather, bool) {
	for _, w := range r.storm {
		if w.chain == chain && w.stormy == stormy {
			return w, true
		}
	}
	return weather{}, false
}

func (r report) stormTable() string {
	rows := [][]string{{"chain", "logins/s", "p50 µs", "p99 µs"}}
	for _, w := range r.storm {
		rows = append(rows, []string{label(w.chain), number(w.rate, 0), number(w.p50, 0), number(w.p99, 0)})
	}
	return page.Table(rows, "lrrr")
}
