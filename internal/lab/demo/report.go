package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"portero/internal/lab"
)

const (
	width     = 96
	tableLine = "%-33s %12s %12s %10s %10s %8s %6s\n"
)

// printOutcomes prints two lines or more per event.
func printOutcomes(outcomes []*outcome) {
	fmt.Printf("\n"+tableLine, "", "database", "clients of", "Portero", "", "rows", "")
	fmt.Printf(tableLine, "event", "unwritable", "all waited", "worst", "added", "lost", "twice")
	fmt.Println(strings.Repeat("─", width))
	for _, o := range outcomes {
		fmt.Printf(tableLine, o.what, inSeconds(o.unwritable), inSeconds(o.paused), inSeconds(o.worst),
			added(o), fmt.Sprint(o.lost), fmt.Sprint(o.twice))
		fmt.Println(wrap("  errors: ", errorList(o.errors)))
		fmt.Printf("  reconnects: %d\n", o.reconnects)
	}
	fmt.Print(`
unwritable  the longest time in which no member took a write, asked of each every 5 ms
all waited  the longest time in which no client of Portero had a write acknowledged
worst       the same for the one client that waited longest
added       worst - unwritable: what Portero adds
`)
}

// printSpread prints, per kind of event, the least, the middle and the most.
func printSpread(outcomes []*outcome) {
	const line = "%-12s %4s   %-25s %-25s %s\n"
	fmt.Printf("\n"+line, "min/med/max", "runs", "database unwritable", "all clients wait", "worst client")
	fmt.Println(strings.Repeat("─", width))
	for _, e := range events {
		var unwritable, paused, worst []time.Duration
		for _, o := range outcomes {
			if o.event == e {
				unwritable = append(unwritable, o.unwritable)
				paused = append(paused, o.paused)
				worst = append(worst, o.worst)
			}
		}
		if len(paused) > 0 {
			fmt.Printf(line, e.name, fmt.Sprint(len(paused)), spread(unwritable), spread(paused), spread(worst))
		}
	}
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	last := len(d) - 1
	median := (d[last/2] + d[(last+1)/2]) / 2
	return fmt.Sprintf("%.2f / %.2f / %.2f s", d[0].Seconds(), median.Seconds(), d[last].Seconds())
}

// added is what Portero adds, no finer than the prober's own steps.
func added(o *outcome) string {
	d := (o.worst - o.unwritable).Round(10 * time.Millisecond)
	if d == 0 {
		return "0.00 s"
	}
	return fmt.Sprintf("%+.2f s", d.Seconds())
}

func inSeconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// meanings are words for the SQLSTATEs of a failover.
var meanings = map[string]string{
	"08006": "server lost in a transaction", "08007": "outcome of a commit unknown",
	"57P01": "server shut down", "57P03": "server not ready", "25006": "server is read-only",
	"25P02": "transaction failed before", lab.Cut: "client cut off", lab.RolledBack: "COMMIT rolled back",
}

func errorList(errors map[string]int) []string {
	if len(errors) == 0 {
		return []string{"none"}
	}
	var list []string
	for _, state := range slices.Sorted(maps.Keys(errors)) {
		text := fmt.Sprintf("%d × %s", errors[state], state)
		if m := meanings[state]; m != "" {
			text += " (" + m + ")"
		}
		list = append(list, text)
	}
	return list
}

// wrap joins items by commas into lines of the table's width, indented below the label.
func wrap(label string, items []string) string {
	var text strings.Builder
	column := 0
	for i, item := range items {
		if i < len(items)-1 {
			item += ","
		}
		before := " "
		if i == 0 {
			before, column = label, utf8.RuneCountInString(label)
		}
		if n := 1 + utf8.RuneCountInString(item); column+n <= width {
			column += n
		} else {
			before = "\n" + strings.Repeat(" ", utf8.RuneCountInString(label))
			column = len(before) + n
		}
		text.WriteString(before + item)
	}
	return text.String()
}
