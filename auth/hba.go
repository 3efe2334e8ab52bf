package auth

import (
	"fmt"
	"slices"
)

// hbaRule makes a rule of a line of pg_hba.conf, and says in PostgreSQL's own
// words what is wrong with it. It stops at the first part that is at fault,
// behind which nothing is sure to be where it should.
func hbaRule(r record, fault func(format string, args ...any)) *builder {
	b := &builder{rule: rule{place: fmt.Sprintf("%s:%d", r.file, r.line)}}
	b.report = func(_, format string, args ...any) { fault(format, args...) }
	line := &lineReader{builder: b, fields: r.fields}
	for _, part := range []func(){line.link, line.databases, line.users, line.addresses, line.method, line.options} {
		if part(); b.faulty {
			break
		}
	}
	return b
}

// lineReader takes the fields of a line one by one.
type lineReader struct {
	*builder
	fields [][]word
}

// field is the next one, which may be of several words; nil when there is none.
func (l *lineReader) field(what string) []word {
	if len(l.fields) == 0 {
		l.fault("", "end-of-line before %s", what)
		return nil
	}
	f := l.fields[0]
	l.fields = l.fields[1:]
	return f
}

// word is the next field, which must be of one word.
func (l *lineReader) word(what, plural string) (word, bool) {
	f := l.field(what)
	if len(f) > 1 {
		l.fault("", "multiple values specified for %s", plural)
	}
	if len(f) != 1 {
		return word{}, false
	}
	return f[0], true
}

func (l *lineReader) link() {
	if w, ok := l.word("connection type", "connection type"); ok {
		l.setLink(w.text)
	}
}

func (l *lineReader) databases() {
	l.setNames(&l.rule.databases, "", l.field("database specification"), databaseName)
}

func (l *lineReader) users() {
	l.setNames(&l.rule.users, "", l.field("role specification"), userName)
}

func (l *lineReader) addresses() {
	if l.rule.link == linkLocal {
		return
	}
	w, ok := l.word("IP address specification", "host address")
	if !ok || !l.setAddress(w) {
		return
	}
	if mask, ok := l.word("netmask specification", "netmask"); ok {
		l.setMask(mask.text)
	}
}

func (l *lineReader) method() {
	if w, ok := l.word("authentication method", "authentication type"); ok {
		l.setMethod(w.text)
	}
}

func (l *lineReader) options() {
	var options []string
	for _, w := range slices.Concat(l.fields...) {
		options = append(options, w.text)
	}
	l.setOptions("", options)
}
