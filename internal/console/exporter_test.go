package console

import (
	"os"
	"strings"
	"testing"
)

// scraped is what a page of metrics has of PgBouncer's: types by name, and values by series.
type scraped struct{ types, values map[string]string }

// read takes a page apart. The exporter's word about itself is not PgBouncer's.
func read(t *testing.T, page string) scraped {
	t.Helper()
	s := scraped{make(map[string]string), make(map[string]string)}
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "# TYPE pgbouncer_"); ok && !strings.HasPrefix(rest, "exporter_") {
			name, kind, _ := strings.Cut(rest, " ")
			s.types[name] = kind
		}
		if rest, ok := strings.CutPrefix(line, "pgbouncer_"); ok && !strings.HasPrefix(rest, "exporter_") {
			at := strings.LastIndexByte(rest, ' ')
			s.values[rest[:at]] = rest[at+1:]
		}
	}
	return s
}

// TestPorteroHasEverySeriesOfTheExporter compares what the real exporter reads from the console
// with what Portero itself says: every name, type and label, and every value that does not
// come from the exporter's own connection.
func TestPorteroHasEverySeriesOfTheExporter(t *testing.T) {
	at, p := busy(t)
	theirs := read(t, exported(t, at))
	_, page, err := p.Get(t.Context(), "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	ours := read(t, page)
	for name, kind := range theirs.types {
		if ours.types[name] != kind {
			t.Errorf("pgbouncer_%s is a %s of the exporter, and %q of Portero", name, kind, ours.types[name])
		}
	}
	const console = `database="pgbouncer"` // where the exporter's connection is
	for series, value := range theirs.values {
		our, there := ours.values[series]
		switch {
		case strings.HasPrefix(series, "client_connections{") && strings.Contains(series, console):
		case !there:
			t.Errorf("Portero has no pgbouncer_%s", series)
		case strings.Contains(series, console), series == "used_clients":
		case our != value:
			t.Errorf("pgbouncer_%s is %s for the exporter and %s for Portero", series, value, our)
		}
		delete(ours.values, series)
	}
	for series := range ours.values {
		t.Errorf("the exporter has no pgbouncer_%s", series)
	}
	if len(theirs.values) < 60 {
		t.Errorf("the exporter has %d series only", len(theirs.values))
	}
	if t.Failed() {
		t.Log(page)
	}
}

// TestAReloadTurnsTheSeriesOfTheExporterOff, as it does any setting that is not fixed.
func TestAReloadTurnsTheSeriesOfTheExporterOff(t *testing.T) {
	at, p := busy(t)
	has := func() bool {
		_, page, err := p.Get(t.Context(), "/metrics")
		if err != nil || !strings.Contains(page, "\nportero_clients 1\n") {
			t.Fatalf("%v: %s", err, page)
		}
		return strings.Contains(page, "\npgbouncer_")
	}
	if !has() {
		t.Error("they are not there")
	}
	text, err := os.ReadFile(p.Path("proxy.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WriteFile("proxy.toml", strings.Replace(string(text), "pgbouncer_metrics = true", "pgbouncer_metrics = false", 1)); err != nil {
		t.Fatal(err)
	}
	at.must(t, "psql", "-XAt", "-c", "RELOAD")
	if has() {
		t.Error("they are still there")
	}
}
