package main

import (
	"context"
	"errors"
	"fmt"
)

// cell is one row of the tables.
type cell struct {
	fault *fault
	kind  *kind
}

// run plays everything and reports it. It leaves no process and no file behind.
func run(ctx context.Context, o options) error {
	r := &report{options: o, machine: describeMachine(o), runs: make(map[cell][]*figures)}
	var failed error
	for _, k := range o.kinds {
		if err := r.playAll(ctx, k); err != nil {
			failed = errors.Join(failed, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(failed, r.publish())
}

// playAll plays all faults before one chain. After a run that could not be brought to its end
// everything is started anew, and the next fault follows.
func (r *report) playAll(ctx context.Context, k *kind) (failed error) {
	var s *stage
	defer func() { failed = errors.Join(failed, s.close()) }()
	for _, f := range r.options.faults {
		for n := range r.options.runsOf(f, k) {
			if s != nil && (s.network != nil) != f.hosts {
				failed = errors.Join(failed, s.close())
				s = nil
			}
			if s == nil {
				var err error
				if s, err = startStage(ctx, r.options, k, f.hosts); err != nil {
					return errors.Join(failed, err)
				}
			}
			found, err := s.play(ctx, f)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				r.add(f, k, found)
				continue
			}
			err = fmt.Errorf("%s, %s, run %d: %w", k.name, f.name, n+1, err)
			progress("%v", err)
			r.broken(f, k)
			failed = errors.Join(failed, err, s.close())
			s = nil
			break
		}
	}
	return failed
}

// runsOf is how often a fault happens to a chain.
func (o options) runsOf(f *fault, k *kind) int {
	switch {
	case o.runs > 0:
		return o.runs
	case f.plot && k.name == porteroName:
		return 20
	}
	return 3
}
