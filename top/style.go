package top

import (
	"fmt"
	"time"
)

// Style is how a piece of text looks, by what it means.
type Style byte

// The styles.
const (
	Plain Style = iota
	Bold
	Dim
	Head // of a table
	Tab  // the one that is open
	Good
	Warn
	Alarm
)

// Span is a piece of text of one style.
type Span struct {
	Text  string
	Style Style
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
