package translate

import (
	"errors"
	"io/fs"
	"strings"
)

// mostIncludes is how deep PgBouncer lets files include each other.
const mostIncludes = 10

// entry is a line "key = value" of an ini file.
type entry struct {
	Place
	section, key, value string
}

// header is where a section begins; a section may begin several times.
type header struct {
	Place
	section string
	first   int // of the entries behind it
}

// ini is a pgbouncer.ini with all that it includes, in the order of reading.
type ini struct {
	headers []header
	entries []entry
}

// iniReader reads as libusual's cfparser does, but goes on after a fault. What it
// has in common with no other dialect: a value runs to the end of its line,
// there are no quotes and no comments behind it, and white space, newlines
// too, is skipped before a line.
type iniReader struct {
	read  func(name string) ([]byte, error)
	bad   *faults
	found ini
}

// readINI reads the text of a file; read is asked for those that it includes.
func readINI(name, text string, read func(name string) ([]byte, error), bad *faults) ini {
	r := iniReader{read: read, bad: bad}
	r.file(name, text, 0)
	return r.found
}

func (r *iniReader) file(name, text string, depth int) {
	if i := strings.IndexByte(text, 0); i >= 0 {
		text = text[:i] // where C stops
	}
	line := 0
	for raw := range strings.Lines(text) {
		line++
		r.line(Place{name, line}, strings.Trim(raw, iniSpace), depth)
	}
}

// iniSpace is what C's isspace says.
const iniSpace = " \t\n\v\f\r"

func (r *iniReader) line(at Place, text string, depth int) {
	rest, isInclude := strings.CutPrefix(text, "%include")
	switch {
	case text == "" || text[0] == '#' || text[0] == ';':
	case isInclude && rest != "" && (rest[0] == ' ' || rest[0] == '\t'):
		r.include(at, strings.Trim(rest, iniSpace), depth)
	case text[0] == '[':
		r.header(at, text, depth)
	default:
		r.entry(at, text)
	}
}

func (r *iniReader) include(at Place, name string, depth int) {
	if depth >= mostIncludes {
		r.bad.add(at, "%%include is nested more than %d deep", mostIncludes)
		return
	}
	text, err := r.read(name)
	if err != nil {
		r.bad.add(at, "cannot read %s: %s", name, reason(err))
		return
	}
	r.file(name, string(text), depth+1)
}

// header reads "[section]"; what stands behind it on its line is a line by itself.
func (r *iniReader) header(at Place, text string, depth int) {
	name, rest, closed := strings.Cut(text[1:], "]")
	if !closed {
		r.bad.add(at, "a section without the ] at its end")
		return
	}
	switch name {
	case "pgbouncer", "databases", "users", "peers":
	default:
		r.bad.add(at, "there is no section [%s]: [pgbouncer], [databases], [users] and [peers] are known", name)
	}
	r.found.headers = append(r.found.headers, header{at, name, len(r.found.entries)})
	r.line(at, strings.Trim(rest, iniSpace), depth)
}

func (r *iniReader) entry(at Place, text string) {
	end := 0
	for end < len(text) && isKeyByte(text[end]) {
		end++
	}
	key, rest := text[:end], strings.TrimLeft(text[end:], " \t")
	value, ok := strings.CutPrefix(rest, "=")
	switch {
	case !ok && key == "":
		r.bad.add(at, "a name has letters, digits and _ . - * only")
	case !ok:
		r.bad.add(at, "there is no = behind %s", key)
	case len(r.found.headers) == 0:
		r.bad.add(at, "%s stands before the first section", key)
	default:
		section := r.found.headers[len(r.found.headers)-1].section
		r.found.entries = append(r.found.entries, entry{at, section, key, strings.TrimLeft(value, " \t")})
	}
}

func isKeyByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_.-*", c) >= 0
}

// section is the entries of a section, in their order. Where [pgbouncer] begins
// again PgBouncer sets all back to its defaults; what it has none for (see
// setting.deflt) stays, and forgotten is the rest.
func (f ini) section(name string) (kept, forgotten []entry) {
	last := 0
	if name == mainSection {
		for _, h := range f.headers {
			if h.section == name {
				last = h.first
			}
		}
	}
	for i, e := range f.entries {
		switch {
		case e.section != name:
		case i < last && hasDefault(e.key):
			forgotten = append(forgotten, e)
		default:
			kept = append(kept, e)
		}
	}
	return kept, forgotten
}

const mainSection = "pgbouncer"

// reason is err without the path, which the message names itself.
func reason(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err.Error()
	}
	return err.Error()
}
