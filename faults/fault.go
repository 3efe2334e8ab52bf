package main

import (
	"context"

	"portero/internal/lab"
)

// fault is something that happens to the cluster.
type fault struct {
	name string // on the command line
	what string // in the tables
	// before is done before there are clients; nil: nothing.
	before func(ctx context.Context, s *stage) error
	// happen makes it happen, and returns when nothing is left to do but to wait for health.
	happen func(ctx context.Context, s *stage, leader *lab.Member) error
	plot   bool // it is drawn
}

// faults are in the order of the tables, in which they also happen.
var faults = []*fault{
	{name: "switchover", what: "planned switchover (REST)", happen: switchover, plot: true},
	{name: "crash", what: "postgres killed, Patroni alive", happen: crash, plot: true},
}

func faultByName(name string) *fault {
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	return nil
}

func faultNames() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}
