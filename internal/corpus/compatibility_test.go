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

const compatibilityPage = "docs/compatibility.md"

// Each line of the page's tables names what shows it: scripts of the corpus, specs, Go tests.
// What is kept differs in none of its scripts, and what differs does so in one at least.
func TestThePageOnCompatibilityNamesTestsThatShowWhatItSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(moduleRoot, compatibilityPage))
	if err != nil {
		t.Fatal(err)
	}
	listed, tests := loadDifferences(t), testFunctions(t)
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "|") || len(cells) != 4 || strings.Contains(cells[0], "---") || strings.TrimSpace(cells[3]) == "shown by" {
			continue
		}
		rows++
		feature, verdict := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])
		named := quotedWord.FindAllStringSubmatch(cells[3], -1)
		if len(named) == 0 {
			t.Errorf("%s: nothing shows it", feature)
		}
		differs, scripts := false, 0
		for _, n := range named {
			switch name := n[1]; {
			case strings.HasPrefix(name, "Test"):
				if !slices.Contains(tests, name) {
					t.Errorf("%s: there is no test %s", feature, name)
				}
			case exists(isolationDir, name):
			case exists(corpusDir, name+".sql"):
				scripts++
				for _, how := range []protocol{simple, extended} {
					differs = differs || len(listed.at(place{name, transaction, how})) > 0
				}
			default:
				t.Errorf("%s: there is no script or spec %s", feature, name)
			}
		}
		word, _, _ := strings.Cut(verdict, ":")
		switch {
		case !slices.Contains([]string{"kept", "pinned", "refused", "differs"}, word):
			t.Errorf("%s: what happens is not told in one of four words: %s", feature, verdict)
		case word == "differs" && scripts > 0 && !differs:
			t.Errorf("%s: it does not differ any more", feature)
		case word != "differs" && differs:
			t.Errorf("%s: one of its scripts is in %s", feature, differencesFile)
		}
	}
	if rows < 20 {
		t.Errorf("only %d lines found", rows)
	}
}

var quotedWord = regexp.MustCompile("`([^`]+)`")

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
