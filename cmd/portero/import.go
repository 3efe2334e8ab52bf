package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"portero/translate"
)

// importFiles translates configurations of the chain that Portero replaces. The
// exit status is 1 where a file is at fault, and then nothing is written.
func importFiles(args []string, stdout, stderr io.Writer) int {
	flags := newFlags("import", "", stderr)
	out := flags.String("o", "", "`file` to write, which must not be there yet; default: standard output")
	names, err := mixed(flags, args)
	if status, ends := endsWith(flags, err, nil); ends {
		return status
	}
	if len(names) == 0 {
		fmt.Fprintln(stderr, "portero import: name a pgbouncer.ini, and a haproxy.cfg and a patroni.yml if there are such")
		return 2
	}
	t, err := translateFiles(names, filepath.Dir(*out))
	if err == nil {
		err = writeNew(*out, t.TOML, stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	for _, r := range t.Remarks {
		fmt.Fprintln(stderr, r)
	}
	return 0
}

// translateFiles translates the named files into a proxy.toml in folder dir.
func translateFiles(names []string, dir string) (*translate.Translation, error) {
	var sources []translate.Source
	var faults translate.Faults
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			faults = append(faults, translate.Remark{Place: translate.Place{File: name}, Text: "cannot be read: " + pathless(err)})
			continue
		}
		sources = append(sources, translate.Source{Name: name, Text: string(text)})
	}
	t, err := translate.Files(sources, optionsFor(filepath.Dir(names[0]), dir))
	more, _ := errors.AsType[translate.Faults](err)
	if faults = append(faults, more...); len(faults) > 0 {
		return nil, faults
	}
	return t, nil
}

// optionsFor finds files that an ini in folder from names as PgBouncer does, by
// its working directory, or else in the ini's own folder; a proxy.toml in folder
// to gets their names as they are to be found from there.
func optionsFor(from, to string) translate.Options {
	return translate.Options{
		Read: func(name string) ([]byte, error) { return readRegular(found(name, from)) },
		FileName: func(name string) string {
			if filepath.IsAbs(name) {
				return name
			}
			return nameFrom(found(name, from), to)
		},
	}
}

// readRegular is os.ReadFile, but for what would block, or never end.
func readRegular(name string) ([]byte, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return os.ReadFile(name)
}

func found(name, from string) string {
	if filepath.IsAbs(name) {
		return name
	}
	if _, err := os.Stat(name); err != nil {
		if beside := filepath.Join(from, name); exists(beside) {
			return beside
		}
	}
	return name
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// nameFrom is a file as proxy.toml in folder to names it: short for what lies in that
// folder, absolute for all else.
func nameFrom(name, to string) string {
	whole, err := filepath.Abs(name)
	if err != nil {
		return name
	}
	if folder, err := filepath.Abs(to); err == nil {
		if inside, ok := strings.CutPrefix(whole, strings.TrimSuffix(folder, "/")+"/"); ok {
			return inside
		}
	}
	return whole
}

// writeNew writes a file that is not there yet, for its owner alone, as there may be
// passwords in it; "" is standard output.
func writeNew(name, text string, stdout io.Writer) error {
	if name == "" {
		_, err := io.WriteString(stdout, text)
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("portero import: %s is there already: move it away, or name another file", name)
	}
	if err != nil {
		return fmt.Errorf("portero import: %w", err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func pathless(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err.Error()
	}
	return err.Error()
}
