package page

import (
	"os"
	"path/filepath"
	"slices"
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

func TestSeriesAreReadFromTables(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	write := func(rows string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("# Page\n\n| series | type | labels | meaning |\n| --- | --- | --- | --- |\n"+rows+"\n| `other` | table |\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("| `a_total` | counter | `one` `two` | what it is |\n| `b` | gauge |  | what that is |\n")
	got, err := Series(path)
	if err != nil || len(got) != 2 || got["a_total"].Type != "counter" || !slices.Equal(got["a_total"].Labels, []string{"one", "two"}) || got["b"].Labels != nil {
		t.Errorf("%v, %v", got, err)
	}
	for _, fault := range []string{"| `a` | gauge |  | one |\n| `a` | gauge |  | two |\n", "| `a` | gauge |  |  |\n"} {
		write(fault)
		if _, err := Series(path); err == nil {
			t.Errorf("no error for %q", fault)
		}
	}
}
