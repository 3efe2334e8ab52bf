package config

import (
	"fmt"
	"maps"
	"strings"
)

// Origins tells what has given the settings of a Config: a line of its file, a variable of
// the environment or the console. It is never changed; nil knows nothing.
type Origins struct {
	file      string
	lines     map[string]int    // by key, of the keys that the file has
	variables map[string]string // by the keys that they have given; or that it was the console
	elsewhere func(key string) (place string, ok bool)
}

// onConsole is where a setting is given that no variable of the environment has.
const onConsole = "SET on the console"

// Origins are those of the file that the Report is on. Of its environment over is what stood in
// none, in the same form, as operators had set it.
func (r *Report) Origins(over []string) *Origins {
	o := &Origins{file: r.file, lines: r.lines, variables: maps.Clone(r.variables)}
	for _, entry := range over {
		name, _, _ := strings.Cut(entry, "=")
		if s, _ := settingOf(name); s != nil {
			o.variables[s.key] = onConsole
		}
	}
	return o
}

// TranslatedBy is for a file that was made of others: where says which line of them a key
// comes from; false: none.
func (o *Origins) TranslatedBy(where func(key string) (place string, ok bool)) *Origins {
	if o == nil {
		return nil
	}
	return &Origins{file: o.file, variables: o.variables, lines: o.lines, elsewhere: where}
}

// Of is where the first of the keys is given that is given at all: "proxy.toml:12", the name
// of a variable, or words for the console. "" means that none is, so that a default holds. Keys are written as
// faults show them.
func (o *Origins) Of(keys ...string) string {
	if o == nil {
		return ""
	}
	for _, key := range keys {
		if place := o.of(key); place != "" {
			return place
		}
	}
	return ""
}

func (o *Origins) of(key string) string {
	if variable := o.variables[key]; variable != "" {
		return variable
	}
	line, given := o.lines[key]
	switch {
	case !given:
		return ""
	case o.elsewhere == nil:
		return fmt.Sprintf("%s:%d", o.file, line)
	}
	if place, known := o.elsewhere(key); known {
		return place
	}
	return o.file
}
