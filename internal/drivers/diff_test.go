package drivers

import (
	"strings"
	"testing"
)

func TestADifferenceIsShownBySection(t *testing.T) {
	want := "before\n== one\na\nb\nc\nd\ne\nf\n== two\nx\n== three\ny\n"
	got := "before\n== one\na\nb\nc\nd\nE\nf\n== three\ny\nmore\n"
	faults := strings.Join(compare(want, got), "\n")
	for _, part := range []string{`section "one" differs`, "      b\n      c\n      d\n    - e\n    + E\n      f", `section "two" is missing`, "    + more"} {
		if !strings.Contains(faults, part) {
			t.Errorf("%q is not in\n%s", part, faults)
		}
	}
	if strings.Contains(faults, " a\n") {
		t.Errorf("what is far from a difference is shown:\n%s", faults)
	}
}

func TestSectionsThatOneTranscriptHasAloneAreToldOf(t *testing.T) {
	const three, two = "== one\na\n== two\nb\n== three\nc\n", "== one\na\n== two\nb\n"
	if faults := compare(three, three); faults != nil {
		t.Error(faults)
	}
	if faults := compare(two, three); len(faults) != 1 || !strings.Contains(faults[0], `section "three" is new`) {
		t.Error("a section too many is not told of:", faults)
	}
	if faults := compare(three, two); len(faults) != 1 || !strings.Contains(faults[0], `section "three" is missing`) {
		t.Error("the end of a transcript is not missed:", faults)
	}
}
