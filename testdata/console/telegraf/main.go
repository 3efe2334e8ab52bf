// Command telegraf asks a console as Telegraf's input pgbouncer does, and prints what that has
// gathered: measurement, tags and fields on a line.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/plugins/common/postgresql"
	"github.com/influxdata/telegraf/plugins/inputs/pgbouncer"
	"github.com/influxdata/telegraf/testutil"
)

func main() {
	if err := gather(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func gather(address string) error {
	input := &pgbouncer.PgBouncer{
		Config:       postgresql.Config{Address: config.NewSecret([]byte(address)), IsPgBouncer: true},
		ShowCommands: []string{"stats", "pools", "lists", "databases"},
	}
	if err := input.Init(); err != nil {
		return err
	}
	var all testutil.Accumulator
	if err := input.Start(&all); err != nil {
		return err
	}
	defer input.Stop()
	if err := input.Gather(&all); err != nil {
		return err
	}
	for _, m := range all.Metrics {
		fmt.Print(m.Measurement, " db=", m.Tags["db"], " user=", m.Tags["user"])
		for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
			fmt.Printf(" %s=%v", name, m.Fields[name])
		}
		fmt.Println()
	}
	return nil
}
