package page

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Durations are one time of each of some runs, in any order.
type Durations []time.Duration

// Median of none is 0, as is the longest.
func (d Durations) Median() time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	last := len(d) - 1
	return (sorted[last/2] + sorted[(last+1)/2]) / 2
}

// Longest of them.
func (d Durations) Longest() time.Duration {
	if len(d) == 0 {
		return 0
	}
	return slices.Max(d)
}

// String is the median and the longest, in seconds.
func (d Durations) String() string { return Seconds(d.Median()) + " / " + Seconds(d.Longest()) }

// Seconds are those of a time, to two places.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()) }

// Tally is as "3 × 08006, 1 × 08007".
func Tally(errors map[string]int) string {
	if len(errors) == 0 {
		return "none"
	}
	var list []string
	for _, what := range slices.Sorted(maps.Keys(errors)) {
		list = append(list, fmt.Sprintf("%d × %s", errors[what], what))
	}
	return strings.Join(list, ", ")
}

// AddTally adds up what both have.
func AddTally(to, from map[string]int) {
	for what, n := range from {
		to[what] += n
	}
}
