package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// cell is one row of the tables.
type cell struct {
	fault *fault
	kind  *kind
}

// run plays everything and reports it. It leaves no process and no file behind.
func run(ctx context.Context, o options) error {
	r, err := newReport(o)
	if err != nil {
		return err
	}
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

// playAll plays all faults before one chain.
func (r *report) playAll(ctx context.Context, k *kind) (failed error) {
	t := &theatre{report: r, kind: k}
	defer func() { failed = errors.Join(failed, t.clear()) }()
	for _, f := range r.options.faults {
		failed = errors.Join(failed, t.playRuns(ctx, f))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return failed
}

// theatre has the stage for one chain, which is built anew when a fault needs another, and
// after a run that could not be brought to its end.
type theatre struct {
	report *report
	kind   *kind
	stage  *stage // nil: none
}

// mostBroken is how many runs of a case may be broken before its others are left out.
const mostBroken = 2

// playRuns plays the runs of a fault that are wanting.
func (t *theatre) playRuns(ctx context.Context, f *fault) (failed error) {
	broken := 0
	for range t.report.wanting(f, t.kind) {
		began := time.Now()
		found, err := t.play(ctx, f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if kept := t.report.add(f, t.kind, began, found, err); kept != nil {
			return errors.Join(failed, kept)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("%s, %s: %w", t.kind.name, f.name, err)
		progress("%v\n%s", err, t.stage.logs())
		failed = errors.Join(failed, err, t.clear())
		if broken++; broken == mostBroken {
			break
		}
	}
	return failed
}

// play plays one run, on a stage that suits it.
func (t *theatre) play(ctx context.Context, f *fault) (*figures, error) {
	if t.stage != nil && (t.stage.network != nil) != f.hosts {
		if err := t.clear(); err != nil {
			return nil, err
		}
	}
	if t.stage == nil {
		var err error
		if t.stage, err = startStage(ctx, t.report.options, t.kind, f.hosts); err != nil {
			return nil, err
		}
	}
	return t.stage.play(ctx, f)
}

// clear takes the stage away.
func (t *theatre) clear() error {
	s := t.stage
	t.stage = nil
	return s.close()
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
