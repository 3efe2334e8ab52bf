package main

import (
	"context"

	"portero/internal/page"
)

// encryptedClients are on the side of clients that is with TLS.
const encryptedClients = 64

// measureEncrypted has pgbench's clients use TLS.
func (r *report) measureEncrypted(ctx context.Context, b *builder, p plan, names []string) error {
	chains, err := startAll(ctx, b, only(names, pgbouncerName, beforeName, porteroName), door{encrypted: true})
	defer stopAll(chains)
	if err != nil {
		return err
	}
	runs := make(map[string][]figures)
	err = r.inRounds(ctx, p, func(round string) error {
		for _, c := range chains {
			got, err := measure(ctx, b, c, load{mode: "simple", clients: encryptedClients, seconds: p.seconds})
			if err != nil {
				return err
			}
			progress("%s: TLS, %d clients %-18s %6.0f tps %6.1f µs CPU  p50 %6.0f  p99 %6.0f",
				round, encryptedClients, label(c.name), got.tps, got.cpu, got.p50, got.p99)
			runs[c.name] = append(runs[c.name], got)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.encrypted = make(map[string]figures, len(runs))
	for name, all := range runs {
		r.encrypted[name] = medianFigures(all)
	}
	return nil
}

func (r report) encryptedTable() string {
	rows := [][]string{{"chain", "tps", "CPU µs/tx", "p50 µs", "p99 µs"}}
	for _, name := range kindNames() {
		if f, found := r.encrypted[name]; found {
			rows = append(rows, []string{label(name), number(f.tps, 0), number(f.cpu, 1), number(f.p50, 0), number(f.p99, 0)})
		}
	}
	return page.Table(rows, "lrrrr")
}
