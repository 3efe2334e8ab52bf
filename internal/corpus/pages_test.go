package corpus

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sessionDir has the transcripts that are played against the session.
const sessionDir = "testdata/session"

func readPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(moduleRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tableRow is the cells of a line of a table that has so many columns, nil of any other line
// and of the table's head.
func tableRow(line string, columns int) []string {
	line = strings.TrimSpace(line)
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if !strings.HasPrefix(line, "|") || len(cells) != columns {
		return nil
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if strings.HasPrefix(cells[0], "---") || cells[columns-1] == "shown by" {
		return nil
	}
	return cells
}

var quotedWord = regexp.MustCompile("`([^`]+)`")

// checkNames sees to it that a line of a page names what shows its claim, and that all of it is
// there: Go tests, scripts of the corpus, specs, transcripts. It returns the scripts.
func checkNames(t *testing.T, claim, shownBy string, tests []string) (scripts []string) {
	t.Helper()
	named := quotedWord.FindAllStringSubmatch(shownBy, -1)
	if len(named) == 0 {
		t.Errorf("%s: nothing shows it", claim)
	}
	for _, n := range named {
		switch name := n[1]; {
		case strings.HasPrefix(name, "Test"):
			if !slices.Contains(tests, name) {
				t.Errorf("%s: there is no test %s", claim, name)
			}
		case exists(isolationDir, name), exists(sessionDir, name):
		case exists(corpusDir, name+".sql"):
			scripts = append(scripts, name)
		default:
			t.Errorf("%s: there is no script, spec or transcript %s", claim, name)
		}
	}
	return scripts
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(moduleRoot, dir, name))
	return err == nil
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// testFunctions is the names of all Go tests of the module.
func testFunctions(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(moduleRoot, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
