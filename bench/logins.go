package main

import (
	"context"

	"portero/internal/page"
)

// entrance is one line of the table of logins: by which chain, through which door.
type entrance struct {
	chain string
	door  door
}

// loginClients log in again and again, each from a thread of its own: pgbench waits for a
// login before it does anything else.
const loginClients = 2

// measureLogins has pgbench log in for each transaction, through each door.
func (r *report) measureLogins(ctx context.Context, b *builder, p plan, names []string) error {
	runs := make(map[entrance][]figures)
	names = only(names, pgbouncerName, beforeName, porteroName)
	for _, d := range doors {
		if err := r.measureDoor(ctx, b, p, names, d, runs); err != nil {
			return err
		}
	}
	r.logins = make(map[entrance]figures, len(runs))
	for key, all := range runs {
		r.logins[key] = medianFigures(all)
	}
	return nil
}

func (r *report) measureDoor(ctx context.Context, b *builder, p plan, names []string, d door, runs map[entrance][]figures) error {
	chains, err := startAll(ctx, b, names, d)
	defer stopAll(chains)
	if err != nil {
		return err
	}
	return r.inRounds(ctx, p, func(round string) error {
		for _, c := range chains {
			got, err := measure(ctx, b, c, load{mode: "simple", clients: loginClients, seconds: p.seconds, connect: true})
			if err != nil {
				return err
			}
			progress("%s: logins, %-12s %-18s %6.0f/s %7.1f µs CPU", round, d, label(c.name), got.tps, got.cpu)
			key := entrance{c.name, d}
			runs[key] = append(runs[key], got)
		}
		return nil
	})
}

func (r report) loginTable() string {
	rows := [][]string{{"door", "chain", "logins/s", "CPU µs/login"}}
	for _, d := range doors {
		for _, name := range kindNames() {
			if f, found := r.logins[entrance{name, d}]; found {
				rows = append(rows, []string{d.String(), label(name), number(f.tps, 0), number(f.cpu, 1)})
			}
		}
	}
	return page.Table(rows, "llrr")
}
