package auth

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// maxDepth is how deep files may include each other (CONF_FILE_MAX_DEPTH of
// PostgreSQL).
const maxDepth = 10

// record is a line of pg_hba.conf or pg_ident.conf that has something in it.
type record struct {
	file   string
	line   int      // from 1
	fields [][]word // none is empty
}

// recordFiles reads such files, with those that they include. What is wrong
// with them goes to fault; a line at fault yields no record.
type recordFiles struct {
	read  func(name string) ([]byte, error)
	list  func(dir string) ([]string, error) // the files of a folder, by name only
	fault func(file string, line int, format string, args ...any)
	count int      // faults so far
	open  []string // files being read, the innermost last
}

func (f *recordFiles) blame(r *record, format string, args ...any) {
	f.count++
	f.fault(r.file, r.line, format, args...)
}

// records is what a text holds, which is that of the file.
func (f *recordFiles) records(file, text string) (all []record) {
	f.open = append(f.open, file)
	defer func() { f.open = f.open[:len(f.open)-1] }()
	for n, line := range joinedLines(text) {
		r := record{file: file, line: n}
		if !f.cutFields(&r, line) || len(r.fields) == 0 {
			continue
		}
		if len(r.fields) == 2 && strings.HasPrefix(r.fields[0][0].text, "include") {
			if more, is := f.include(r); is {
				all = append(all, more...)
				continue
			}
		}
		all = append(all, r)
	}
	return all
}

// cutFields cuts a line into the fields of r; false when it is at fault.
func (f *recordFiles) cutFields(r *record, line string) bool {
	if strings.IndexByte(line, 0) >= 0 {
		f.blame(r, "zero byte")
		return false
	}
	var field []word
	for line != "" {
		w, found, comma, rest, err := cutWord(line)
		if err != nil {
			f.blame(r, "%s", err)
			return false
		}
		switch {
		case found && !w.quoted && len(w.text) > 1 && w.text[0] == '@':
			words := f.expand(r, w.text[1:])
			if len(words) == 0 {
				return false
			}
			field = append(field, words...)
		case found:
			field = append(field, w)
		}
		if line = rest; !comma && len(field) > 0 {
			r.fields = append(r.fields, field)
			field = nil
		}
	}
	if len(field) > 0 { // a comma was the last of the line
		r.fields = append(r.fields, field)
	}
	return true
}

// expand is the words of a file that stands for a list (@file). One without
// words would move the fields behind it to its own place, and is a fault.
func (f *recordFiles) expand(r *record, name string) (words []word) {
	before := f.count
	text, path, ok := f.openBeside(r, name)
	if !ok {
		return nil
	}
	for _, inner := range f.records(path, text) {
		words = append(words, slices.Concat(inner.fields...)...)
	}
	if f.count > before {
		return nil
	}
	if len(words) == 0 {
		f.blame(r, "@%s: there is no name in the file", name)
	}
	return words
}

// include is the records that take the place of r, if it is an include
// directive (PostgreSQL 16 and newer).
func (f *recordFiles) include(r record) (all []record, is bool) {
	name := r.fields[1][0].text
	switch r.fields[0][0].text {
	case "include":
		if text, path, ok := f.openBeside(&r, name); ok {
			all = f.records(path, text)
		}
	case "include_if_exists":
		if _, err := f.read(beside(r.file, name)); errors.Is(err, fs.ErrNotExist) {
			return nil, true
		}
		if text, path, ok := f.openBeside(&r, name); ok {
			all = f.records(path, text)
		}
	case "include_dir":
		all = f.includeDir(r, name)
	default:
		return nil, false
	}
	return all, true
}

// includeDir reads the files of a folder whose names end in .conf and do not
// begin with a dot, in the order of their names.
func (f *recordFiles) includeDir(r record, dir string) (all []record) {
	path := beside(r.file, dir)
	names, err := f.list(path)
	if err != nil {
		f.blame(&r, "cannot read folder %s: %s", path, err)
		return nil
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasPrefix(name, ".") || !strings.HasSuffix(name, ".conf") {
			continue
		}
		if text, path, ok := f.openBeside(&r, filepath.Join(dir, name)); ok {
			all = append(all, f.records(path, text)...)
		}
	}
	return all
}

// openBeside reads a file that r names.
func (f *recordFiles) openBeside(r *record, name string) (text, path string, ok bool) {
	path = beside(r.file, name)
	if !f.mayOpen(r, path) {
		return "", "", false
	}
	b, err := f.read(path)
	if err != nil {
		f.blame(r, "cannot read %s: %s", path, err)
		return "", "", false
	}
	return string(b), path, true
}

func (f *recordFiles) mayOpen(r *record, path string) bool {
	switch {
	case slices.Contains(f.open, path):
		f.blame(r, "%s includes itself", path)
	case len(f.open) > maxDepth:
		f.blame(r, "cannot read %s: files include each other more than %d deep", path, maxDepth)
	default:
		return true
	}
	return false
}

// beside is a file that another one names, from the folder of that one.
func beside(file, name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(filepath.Dir(file), name)
}
