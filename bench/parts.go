package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// part is one of the things that a run measures into its report.
type part struct {
	name    string
	measure func(r *report, ctx context.Context, b *builder, p plan, names []string) error
}

// parts are all of them, in the order in which they run.
var parts = []part{
	{"load", (*report).measureLoad},
	{"tls", (*report).measureEncrypted},
	{"logins", (*report).measureLogins},
	{"storm", (*report).measureStorm},
	{"crowd", (*report).measureCrowd},
	{"memory", (*report).measureMemory},
	{"transfers", (*report).measureTransfers},
	{"fairness", (*report).measureFairness},
}

func partNames() []string {
	names := make([]string, len(parts))
	for i, one := range parts {
		names[i] = one.name
	}
	return names
}

// measures tells whether the plan has a part. No clients, or no result, leave out what is
// about them.
func (p plan) measures(name string) bool {
	switch name {
	case "crowd":
		if p.idle <= crowdWorkers {
			return false
		}
	case "memory":
		if p.idle == 0 {
			return false
		}
	case "fairness":
		if p.result == 0 {
			return false
		}
	}
	return slices.Contains(p.parts, name)
}

// measureAll measures the parts of a plan one after the other.
func (r *report) measureAll(ctx context.Context, b *builder, p plan, names []string) error {
	for _, one := range parts {
		if !p.measures(one.name) {
			continue
		}
		if err := one.measure(r, ctx, b, p, names); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

// inRounds calls do for each round.
func (r *report) inRounds(ctx context.Context, p plan, do func(round string) error) error {
	for round := range p.rounds {
		if err := r.noticeOthers(ctx); err != nil {
			return err
		}
		if err := do(fmt.Sprintf("round %d/%d", round+1, p.rounds)); err != nil {
			return err
		}
	}
	return nil
}

// only keeps of some chains' names those that are wanted, in their order.
func only(names []string, wanted ...string) []string {
	var kept []string
	for _, name := range names {
		if slices.Contains(wanted, name) {
			kept = append(kept, name)
		}
	}
	return kept
}

// checkParts refuses the names of none.
func checkParts(names []string) error {
	for _, name := range names {
		if !slices.Contains(partNames(), name) {
			return fmt.Errorf("-parts: %q is none of %s", name, strings.Join(partNames(), ", "))
		}
	}
	return nil
}
