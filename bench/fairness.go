package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// place is where the client that reads sits, as seen from the client whose latency is measured.
type place struct {
	reading   bool // there is one
	encrypted bool // it uses TLS
	near      bool // on the same loop, not on that of another Portero
}

// places is in the order of the table. Beside a reader that is not near the machine is as busy
// as beside one that is, down to the copying and encrypting: what is left is the loop that
// they share.
var places = []place{
	{},
	{reading: true},
	{reading: true, near: true},
	{reading: true, encrypted: true},
	{reading: true, encrypted: true, near: true},
}

func (p place) String() string {
	switch {
	case !p.reading:
		return "none"
	case p.near:
		return "reads " + p.way() + ", on the same loop"
	}
	return "reads " + p.way() + ", through another Portero"
}

func (p place) way() string {
	if p.encrypted {
		return "with TLS"
	}
	return "in the clear"
}

// besides is the latency beside a client that reads.
type besides struct {
	place
	p50, p99 float64 // µs
	rate     float64 // MB/s that the reader reads
}

func (r report) beside(p place) (besides, bool) {
	for _, f := range r.fairness {
		if f.place == p {
			return f, true
		}
	}
	return besides{}, false
}

// fairnessTime is measured of each run, after warmUp.
const fairnessTime = 3 * time.Second

// measureFairness measures `select 1` of one client in all places, which take turns in each
// round, and keeps the medians.
func (r *report) measureFairness(ctx context.Context, b *builder, p plan, names []string) (err error) {
	if !slices.Contains(names, porteroName) {
		return nil
	}
	on, err := splitProcessors()
	if err != nil {
		return err
	}
	if err := use(&on.rest, 0); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, use(&on.all, 0)) }()
	f := fairness{builder: b, on: on, megabytes: p.result}
	for i, name := range []string{porteroName, "another " + porteroName} {
		c, err := b.launch(ctx, name, door{encrypted: true}, startPorteroOne)
		if err != nil {
			return err
		}
		defer c.stop()
		f.chains[i] = c
	}
	runs := make(map[place][]besides)
	for round := range p.rounds {
		for _, at := range places {
			got, err := f.measure(ctx, at)
			if err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
			progress("round %d/%d: select 1, other client: %-43s p50 %6.0f  p99 %6.0f  it reads %5.0f MB/s",
				round+1, p.rounds, at, got.p50, got.p99, got.rate)
			runs[at] = append(runs[at], got)
		}
	}
	for _, at := range places {
		r.fairness = append(r.fairness, medianBesides(at, runs[at]))
	}
	return nil
}

// fairness is what its runs have in common.
type fairness struct {
	*builder
	on        processors
	chains    [2]*chain // the one whose latency is measured, and another
	megabytes int
}

// measure measures once.
func (f *fairness) measure(ctx context.Context, at place) (got besides, err error) {
	got.place = at
	if at.reading {
		r, err := f.startReader(ctx, at)
		if err != nil {
			return got, err
		}
		defer func() {
			rate, stopErr := r.stop()
			got.rate, err = rate/1e6, errors.Join(err, stopErr)
		}()
	}
	took, err := askForAWhile(ctx, f.chains[0], fairnessTime)
	if err != nil {
		return got, fmt.Errorf("%w\n%s", err, f.chains[0].outputs())
	}
	got.p50, got.p99 = percentile(took, 50), percentile(took, 99)
	return got, nil
}

// startReader starts one in its place and keeps it and its server to their processor.
func (f *fairness) startReader(ctx context.Context, at place) (*reader, error) {
	through := f.chains[1]
	if at.near {
		through = f.chains[0]
	}
	r, err := startReader(ctx, f.on, through.port, at.encrypted, f.megabytes, fairnessTime+silence)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, through.outputs())
	}
	server, err := findServer(ctx, f.upstream)
	if err == nil {
		err = use(&f.on.reading, server)
	}
	if err != nil {
		_, stopErr := r.stop()
		return nil, errors.Join(err, stopErr)
	}
	return r, nil
}

func medianBesides(at place, all []besides) besides {
	of := func(pick func(besides) float64) float64 { return medianOf(all, pick) }
	return besides{
		place: at,
		p50:   of(func(f besides) float64 { return f.p50 }),
		p99:   of(func(f besides) float64 { return f.p99 }),
		rate:  of(func(f besides) float64 { return f.rate }),
	}
}
