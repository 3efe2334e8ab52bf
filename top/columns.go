package top

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// column is a column of a view.
type column struct {
	title string
	right bool // its values stand at the right, as numbers do
	rank  int  // where there is no room, the columns of the highest rank go first; 0 never goes
}

const gap = 1 // between columns

// A column of text is cut to what is comfortable before any column goes, and no further than
// to what is narrowest when none is left that may.
const (
	comfortable = 22
	narrowest   = 6
)

// fit chooses the columns that there is room for, and their widths.
func fit(columns []column, rows [][]string, width int) (shown []int, widths []int) {
	natural := make([]int, len(columns))
	for i, c := range columns {
		natural[i] = displaywidth.String(c.title)
		for _, r := range rows {
			natural[i] = max(natural[i], displaywidth.String(r[i]))
		}
		shown = append(shown, i)
	}
	for {
		widths = widths[:0]
		for _, i := range shown {
			widths = append(widths, natural[i])
		}
		if shrink(columns, shown, widths, width, comfortable) {
			return shown, widths
		}
		last := -1 // the one to go
		for at, i := range shown {
			if columns[i].rank > 0 && (last < 0 || columns[i].rank >= columns[shown[last]].rank) {
				last = at
			}
		}
		if last < 0 {
			shrink(columns, shown, widths, width, narrowest)
			return shown, widths
		}
		shown = append(shown[:last:last], shown[last+1:]...)
	}
}

// shrink cuts columns of text, the widest first and none below least, until all fit; false:
// they do not.
func shrink(columns []column, shown, widths []int, width, least int) bool {
	for total(widths) > width {
		widest := -1
		for at, i := range shown {
			if !columns[i].right && widths[at] > least && (widest < 0 || widths[at] > widths[widest]) {
				widest = at
			}
		}
		if widest < 0 {
			return false
		}
		widths[widest]--
	}
	return true
}

func total(widths []int) int {
	sum := gap * max(0, len(widths)-1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// pad brings a text to a width, and cuts it where it is too long.
func pad(text string, width int, right bool, more string) string {
	w := displaywidth.String(text)
	switch {
	case w > width:
		return cut(text, width, more)
	case right:
		return strings.Repeat(" ", width-w) + text
	}
	return text + strings.Repeat(" ", width-w)
}

// cut ends a text that is too long with the sign that there is more of it.
func cut(text string, width int, more string) string {
	if displaywidth.String(text) <= width {
		return text
	}
	if width < 1 {
		return ""
	}
	var b strings.Builder
	used := 1 // the sign's
	g := displaywidth.StringGraphemes(text)
	for g.Next() {
		if used += g.Width(); used > width {
			used -= g.Width()
			break
		}
		b.WriteString(g.Value())
	}
	return b.String() + more + strings.Repeat(" ", width-used)
}

// printable has no control characters: names are the clients' to make up, and none of them is
// to reach a terminal as a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
