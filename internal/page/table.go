package page

import (
	"strings"
	"unicode/utf8"
)

// Table lays out a Markdown table whose first row is its head; columns has l (left) or r (right)
// for each column. It is aligned, so that it reads as well in a terminal.
func Table(rows [][]string, columns string) string {
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b strings.Builder
	for n, row := range rows {
		for i, text := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			if columns[i] == 'r' {
				text = pad + text
			} else {
				text += pad
			}
			b.WriteString("| " + text + " ")
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(rule(widths, columns))
		}
	}
	return b.String()
}

// rule is the line below the head; a colon marks a column aligned to the right.
func rule(widths []int, columns string) string {
	var b strings.Builder
	for i, width := range widths {
		dashes := strings.Repeat("-", width)
		if columns[i] == 'r' {
			dashes = dashes[:width-1] + ":"
		}
		b.WriteString("| " + dashes + " ")
	}
	b.WriteString("|\n")
	return b.String()
}
