package top

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/clipperhouse/displaywidth"
)

func TestPagesLookLikeThis(t *testing.T) {
	for i, v := range views {
		m := shown(t, "cluster.txt", true)
		m.SetView(fmt.Sprint(i + 1))
		golden(t, v.name+".80x24.txt", m.page(80, 24).text())
	}
	narrow := shown(t, "cluster.txt", false)
	golden(t, "pools.60x16.txt", narrow.page(60, 16).text())
	narrow.SetView("clients")
	golden(t, "clients.60x16.txt", narrow.page(60, 16).text())
	wide := shown(t, "cluster.txt", true)
	golden(t, "pools.160x12.txt", wide.page(160, 12).text())
	help := shown(t, "cluster.txt", true)
	help.key("?")
	golden(t, "help.80x24.txt", help.page(80, 24).text())
}

func TestAPgBouncerIsShownAsFarAsItTells(t *testing.T) {
	for _, name := range []string{"pools", "groups"} {
		m := shown(t, "pgbouncer.txt", true)
		m.SetView(name)
		golden(t, "pgbouncer."+name+".80x24.txt", m.page(80, 24).text())
	}
}

func TestNoPageIsWiderOrHigherThanItsTerminal(t *testing.T) {
	for width := range 200 {
		for _, height := range []int{0, 1, 2, 5, 24} {
			for i := range views {
				m := shown(t, "cluster.txt", width%2 == 0)
				m.SetView(fmt.Sprint(i + 1))
				p := m.page(width, height)
				if len(p) != height {
					t.Fatalf("%d lines for a height of %d", len(p), height)
				}
				for _, spans := range p {
					used := 0
					for _, s := range spans {
						used += displaywidth.String(s.text)
					}
					if used > width {
						t.Fatalf("view %s, width %d: a line of %d: %q", views[i].name, width, used, spans)
					}
				}
			}
		}
		if width > 100 {
			break
		}
	}
}

// Names are the clients' to make up.
func TestNothingThatAClientSaysReachesTheTerminalAsACommand(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	s := m.now
	clients := s.tables["clients"]
	for i := range clients.columns {
		clients.rows[0][i] = "\x1b[2J\x9b1m\x07\u202e" + clients.rows[0][i]
	}
	m.SetView("clients")
	for _, r := range strings.ReplaceAll(m.page(300, 24).text(), "\n", "") {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x202e {
			t.Fatalf("the page has %U in it", r)
		}
	}
}

func TestRatesAreOfTheTimeBetweenTwoSamples(t *testing.T) {
	table := func(rows string) string {
		return "= stats_totals\ndatabase|xact_count|query_count\n" + rows
	}
	for what, c := range map[string]struct {
		before, now string
		elapsed     time.Duration
		want        string
	}{
		"one database":      {"a|100|200\n", "a|300|1200\n", 2 * time.Second, "tx/s 100  q/s 500"},
		"two":               {"a|0|0\nb|5|5\n", "a|10|10\nb|15|25\n", time.Second, "tx/s 20  q/s 30"},
		"a new one":         {"a|1|1\n", "a|1|1\nb|7|8\n", time.Second, "tx/s 7.0  q/s 8.0"},
		"not the console's": {"a|1|1\npgbouncer|0|0\n", "a|1|1\npgbouncer|99|99\n", time.Second, "tx/s 0  q/s 0"},
		"a restart":         {"a|100|100\n", "a|1|1\n", time.Second, "tx/s -  q/s -"},
		"no time":           {"a|1|1\n", "a|2|2\n", 0, "tx/s -  q/s -"},
	} {
		before, now := sampleOf(t, noon, table(c.before)), sampleOf(t, noon.Add(c.elapsed), table(c.now))
		if got := ratesOf(before, now).words(); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	if got := ratesOf(nil, sampleOf(t, noon, table("a|1|1\n"))).words(); got != "tx/s -  q/s -" {
		t.Errorf("of one sample: %s", got)
	}
}

// firsts are the first cells of the rows that are shown.
func firsts(m *Model) (all []string) {
	for _, l := range m.lines() {
		all = append(all, l.cells[1])
	}
	return all
}

func press(m *Model, keys ...string) {
	for _, k := range keys {
		m.key(k)
	}
}

func TestKeysSortAndFilter(t *testing.T) {
	for what, c := range map[string]struct {
		keys []string
		want []string
	}{
		"those who wait first":  {nil, []string{"batch", "web", "bi"}},
		"turned round":          {[]string{"r"}, []string{"web", "bi", "batch"}},
		"by the column before":  {[]string{"<", "<"}, []string{"web", "batch", "bi"}},
		"by times":              {[]string{">"}, []string{"batch", "web", "bi"}},
		"round the beginning":   {slices.Repeat([]string{"<"}, 9), []string{"batch", "bi", "web"}}, // by PINS
		"round the end":         {slices.Repeat([]string{">"}, 9), []string{"web", "batch", "bi"}}, // by DATABASE
		"filtered":              {[]string{"/", "b", "a", "T", "Enter"}, []string{"batch"}},
		"filtered while typing": {[]string{"/", "b", "i", "x", "Backspace"}, []string{"bi"}},
		"filter dropped":        {[]string{"/", "b", "Esc"}, []string{"batch", "web", "bi"}},
		"a filter of none":      {[]string{"/", "q", "q"}, []string{}},
	} {
		m := shown(t, "cluster.txt", true)
		press(m, c.keys...)
		if got := firsts(m); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", what, got, c.want)
		}
	}
}

func TestCellsHaveOneOrder(t *testing.T) {
	inOrder := []string{"", "-1", "0", "900 µs", "12 ms", "1.5", "2", "1m30s", "1000", "10 pg", "1a", "nobody", "pg1"}
	for i, a := range inOrder {
		for j, b := range inOrder {
			if got := compare(a, b); got != cmp.Compare(i, j) {
				t.Errorf("compare(%q, %q) = %d, want %d", a, b, got, cmp.Compare(i, j))
			}
		}
	}
}

func TestKeysChooseViewsAndPace(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	press(m, "3")
	if got := views[m.view].name; got != "servers" {
		t.Errorf("3 opens %s", got)
	}
	press(m, "Tab", "Tab", "Tab", "Tab")
	if got := views[m.view].name; got != "pools" {
		t.Errorf("behind the last view comes %s", got)
	}
	press(m, "+", "+")
	if m.interval != 500*time.Millisecond {
		t.Errorf("the interval is %s", m.interval)
	}
	for range 50 {
		press(m, "+")
	}
	if m.interval != Shortest {
		t.Errorf("the shortest interval is %s", m.interval)
	}
	for range 50 {
		press(m, "-")
	}
	if m.interval != longest {
		t.Errorf("the longest interval is %s", m.interval)
	}
	if press(m, " "); !m.paused {
		t.Error("it is not paused")
	}
	if press(m, "?"); m.key("x") || m.help {
		t.Error("a key does not close the help, or ends the program")
	}
	if !m.key("q") {
		t.Error("q does not end it")
	}
	if press(m, "/"); !m.key("Ctrl-C") {
		t.Error("Ctrl-C does not end it while a filter is typed")
	}
}

func TestThePaceIsToldInFewLetters(t *testing.T) {
	for interval, want := range map[time.Duration]string{
		500 * time.Millisecond: "every 500ms", 10 * time.Second: "every 10s", time.Minute: "every 1m",
		90 * time.Second: "every 1m30s", time.Hour: "every 1h", 70 * time.Minute: "every 1h10m",
	} {
		if got := (&Model{interval: interval}).pace(); got != want {
			t.Errorf("%s: %q, want %q", interval, got, want)
		}
	}
}

func TestScrollingStaysWithinTheRows(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	press(m, "PgDn", "Down")
	if text := m.page(80, headLines+footLines+2).text(); m.offset != 1 || !strings.Contains(text, "2-3 of 3") {
		t.Errorf("three rows in a place for two are scrolled by %d:\n%s", m.offset, text)
	}
	press(m, "PgUp")
	m.page(80, 24)
	if m.offset != 0 {
		t.Errorf("scrolled by %d", m.offset)
	}
}

func TestTroubleIsShownAndTheLastSampleStays(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	m.lost("reconnecting: no")
	text := m.page(80, 24).text()
	if !strings.Contains(text, "reconnecting: no") || !strings.Contains(text, "batch") || !strings.Contains(text, "not answering") || strings.Contains(text, "  ready") {
		t.Errorf("the page is\n%s", text)
	}
}

// An outage is no time between two samples: there may be another process behind it.
func TestRatesBeginAnewAfterTrouble(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	for _, c := range []struct {
		lost bool
		want string
	}{{false, "tx/s 0 "}, {true, "tx/s - "}, {false, "tx/s 0 "}} {
		if c.lost {
			m.lost("reconnecting: no")
		}
		m.take(sampleOf(t, m.now.at.Add(time.Second), fixture(t, "cluster.txt")))
		if text := m.page(80, 24).text(); !strings.Contains(text, c.want) {
			t.Errorf("%q is not in\n%s", c.want, text)
		}
	}
}

func TestWhoWaitsOrIsHeldIsMarked(t *testing.T) {
	m := shown(t, "cluster.txt", true)
	styles := map[string]style{}
	for _, l := range m.lines() {
		styles[l.cells[1]] = l.style
	}
	if styles["batch"] != alarm || styles["bi"] != warn || styles["web"] != plain {
		t.Errorf("styles: %v", styles)
	}
}
