// Package page writes what a program has measured into a page of the docs: tables, the
// section that is the program's, and on what machine it was. It measures nothing.
// It also reads which metrics a page describes.
package page

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// Section is the part of a Markdown file that a program writes, between the marks of its
// name; all else in the file is left as it is.
type Section struct {
	Path  string // of the file; one that is not there is made
	Name  string // in the marks: <!-- Name:begin --> and <!-- Name:end -->
	Title string // of a file that is made
}

func (s Section) marks() (begin, end []byte) {
	return []byte("<!-- " + s.Name + ":begin -->"), []byte("<!-- " + s.Name + ":end -->")
}

// Check finds out before a run whether Write will know where to write.
func (s Section) Check() error {
	_, _, err := s.around()
	return err
}

// Write replaces what stands between the marks.
func (s Section) Write(text string) error {
	before, after, err := s.around()
	if err != nil {
		return err
	}
	return os.WriteFile(s.Path, slices.Concat(before, []byte("\n"+text), after), 0o644)
}

// around is the file up to and with the first mark, and from the second on.
func (s Section) around() (before, after []byte, err error) {
	first, second := s.marks()
	text, err := os.ReadFile(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = fmt.Appendf(nil, "# %s\n\n%s\n%s\n", s.Title, first, second), nil
	}
	if err != nil {
		return nil, nil, err
	}
	begin, end := bytes.Index(text, first), bytes.Index(text, second)
	if begin < 0 || end < begin {
		return nil, nil, fmt.Errorf("%s has no section between %s and %s", s.Path, first, second)
	}
	return text[:begin+len(first)], text[end:], nil
}
