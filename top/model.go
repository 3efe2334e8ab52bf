package top

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Model is what is shown: the last two samples, and what the keys have chosen. It has no
// clock and does no I/O. It is for one goroutine.
type Model struct {
	target   string        // what is looked at, in words
	interval time.Duration // between samples
	paused   bool          // no samples are taken
	trouble  string        // why there is no new sample; "" = there is one

	now, before *sample
	anew        bool // the next sample has none before it
	view        int
	sorting     [6]sorting // of each view
	filter      string
	typing      bool // the filter is being typed
	help        bool
	offset      int // rows that are scrolled past
	signs       *symbols
}

// sorting is by which column a view is sorted.
type sorting struct {
	column  int
	falling bool
}

// NewModel has nothing to show yet. unicode: the terminal shows more than ASCII.
func NewModel(target string, interval time.Duration, unicode bool) *Model {
	m := &Model{target: target, interval: interval, signs: &asciiSigns, trouble: "connecting"}
	if unicode {
		m.signs = &unicodeSigns
	}
	for i, v := range views {
		m.sorting[i] = sorting{v.sort, v.falling}
	}
	return m
}

// take shows a sample.
func (m *Model) take(s *sample) {
	m.before, m.now, m.trouble = m.now, s, ""
	m.target = cmp.Or(s.target, m.target) // by another way, perhaps
	if m.anew {
		m.before, m.anew = nil, false
	}
}

// lost says why there is no newer sample. Rates begin anew.
func (m *Model) lost(why string) { m.trouble, m.anew = why, true }

// late says that the next sample takes long.
func (m *Model) late() {
	if m.now != nil {
		m.trouble = "no answer since " + m.now.at.Format(time.TimeOnly)
	}
}

// wanted is the tables that the next sample has to have.
func (m *Model) wanted() []string { return views[m.view].wanted() }

// SetView opens a view by its name or number, if there is one.
func (m *Model) SetView(name string) {
	if i := viewOf(name); i >= 0 && m.view != i {
		m.view, m.offset = i, 0
	}
}

// HasView reports whether there is a view of a name or number.
func HasView(name string) bool { return viewOf(name) >= 0 }

func viewOf(name string) int {
	for i, v := range views {
		if v.name == name || strconv.Itoa(i+1) == name {
			return i
		}
	}
	return -1
}

// Shortest is the least time between samples.
const Shortest = 100 * time.Millisecond

// longest is the most that keys choose.
const longest = time.Minute

// key takes a key: a letter, or the name of another key. True: the page is to be left.
func (m *Model) key(key string) (quit bool) {
	if m.typing {
		m.typed(key)
		return key == "Ctrl-C"
	}
	if m.help { // any key closes it
		m.help = false
		return key == "q" || key == "Ctrl-C"
	}
	switch key {
	case "q", "Ctrl-C":
		return true
	case "?", "h", "F1":
		m.help = true
	case " ":
		m.paused = !m.paused
	case "/":
		m.typing = true
	case "Esc":
		m.filter, m.offset = "", 0
	case "<", "Left", ",":
		m.sortBy(-1)
	case ">", "Right", ".", "s":
		m.sortBy(1)
	case "r":
		m.sorting[m.view].falling = !m.sorting[m.view].falling
	case "+", "=":
		m.interval = max(m.interval/2, Shortest)
	case "-":
		m.interval = min(m.interval*2, longest)
	case "Tab":
		m.SetView(strconv.Itoa((m.view+1)%len(views) + 1))
	case "Backtab":
		m.SetView(strconv.Itoa((m.view+len(views)-1)%len(views) + 1))
	case "Down", "j":
		m.offset++
	case "Up", "k":
		m.offset--
	case "PgDn":
		m.offset += 10
	case "PgUp":
		m.offset -= 10
	case "Home":
		m.offset = 0
	default:
		m.SetView(key)
	}
	return false
}

// typed edits the filter.
func (m *Model) typed(key string) {
	switch {
	case key == "Enter":
		m.typing = false
	case key == "Esc":
		m.typing, m.filter = false, ""
	case key == "Backspace":
		if letters := []rune(m.filter); len(letters) > 0 {
			m.filter = string(letters[:len(letters)-1])
		}
	default:
		if letters := []rune(key); len(letters) == 1 && unicode.IsPrint(letters[0]) {
			m.filter += key
		}
	}
	m.offset = 0
}

func (m *Model) sortBy(step int) {
	n, s := len(views[m.view].columns), &m.sorting[m.view]
	s.column = (s.column + step + n) % n
	s.falling = views[m.view].columns[s.column].right
}

// lines are the rows of the view that pass the filter, in order.
func (m *Model) lines() []line {
	v, s := &views[m.view], m.sorting[m.view]
	all := v.rows(m.now, m.signs)
	for _, l := range all {
		for i := range l.cells {
			l.cells[i] = printable(l.cells[i])
		}
	}
	all = slices.DeleteFunc(all, func(l line) bool { return !m.passes(l) })
	slices.SortStableFunc(all, func(a, b line) int {
		c := compare(a.cells[s.column], b.cells[s.column])
		if s.falling {
			return -c
		}
		return c
	})
	return all
}

// passes reports whether the filter is in one of a row's cells, in whatever case.
func (m *Model) passes(l line) bool {
	want := strings.ToLower(m.filter)
	return want == "" || slices.ContainsFunc(l.cells, func(cell string) bool { return strings.Contains(strings.ToLower(cell), want) })
}

// compare orders what is empty before numbers and times, those by what they are, and these
// before all else, which goes by its letters.
func compare(a, b string) int {
	x, kindOfA := quantity(a)
	y, kindOfB := quantity(b)
	return cmp.Or(cmp.Compare(kindOfA, kindOfB), cmp.Compare(x, y), cmp.Compare(a, b))
}

// kind is what a cell is taken for where it is sorted, in order.
type kind byte

const (
	empty kind = iota
	number
	words
)

// quantity reads a number, or what symbols.wait writes; 0 of what is none.
func quantity(text string) (float64, kind) {
	if text == "" {
		return 0, empty
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return n, number
	}
	if d, err := time.ParseDuration(strings.ReplaceAll(text, " ", "")); err == nil {
		return d.Seconds(), number
	}
	return 0, words
}
