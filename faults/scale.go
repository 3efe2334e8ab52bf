package main

import (
	"slices"
	"time"
)

const (
	plotAfter   = 3 * time.Second  // of regained work
	plotLongest = 40 * time.Second // of what comes after the fault
)

// series is what is drawn in one panel: rows confirmed in each step, of which the first begins
// plotBefore the fault.
type series struct {
	kind  *kind
	fault *fault
	steps []int
}

// typical is the run whose worst writer waited as long as the median, or a little less.
func typical(runs []*figures) *figures {
	sorted := slices.SortedFunc(slices.Values(runs), func(a, b *figures) int { return int(a.Worst - b.Worst) })
	return sorted[(len(sorted)-1)/2]
}

// span is how many steps a column shows: up to when the slowest chain has regained its work.
func span(column []*figures) int {
	var longest time.Duration
	for _, f := range column {
		longest = max(longest, f.Worst)
	}
	return int((plotBefore + min(plotLongest, longest+plotAfter)) / plotStep)
}

var (
	tops  = []int{1, 2, 3, 4, 6, 8} // of the vertical axis
	ticks = []int{1, 2, 5}          // of the time axis
)

// nice is the least of some digits times a power of ten that is at least n.
func nice(n int, digits []int) int {
	for power := 1; ; power *= 10 {
		for _, digit := range digits {
			if digit*power >= n {
				return digit * power
			}
		}
	}
}

// tick is the distance in seconds between the marks of an axis that is so many steps long: at
// most ten of them.
func tick(steps int) int {
	seconds := int(time.Duration(steps) * plotStep / time.Second)
	return nice((seconds+9)/10, ticks)
}

// bar is where step i of n lies on an axis of a width, from left up to and without right.
func bar(i, n, width int) (left, right int) { return i * width / n, (i + 1) * width / n }

// height is how high a bar of n is where top is at full.
func height(n, top, full int) int { return min(n, top) * full / top }
