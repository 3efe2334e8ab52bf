package translate

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// document is a proxy.toml that is being written.
type document struct {
	tables  []*table
	remarks []Remark // what is told at its end
	idle    []string // settings without a counterpart that stood at their default
	chain   []string // what was decided of the chain, told at the beginning
}

// table is one [name] or [[name]] of the file.
type table struct {
	path  string   // "pool", "route[2]", "route[2].tls": as faults of the configuration name it
	head  string   // "[pool]", "[[route]]"
	notes []string // above the head
	lines []line
}

type line struct {
	key, value string
	note       string
	aside      bool // an example: its # is to be taken away
	at         Place
}

// table is the table of that name, which is made if it is not there yet.
func (d *document) table(name string) *table {
	for _, t := range d.tables {
		if t.path == name {
			return t
		}
	}
	t := &table{path: name, head: "[" + name + "]"}
	d.tables = append(d.tables, t)
	return t
}

// item begins one more [[name]].
func (d *document) item(name string) *table {
	n := 1
	for _, t := range d.tables {
		if t.head == "[["+name+"]]" {
			n++
		}
	}
	t := &table{path: fmt.Sprintf("%s[%d]", name, n), head: "[[" + name + "]]"}
	d.tables = append(d.tables, t)
	return t
}

// below begins the table name of the item t, [listener.tls].
func (d *document) below(t *table, name string) *table {
	inner := &table{path: t.path + "." + name, head: "[" + strings.Trim(t.head, "[]") + "." + name + "]"}
	d.tables = append(d.tables, inner)
	return inner
}

func (t *table) set(at Place, key, value, note string) {
	t.lines = append(t.lines, line{key: key, value: value, note: note, at: at})
}

func (t *table) has(key string) bool {
	for _, l := range t.lines {
		if l.key == key && !l.aside {
			return true
		}
	}
	return false
}

// sort puts the lines in the order in which typ, a struct of the configuration, has
// them, and so has proxy.toml.example.
func (t *table) sort(typ reflect.Type) {
	place := make(map[string]int)
	for i := range typ.NumField() {
		place[typ.Field(i).Tag.Get("toml")] = i - typ.NumField()
	}
	slices.SortStableFunc(t.lines, func(a, b line) int { return cmp.Compare(place[a.key], place[b.key]) })
}

func (d *document) remark(at Place, format string, args ...any) {
	d.remarks = append(d.remarks, Remark{at, fmt.Sprintf(format, args...)})
}

// sortRemarks puts them in the order of the lines of each file.
func (d *document) sortRemarks() {
	rank := make(map[string]int)
	for _, r := range d.remarks {
		if _, known := rank[r.File]; !known {
			rank[r.File] = len(rank)
		}
	}
	slices.SortStableFunc(d.remarks, func(a, b Remark) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line))
	})
}

// origins is where each key of the file comes from.
func (d *document) origins() map[string]Place {
	from := make(map[string]Place)
	for _, t := range d.tables {
		for _, l := range t.lines {
			if l.aside || l.at == (Place{}) {
				continue
			}
			from[t.path+"."+l.key] = l.at
			if _, known := from[t.path]; !known {
				from[t.path] = l.at
			}
		}
	}
	return from
}

// notesColumn is where notes begin, as in proxy.toml.example.
const notesColumn = 40

func (t *table) write(b *strings.Builder) {
	b.WriteByte('\n')
	for _, note := range t.notes {
		writeNote(b, note)
	}
	b.WriteString(t.head + "\n")
	for _, l := range t.lines {
		text := l.key + " = " + l.value
		if l.aside {
			text = "#" + text
		}
		if l.note != "" {
			text = fmt.Sprintf("%-*s# %s", notesColumn, text+" ", printable(l.note))
		}
		b.WriteString(text + "\n")
	}
}

// noteWidth is where a note on lines of its own is broken.
const noteWidth = 100

func writeNote(b *strings.Builder, text string) {
	width := 0
	for i, w := range strings.Fields(printable(text)) {
		switch {
		case i == 0:
			b.WriteString("# " + w)
			width = len(w)
		case width+1+len(w) > noteWidth:
			b.WriteString("\n#   " + w)
			width = 2 + len(w)
		default:
			b.WriteString(" " + w)
			width += 1 + len(w)
		}
	}
	b.WriteByte('\n')
}

// printable keeps a comment on its line, whatever was in the file.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// order is that of proxy.toml.example.
var order = []string{"admin", "log", "listener", "cluster", "route", "user", "pool", "auth"}

// text is the whole file.
func (d *document) text(from []string) string {
	var b strings.Builder
	writeNote(&b, "Portero's configuration, translated from "+strings.Join(from, ", ")+" by portero import.")
	writeNote(&b, "What is not here is at Portero's default: proxy.toml.example has all settings.")
	for _, note := range d.chain {
		b.WriteString("#\n")
		writeNote(&b, note)
	}
	for _, name := range order {
		for _, t := range d.tables {
			if root, _, _ := strings.Cut(strings.Trim(t.head, "[]"), "."); root == name && (len(t.lines) > 0 || len(t.notes) > 0) {
				t.write(&b)
			}
		}
	}
	if len(d.remarks)+len(d.idle) > 0 {
		b.WriteString("\n\n# What is not taken over, and why.\n#\n")
	}
	for _, r := range d.remarks {
		writeNote(&b, r.String())
	}
	if len(d.idle) > 0 {
		writeNote(&b, "At PgBouncer's defaults, and nothing to do with Portero: "+strings.Join(d.idle, ", ")+".")
	}
	return b.String()
}
