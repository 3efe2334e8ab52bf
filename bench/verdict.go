package main

import (
	"fmt"

	"portero/internal/page"
)

// verdict is one line of "To reach".
type verdict struct {
	reached bool
	what    string
	ours    string // Portero's figure
	theirs  string // what it is compared with, in the same run
	ratio   string
	aim     string
}

// figure is a value, and how it is written.
type figure struct {
	value float64
	text  string
}

func micros(v float64) figure { return figure{v, number(v, 1) + " µs"} }

// of puts a chain's name before a figure.
func (f figure) of(chain string) figure { return figure{f.value, label(chain) + " " + f.text} }

// with adds what is to be read beside a figure.
func (f figure) with(format string, args ...any) figure {
	return figure{f.value, f.text + fmt.Sprintf(format, args...)}
}

// atMost compares where less is better.
func atMost(what string, ours, theirs figure, aim float64) verdict {
	ratio := ours.value / theirs.value
	return verdict{ratio <= aim, what, ours.text, theirs.text, times(ratio), "at most " + times(aim)}
}

// atLeast compares where more is better.
func atLeast(what string, ours, theirs figure, aim float64) verdict {
	ratio := ours.value / theirs.value
	return verdict{ratio >= aim, what, ours.text, theirs.text, times(ratio), "at least " + times(aim)}
}

func times(ratio float64) string { return number(ratio, 2) + " x" }

// verdicts are all that the run has the figures for.
func (r report) verdicts() []verdict {
	var all []verdict
	for _, some := range []func() []verdict{
		r.pgbouncerVerdicts, r.haproxyVerdicts, r.loopVerdicts, r.tailVerdicts, r.crowdVerdicts,
		r.memoryVerdicts, r.loginVerdicts, r.stormVerdicts, r.transferVerdicts, r.encryptedVerdicts,
		r.fairnessVerdicts, r.beforeVerdicts,
	} {
		all = append(all, some()...)
	}
	return all
}

// verdictText is the verdicts as a table, below how many there are.
func verdictText(all []verdict) string {
	rows := [][]string{{"", "what", "Portero", "compared with", "ratio", "aim"}}
	passed := 0
	for _, v := range all {
		word := "**short**"
		if v.reached {
			word = "pass"
			passed++
		}
		rows = append(rows, []string{word, v.what, v.ours, v.theirs, v.ratio, v.aim})
	}
	return fmt.Sprintf("To reach: %d of %d pass.\n\n", passed, len(all)) + page.Table(rows, "llllrl")
}
