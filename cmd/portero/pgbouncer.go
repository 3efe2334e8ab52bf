package main

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"portero/config"
	"portero/translate"
)

// pgbouncerINI is the text of a file that is PgBouncer's, by its name or by what
// stands in it. A file that cannot be read is for config to report.
func pgbouncerINI(path string) (text string, ok bool) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return "", false // a pipe can be read only once
	}
	read, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	text = string(read)
	return text, translate.KindOf(translate.Source{Name: path, Text: text}) == translate.PgBouncer
}

// fromPgBouncer has a pgbouncer.ini be the configuration, by the translation that
// an import writes. Faults name the ini and its lines. Of p, files are set in any case.
func (p *parts) fromPgBouncer(path, text string, check config.Check) error {
	own := []config.File{{Name: path, Sum: sha256.Sum256([]byte(text))}}
	folder := filepath.Dir(path)
	options := optionsFor(folder, folder)
	options.Read = func(name string) ([]byte, error) {
		name = found(name, folder)
		text, err := readRegular(name)
		if err != errNotRegular { //nolint:errorlint // nobody wraps it
			own = append(own, config.Look(name))
		}
		return text, err
	}
	t, err := translate.Files([]translate.Source{{Name: path, Text: text}}, options)
	if p.files = own; err != nil {
		return asFaults(err)
	}
	p.remarks = t.Remarks
	p.cfg, p.unknown, err = config.Parse(path, t.TOML, environ(p.over), check)
	p.origins = p.origins.TranslatedBy(func(key string) (string, bool) {
		at, ok := t.Origin(key)
		return at.String(), ok
	})
	others := slices.DeleteFunc(p.files, func(f config.File) bool { return f.Name == path })
	p.files = append(own, others...)
	return blame(t, path, err)
}

// asFaults has faults of a translation be of the type that those of a configuration have.
func asFaults(err error) error {
	found, ok := errors.AsType[translate.Faults](err)
	if !ok {
		return err
	}
	faults := make(config.Faults, len(found))
	for i, f := range found {
		faults[i] = config.Fault{File: f.File, Line: f.Line, Message: f.Text}
	}
	return faults
}

// blame has faults of the configuration at path name the lines of what it was
// translated from.
func blame(t *translate.Translation, path string, err error) error {
	faults, ok := errors.AsType[config.Faults](err)
	if !ok {
		return err
	}
	for i := range faults {
		if f := &faults[i]; f.File == path {
			f.Line = 0
			if at, ok := t.Origin(f.Key); ok {
				f.File, f.Line = at.File, at.Line
			}
		}
	}
	return faults
}

// tellRemarks logs what of a pgbouncer.ini is not in force, and why.
func (in *instance) tellRemarks(p *parts) {
	for _, r := range p.remarks {
		in.log.Warn("not taken over", "place", r.Place.String(), "reason", r.Text)
	}
}
