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
func sampleOf(t *testing.T, at time.Time, text string) *sample {
	t.Helper()
	s := &sample{at: at, tables: map[string]table{}}
	name := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		answer := s.tables[name]
		switch title, begins := strings.CutPrefix(line, "= "); {
		case line == "":
			continue
		case begins:
			name, answer = title, table{}
			if base, missing := strings.CutSuffix(title, " is missing"); missing {
				name, answer = base, table{missing: true}
			}
		case answer.columns == nil:
			answer.columns = strings.Split(line, "|")
		default:
			answer.rows = append(answer.rows, strings.Split(line, "|"))
		}
		s.tables[name] = answer
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
	m.take(sampleOf(t, noon.Add(-2*time.Second), strings.NewReplacer("|5000|20000|", "|4000|17000|").Replace(text)))
	m.take(sampleOf(t, noon, text))
	return m
}
