package metrics

import (
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"portero/internal/page"
)

// TestThePageHasTheSeriesOfTheRegistry compares docs/metrics.md with what a registry exports
// of which every series has a value.
func TestThePageHasTheSeriesOfTheRegistry(t *testing.T) {
	described, err := page.Series("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	families, err := NewRegistry("1.0", madeUp()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		name := f.GetName()
		if strings.HasPrefix(name, "go_") {
			continue // those of the version of Go
		}
		d, there := described[name]
		if !there {
			t.Errorf("%s is not on the page", name)
			continue
		}
		delete(described, name)
		if is := strings.ToLower(f.GetType().String()); is != d.Type {
			t.Errorf("%s is a %s, the page says %s", name, is, d.Type)
		}
		if labels := labelsOf(f); !slices.Equal(labels, slices.Sorted(slices.Values(d.Labels))) {
			t.Errorf("%s has the labels %v, the page says %v", name, labels, d.Labels)
		}
	}
	for name := range described {
		if !strings.HasPrefix(name, "pgbouncer_") { // which package admin has
			t.Errorf("%s is on the page alone", name)
		}
	}
}

// labelsOf are the names of a family's labels, in their order.
func labelsOf(f *dto.MetricFamily) (names []string) {
	for _, l := range f.Metric[0].Label {
		names = append(names, l.GetName())
	}
	return names
}
