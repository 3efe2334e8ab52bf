package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"portero/internal/page"
)

// run plays everything and reports it. It leaves no process and no file behind.
func run(ctx context.Context, o options) error {
	r, err := newReport(o)
	if err != nil {
		return err
	}
	var failed error
	for _, l := range o.layouts {
		for _, set := range o.settings {
			failed = errors.Join(failed, r.playAll(ctx, l, set))
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return errors.Join(failed, r.publish())
}

// playAll plays what is wanting of all events to one layout with one set of settings.
func (r *report) playAll(ctx context.Context, l *layout, set *setting) (failed error) {
	var s *stage // built when it is wanted, and anew after a run that could not be brought to its end
	defer func() { failed = errors.Join(failed, s.close()) }()
	for _, e := range r.options.events {
		c := cell{l, set, e}
		for range r.wanting(c) {
			one := record{Layout: l.name, Setting: set.name, Event: e.name, Origin: describe(r.options.portero, set)}
			var err error
			if s == nil {
				s, err = startStage(ctx, r.options.portero, l, set)
			}
			if err == nil {
				one.Figures, err = s.play(ctx, e)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				one.Broken, _, _ = strings.Cut(err.Error(), "\n") // logs of servers follow
				progress("%v\n%s", err, s.logs())
				failed = errors.Join(failed, fmt.Errorf("%s, %s, %s: %w", l.name, set.name, e.name, err), s.close())
				s = nil
			}
			if err := r.add(one); err != nil {
				return errors.Join(failed, err)
			}
			if s == nil {
				break // the others of its kind are for another time
			}
		}
	}
	return failed
}

// wanting is how many runs of a case there are still to be.
func (r *report) wanting(c cell) int { return max(0, r.options.runs-len(r.runs[c])) }

// add takes in a run that has just ended, well or not, and keeps it.
func (r *report) add(one record) error {
	r.take(one)
	if one.Figures != nil {
		progress("%s, %s, %s: %s", one.Layout, one.Setting, one.Event, summary(one.Figures))
	}
	if r.options.record == "" {
		return nil
	}
	return page.AppendRecord(r.options.record, one)
}

// summary is one run in one line.
func summary(f *figures) string {
	sum := f.sum()
	text := fmt.Sprintf("%d rows, %d lost, %d twice, %d refused and there, %d+%d reached a non-leader, errors: %s, %d cut",
		sum.Acked, sum.Lost, sum.Twice, sum.Refused, sum.Late, sum.UnderWay, page.Tally(sum.Errors), sum.Cut)
	for _, p := range f.Parties {
		text += fmt.Sprintf("; %s: database %s, all %s, worst %s", p.Name, page.Seconds(p.Database), page.Seconds(p.All), page.Seconds(p.Worst))
	}
	return text
}
