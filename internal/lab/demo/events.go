package main

import (
	"context"
	"fmt"

	"portero/internal/lab"
)

// event is something that happens to the leader of a group.
type event struct {
	name string
	what string // for people, %s: the leader
	// happen makes it happen, and returns when nothing is left to do but to wait for health.
	happen func(ctx context.Context, g *lab.Group, leader *lab.Member) error
}

var events = []*event{
	{name: "switchover", what: "switchover away from %s", happen: switchover},
	{name: "crash", what: "kill -9 of postgres on %s", happen: crash},
	{name: "kill", what: "kill -9 of all on %s", happen: kill},
}

func switchover(ctx context.Context, g *lab.Group, leader *lab.Member) error {
	return g.Switchover(ctx)
}

func crash(ctx context.Context, g *lab.Group, leader *lab.Member) error {
	leader.KillPostgres()
	return nil
}

// kill is the death of the leader's host, which comes back once another leads.
func kill(ctx context.Context, g *lab.Group, leader *lab.Member) error {
	leader.KillAll()
	if _, err := g.WaitLeader(ctx, leader.Name); err != nil {
		return err
	}
	return leader.Restart()
}

func eventByName(name string) *event {
	for _, e := range events {
		if e.name == name {
			return e
		}
	}
	return nil
}

func eventNames() []string {
	var names []string
	for _, e := range events {
		names = append(names, e.name)
	}
	return names
}

func (e *event) describe(leader *lab.Member) string { return fmt.Sprintf(e.what, leader.Name) }
