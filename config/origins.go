package config

import (
	"fmt"
	"maps"
)

// Origins tells what has given the settings of a Config: a line of its file or a variable of
// the environment. It is never changed; nil knows nothing.
type Origins struct {
	file      string
	lines     map[string]int    // by key, of the keys that the file has
	variables map[string]string // by the keys that they have given
	elsewhere func(key string) (place string, ok bool)
}

// Origins are those of the file that the Report is on.
func (r *Report) Origins() *Origins {
	return &Origins{file: r.file, lines: r.lines, variables: maps.Clone(r.variables)}
}

// TranslatedBy is for a file that was made of others: where says which line of them a key
// comes from; false: none.
func (o *Origins) TranslatedBy(where func(key string) (place string, ok bool)) *Origins {
	if o == nil {
		return nil
	}
	return &Origins{file: o.file, variables: o.variables, lines: o.lines, elsewhere: where}
}

// Of is where the first of the keys is given that is given at all: "proxy.toml:12", or the
// name of a variable. "" means that none is, so that a default holds. Keys are written as
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
