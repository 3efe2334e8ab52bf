package auth

import (
	"slices"
	"strings"
)

// identMaps is the lines of pg_ident.conf. Each lets one who is known to the
// system, or to a certificate, by one name log in by another.
type identMaps []identLine

type identLine struct {
	usermap string
	system  name // oneName or likeName
	user    name
	group   bool // user has a \1, for what the group of system has matched
}

// has says whether there is a map of that name.
func (m identMaps) has(usermap string) bool {
	return slices.ContainsFunc(m, func(l identLine) bool { return l.usermap == usermap })
}

// allow says whether a map lets system log in as user. With no map, the names
// must be equal.
func (m identMaps) allow(usermap, system, user string) bool {
	if usermap == "" {
		return system == user
	}
	return slices.ContainsFunc(m, func(l identLine) bool { return l.usermap == usermap && l.allows(system, user) })
}

func (l *identLine) allows(system, user string) bool {
	if !l.group {
		return l.system.is(system, "") && l.user.is(user, "")
	}
	part, ok := l.system.pattern.capture(system)
	return ok && user == strings.Replace(l.user.text, `\1`, part, 1)
}

// newIdentLine reads a line of pg_ident.conf: map, name in the system, user.
func newIdentLine(r record, fault func(format string, args ...any)) (identLine, bool) {
	var w [3]word
	if len(r.fields) > len(w) {
		fault("%q is one entry too many", r.fields[len(w)][0].text)
		return identLine{}, false
	}
	for i := range w {
		switch {
		case i >= len(r.fields):
			fault("missing entry at end of line")
			return identLine{}, false
		case len(r.fields[i]) > 1:
			fault("multiple values in ident field")
			return identLine{}, false
		}
		w[i] = r.fields[i][0]
	}
	l := identLine{usermap: w[0].text}
	var err error
	if l.system, err = plainName(w[1]); err == nil {
		l.user, err = userName(w[2])
	}
	if err == nil && l.system.kind == likeName && l.user.kind == oneName && strings.Contains(l.user.text, `\1`) {
		l.group = true
		err = captures(l.system.text[1:])
	}
	if err != nil {
		fault("%s", err)
		return identLine{}, false
	}
	return l, true
}
