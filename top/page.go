package top

import (
	"fmt"
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// page is what a terminal shows: a line of spans for each of its own, none longer than it is
// wide.
type page [][]span

const (
	headLines = 5 // above the rows: title, figures, leaders, tabs, names of columns
	footLines = 1
)

// page makes the page for a terminal of a size.
func (m *Model) page(width, height int) page {
	if height <= 0 {
		return nil
	}
	if m.help {
		return m.helpPage(width, height)
	}
	var p page
	if m.now == nil {
		p = append(p, []span{{"portero top", bold}, {"  " + m.target, plain}})
	} else {
		rows, extent := m.table(width, max(0, height-headLines-footLines))
		p = append(p, m.withClock(m.title(), width), m.figures(), m.leaders(), m.tabs(width, extent))
		p = append(p, rows...)
	}
	for len(p) < height-footLines {
		p = append(p, nil)
	}
	p = append(p[:max(0, height-footLines)], m.foot(width))
	for i := range p {
		p[i] = clip(p[i], width, m.signs.more)
	}
	return p
}

// withClock adds, at the right, when the sample was taken, if there is room.
func (m *Model) withClock(spans []span, width int) []span {
	clock := m.now.at.Format("15:04:05") + "  " + m.pace()
	used := 0
	for _, s := range spans {
		used += displaywidth.String(s.text)
	}
	if room := width - used - len(clock); room > 1 {
		spans = append(spans, span{strings.Repeat(" ", room) + clock, dim})
	}
	return spans
}

// table is the open view, with the names of its columns, in so many lines beside these. extent
// says which of its rows these are, where there are more.
func (m *Model) table(width, height int) (p page, extent string) {
	v := &views[m.view]
	if v.needs != "" && !m.now.has(v.needs) {
		if _, read := m.now.tables[v.needs]; !read {
			return page{{{"reading ...", dim}}}, ""
		}
		return page{{{"This console has no SHOW " + strings.ToUpper(v.needs) + ": it is no Portero's.", dim}}}, ""
	}
	lines := m.lines()
	var cells [][]string
	for _, l := range lines {
		cells = append(cells, l.cells)
	}
	columns := m.titles(v)
	shown, widths := fit(columns, cells, width)
	join := func(cell func(i int) string) string {
		var parts []string
		for at, i := range shown {
			parts = append(parts, pad(cell(i), widths[at], columns[i].right, m.signs.more))
		}
		return strings.Join(parts, strings.Repeat(" ", gap))
	}
	p = append(p, []span{{pad(join(func(i int) string { return columns[i].title }), width, false, m.signs.more), head}})
	m.offset = max(0, min(m.offset, len(lines)-height))
	for _, l := range lines[m.offset:min(len(lines), m.offset+height)] {
		p = append(p, []span{{strings.TrimRight(join(func(i int) string { return l.cells[i] }), " "), l.style}})
	}
	if len(lines) == 0 && height > 0 {
		p = append(p, []span{{m.nothing(v), dim}})
	}
	if height > 0 && len(lines) > height {
		extent = fmt.Sprintf("  %d-%d of %d", m.offset+1, m.offset+height, len(lines))
	}
	return p, extent
}

func (m *Model) nothing(v *view) string {
	if m.filter != "" {
		return "no " + v.name + " with \"" + m.filter + "\" in it"
	}
	return "no " + v.name
}

// titles are the columns, with a sign at the one that the view is sorted by.
func (m *Model) titles(v *view) []column {
	columns := append([]column(nil), v.columns...)
	s := m.sorting[m.view]
	sign := m.signs.up
	if s.falling {
		sign = m.signs.down
	}
	columns[s.column].title += sign
	return columns
}

const helpText = `portero top shows the console of a Portero; it changes nothing.

  1 pools      those who wait in red; SRV (at work), IDLE, LOGIN are servers
  2 clients    3 servers      4 groups and their members
  5 failovers  6 pins: why clients keep their servers

  Tab          the next view
  < >          sort by the column to the left or right; r turns it round
  /            filter by a text in any column; Esc drops it
  arrows       scroll; PgUp PgDn Home too
  space        pause; the page stays as it is
  + -          twice or half as often
  Ctrl-Z       suspend
  q Ctrl-C     quit`

func (m *Model) helpPage(width, height int) (p page) {
	for text := range strings.Lines(helpText) {
		p = append(p, clip([]span{{strings.TrimRight(text, "\n"), plain}}, width, m.signs.more))
	}
	for len(p) < height {
		p = append(p, nil)
	}
	p = p[:height]
	if height > 0 {
		p[height-1] = []span{{"any key goes back, q quits", dim}}
	}
	return p
}

// clip cuts a line off at a width.
func clip(spans []span, width int, more string) []span {
	var out []span
	for _, s := range spans {
		text := printable(s.text)
		w := displaywidth.String(text)
		if w > width {
			if width > 0 {
				out = append(out, span{cut(text, width, more), s.style})
			}
			return out
		}
		out, width = append(out, span{text, s.style}), width-w
	}
	return out
}

// text is the page without styles.
func (p page) text() string {
	var b strings.Builder
	for _, spans := range p {
		line := ""
		for _, s := range spans {
			line += s.text
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
