package top

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var rewrite = flag.Bool("rewrite", false, "write the pages as they are now")

// noon is when samples of these tests are taken.
var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// sampleOf reads tables as psql writes them unaligned: a line "= name", one with the names of
// columns, and a line for each row.
func sampleOf(t *testing.T, at time.Time, text string) *Sample {
	t.Helper()
	s := &Sample{At: at, Tables: map[string]Table{}}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		table := s.Tables[name]
		switch title, begins := strings.CutPrefix(line, "= "); {
		case line == "":
			continue
		case begins:
			name, table = title, Table{}
			if base, missing := strings.CutSuffix(title, " is missing"); missing {
				name, table = base, Table{Missing: true}
			}
		case table.Columns == nil:
			table.Columns = strings.Split(line, "|")
		default:
			table.Rows = append(table.Rows, strings.Split(line, "|"))
		}
		s.Tables[name] = table
	}
	return s
}

func fixture(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// golden compares a page with the file that has it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(filepath.Join("testdata", name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := fixture(t, name); got != want {
		t.Errorf("%s: -rewrite writes it anew\n--- got\n%s--- want\n%s", name, got, want)
	}
}

// shown is a model with two samples of a fixture, a second apart.
func shown(t *testing.T, name string, unicode bool) *Model {
	t.Helper()
	m := NewModel("ops@10.0.0.1:6432", 2*time.Second, unicode)
	text := fixture(t, name)
	m.Take(sampleOf(t, noon.Add(-2*time.Second), strings.NewReplacer("|5000|20000|", "|4000|17000|").Replace(text)))
	m.Take(sampleOf(t, noon, text))
	return m
}
