package translate

import (
	"strings"
	"unicode/utf8"
)

// Source is a file that is to be translated.
type Source struct {
	Name string // as messages show it
	Text string
}

// Kind is whose file one is.
type Kind int

// The kinds of files.
const (
	Unknown Kind = iota
	PgBouncer
	HAProxy
	Patroni
)

// KindOf tells whose file it is by its name, else by what stands in it. A
// proxy.toml is Unknown.
func KindOf(s Source) Kind {
	switch {
	case strings.HasSuffix(s.Name, ".ini"):
		return PgBouncer
	case strings.HasSuffix(s.Name, ".yml"), strings.HasSuffix(s.Name, ".yaml"):
		return Patroni
	case strings.HasSuffix(s.Name, ".cfg"):
		return HAProxy
	case strings.HasSuffix(s.Name, ".toml"):
		return Unknown
	}
	for line := range strings.Lines(s.Text) {
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(line, " ")
		switch {
		case line == "[pgbouncer]", line == "[databases]":
			return PgBouncer
		case word == "listen", word == "frontend", line == "global", line == "defaults":
			return HAProxy
		case word == "scope:":
			return Patroni
		}
	}
	return Unknown
}

// Options is what a translation asks its caller for.
type Options struct {
	// Read reads a file that another includes, by the name that stands there.
	Read func(name string) ([]byte, error)
	// FileName is how proxy.toml is to name a file: PgBouncer takes a name from its
	// working directory, Portero from the folder of proxy.toml.
	FileName func(name string) string
}

// Translation is a proxy.toml, and what there is to say of it.
type Translation struct {
	TOML    string
	Remarks []Remark // what is not taken over, why, and what to look at

	origins map[string]Place
}

// Files translates one file of each kind, or less, but not none. Where the files cannot be
// what their owners read, an error of type Faults has all that is wrong.
func Files(sources []Source, o Options) (*Translation, error) {
	b := &builder{Options: o}
	names := make([]string, 0, len(sources))
	for _, s := range sources {
		names = append(names, s.Name)
		b.take(s)
	}
	if len(b.bad.list) > 0 && b.ini == nil {
		return nil, b.bad.list // without which there is nothing more to be found
	}
	b.build()
	if len(b.bad.list) > 0 {
		return nil, b.bad.list
	}
	b.doc.sortRemarks()
	return &Translation{TOML: b.doc.text(names), Remarks: b.doc.remarks, origins: b.doc.origins()}, nil
}

// Origin is where a key of the proxy.toml comes from, as faults of the
// configuration name keys; ok is false where none of the files is to blame.
func (t *Translation) Origin(key string) (at Place, ok bool) {
	for ; key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		if at, ok := t.origins[key]; ok {
			return at, true
		}
	}
	return Place{}, false
}

// take reads a source, whose kind is told by KindOf.
func (b *builder) take(s Source) {
	at := Place{File: s.Name}
	if !utf8.ValidString(s.Text) {
		b.bad.add(at, "is not in UTF-8")
		return
	}
	s.Text = strings.TrimPrefix(s.Text, "\ufeff")
	again := false
	switch KindOf(s) {
	case PgBouncer:
		again = b.ini != nil
		ini := readINI(s.Name, s.Text, b.Read, &b.bad)
		b.ini, b.iniAt = &ini, at
	case HAProxy:
		again = b.haproxy != nil
		h := readHAProxy(s.Name, s.Text, &b.bad)
		b.haproxy = &h
	case Patroni:
		again = b.patroni != nil
		p := readPatroni(s.Name, s.Text, &b.bad)
		b.patroni = &p
	default:
		b.bad.add(at, "is none of pgbouncer.ini, haproxy.cfg and patroni.yml, by its name and by what stands in it")
	}
	if again {
		b.bad.add(at, "is the second file of its kind: one of each can be translated")
	}
}
