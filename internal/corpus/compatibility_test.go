package corpus

import (
	"slices"
	"strings"
	"testing"
)

const compatibilityPage = "docs/compatibility.md"

// Each line of the page's tables names what shows it: scripts of the corpus, specs, Go tests.
// What is kept differs in none of its scripts, and what differs does so in one at least.
func TestThePageOnCompatibilityNamesTestsThatShowWhatItSays(t *testing.T) {
	listed, tests := loadDifferences(t), testFunctions(t)
	rows := 0
	for line := range strings.Lines(readPage(t, compatibilityPage)) {
		cells := tableRow(line, 4)
		if cells == nil {
			continue
		}
		rows++
		feature, verdict := cells[0], cells[1]
		differs := false
		scripts := checkNames(t, feature, cells[3], tests)
		for _, name := range scripts {
			for _, how := range []protocol{simple, extended} {
				differs = differs || len(listed.at(place{name, transaction, how})) > 0
			}
		}
		word, _, _ := strings.Cut(verdict, ":")
		switch {
		case !slices.Contains([]string{"kept", "pinned", "refused", "differs"}, word):
			t.Errorf("%s: what happens is not told in one of four words: %s", feature, verdict)
		case word == "differs" && len(scripts) > 0 && !differs:
			t.Errorf("%s: it does not differ any more", feature)
		case word != "differs" && differs:
			t.Errorf("%s: one of its scripts is in %s", feature, differencesFile)
		}
	}
	if rows < 20 {
		t.Errorf("only %d lines found", rows)
	}
}
