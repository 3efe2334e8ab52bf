package main

import (
	"errors"
	"os"
	"path/filepath"

	"portero/config"
	"portero/translate"
)

// pgbouncerINI is the text of a file that is PgBouncer's, by its name or by what
// stands in it. A file that cannot be read is for config to report.
func pgbouncerINI(path string) (text string, ok bool) {
	read, err := os.ReadFile(path)
	if err != nil {
		return "", false
	}
	text = string(read)
	return text, translate.KindOf(translate.Source{Name: path, Text: text}) == translate.PgBouncer
}

// fromPgBouncer has a pgbouncer.ini be the configuration, by the translation that
// an import writes. Faults name the ini and its lines.
func (p *parts) fromPgBouncer(path, text string, check config.Check) error {
	folder := filepath.Dir(path)
	t, err := translate.Files([]translate.Source{{Name: path, Text: text}}, optionsFor(folder, folder))
	if err != nil {
		return err
	}
	p.remarks = t.Remarks
	p.cfg, err = config.Parse(path, t.TOML, check)
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
