package corpus

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	edgesPage = "docs/edges.md"
	edges     = 26
)

var edgeHeading = regexp.MustCompile(`^## (\d+)\. \S`)

// The page has a section for each of the points, in their order, and each line of its tables
// says what Portero does and names what shows it.
func TestThePageOnEdgesNamesTestsThatShowWhatItSays(t *testing.T) {
	tests := testFunctions(t)
	point, rows := 0, make(map[int]int)
	for line := range strings.Lines(readPage(t, edgesPage)) {
		if m := edgeHeading.FindStringSubmatch(line); m != nil {
			if point++; m[1] != strconv.Itoa(point) {
				t.Fatalf("point %s in the place of point %d", m[1], point)
			}
		}
		if strings.HasPrefix(line, "|") && strings.Count(line, "|") != 4 {
			t.Errorf("not of three columns: %s", line)
		}
		cells := tableRow(line, 3)
		if cells == nil {
			continue
		}
		rows[point]++
		checkNames(t, cells[0], cells[2], tests)
		if cells[1] == "" {
			t.Errorf("%s: what Portero does is not said", cells[0])
		}
	}
	if point != edges {
		t.Errorf("%d points, not %d", point, edges)
	}
	for i := range point {
		if rows[i+1] == 0 {
			t.Errorf("point %d has no line", i+1)
		}
	}
}
