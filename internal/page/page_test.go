package page

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTableIsAligned(t *testing.T) {
	got := Table([][]string{{"a", "µs"}, {"long", "1"}}, "lr")
	want := "| a    | µs |\n| ---- | -: |\n| long |  1 |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestOnlyTheMarkedSectionIsRewritten(t *testing.T) {
	const begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"
	s := Section{Path: filepath.Join(t.TempDir(), "page.md"), Name: "bench", Title: "Benchmarks"}
	holds := func(want string) {
		t.Helper()
		if got, err := os.ReadFile(s.Path); err != nil || string(got) != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(); err != nil {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, text := range []string{"first\n", "second\n"} {
		if err := s.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	holds("# Benchmarks\n\n" + begin + "\nsecond\n" + end + "\n")
	write("before\n" + begin + "\nold\n" + end + "\nafter\n")
	if err := s.Write("new\n"); err != nil {
		t.Fatal(err)
	}
	holds("before\n" + begin + "\nnew\n" + end + "\nafter\n")
	write("no marks\n")
	if s.Check() == nil || s.Write("new") == nil {
		t.Error("a file without marks was accepted")
	}
	holds("no marks\n")
}
