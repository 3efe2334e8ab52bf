package top

import (
	"fmt"
	"time"
)

// style is how a piece of text looks, by what it means.
type style byte

// The styles.
const (
	plain style = iota
	bold
	dim
	head // of a table
	tab  // the one that is open
	good
	warn
	alarm
)

// span is a piece of text of one style.
type span struct {
	text  string
	style style
}

// symbols are the signs that a terminal can show.
type symbols struct {
	more, up, down, yes, bar, micro string
}

var (
	unicodeSigns = symbols{more: "…", up: "▲", down: "▼", yes: "●", bar: " · ", micro: "µs"}
	asciiSigns   = symbols{more: "~", up: "^", down: "v", yes: "*", bar: " | ", micro: "us"}
)

// wait is a time in few letters; "" for none.
func (s *symbols) wait(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d < time.Millisecond:
		return fmt.Sprintf("%d %s", d.Microseconds(), s.micro)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
