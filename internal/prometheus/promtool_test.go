package prometheus

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portero/internal/page"
)

const (
	docs     = "../../docs/"
	rules    = docs + "prometheus/rules.yml"
	alerts   = docs + "prometheus/alerts.yml"
	ruleTest = docs + "prometheus/rules_test.yml"
	alertsAt = docs + "prometheus/alerts_test.yml"
)

// promtool runs it with input, and fails the test if it finds fault.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPromtoolAcceptsRulesAndConfiguration(t *testing.T) {
	promtool(t, "", "check", "rules", rules, alerts)
	promtool(t, "", "check", "config", docs+"prometheus/prometheus.yml")
}

func TestAlertsAndRulesDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	promtool(t, "", "test", "rules", alertsAt, ruleTest)
}

// TestATestOfAnAlertCanFail: promtool says so if an alert that is to come does not.
func TestATestOfAnAlertCanFail(t *testing.T) {
	dir := t.TempDir()
	first := strings.Join(strings.SplitAfterN(read(t, alertsAt), "\n- name:", 3)[:2], "")
	for name, text := range map[string]string{
		"alerts.yml":      strings.Replace(read(t, alerts), "portero_group_has_leader == 0", "portero_group_has_leader == 2", 1),
		"alerts_test.yml": strings.TrimSuffix(first, "- name:"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("promtool", "test", "rules", filepath.Join(dir, "alerts_test.yml")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "PorteroNoLeader") {
		t.Errorf("%v\n%s", err, out)
	}
}

// all is what the first group of a pattern matches in a file.
func all(t *testing.T, path, pattern string) (found []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(read(t, path), -1) {
		found = append(found, m[1])
	}
	return found
}

// TestEachAlertSaysWhatItIsAndIsTestedToComeAndNotToCome.
func TestEachAlertSaysWhatItIsAndIsTestedToComeAndNotToCome(t *testing.T) {
	names := all(t, alerts, `(?m)^  - alert: (\w+)$`)
	if len(names) == 0 {
		t.Fatal("there are none")
	}
	for _, needed := range []string{`(?m)^    (for): \d`, `(?m)^    (labels): \{ severity: (?:critical|warning|info) \}$`, `(?m)^      (summary): '.+'$`, `(?m)^      (description): '.{80,}'$`} {
		if n := len(all(t, alerts, needed)); n != len(names) {
			t.Errorf("%d of %d alerts have a line like %s", n, len(names), needed)
		}
	}
	comes := all(t, alertsAt, `(?m)^  - alertname: (\w+)\n    eval_time: \w+\n    exp_alerts:\n    - exp_labels:$`)
	stays := all(t, alertsAt, `(?m)^  - alertname: (\w+)\n    eval_time: \w+\n    exp_alerts: \[\]$`)
	if !slices.Equal(comes, names) || !slices.Equal(stays, names) {
		t.Errorf("alerts %v\ncome in tests: %v\nand do not: %v", names, comes, stays)
	}
}

// known are the names that expressions may have: the series of docs/metrics.md, what the
// recording rules make, and what Prometheus has of its own. A histogram goes by four names.
func known(t *testing.T) map[string]page.Described {
	t.Helper()
	series, err := page.Series(docs + "metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]page.Described{"up": {}, "ALERTS": {Labels: []string{"alertname", "alertstate", "severity"}}, "go_goroutines": {}}
	for name, d := range series {
		names[name] = d
		if d.Type == "histogram" {
			names[name+"_sum"], names[name+"_count"] = d, d
			names[name+"_bucket"] = page.Described{Labels: append(slices.Clone(d.Labels), "le")}
		}
	}
	for _, name := range all(t, rules, `(?m)^  - record: (\S+)$`) {
		names[name] = page.Described{}
	}
	return names
}

var (
	selected = regexp.MustCompile(`([A-Za-z_][\w:]*)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"[^"]*"`)
	word     = regexp.MustCompile(`\b(?:(?:[\w:]*portero|process|pgbouncer|go)_[\w:]+|ALERTS|up)\b`)
	quoted   = regexp.MustCompile(`"[^"]*"`)
)

// unknown is what an expression speaks of that does not exist: names of series, and labels
// that a series does not have.
func unknown(expression string, names map[string]page.Described) (what []string) {
	for _, name := range word.FindAllString(quoted.ReplaceAllString(expression, `""`), -1) {
		if _, there := names[name]; !there {
			what = append(what, name)
		}
	}
	for _, s := range selected.FindAllStringSubmatch(expression, -1) {
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			if label := m[1]; label != "job" && label != "instance" && label != "__name__" && !slices.Contains(names[s[1]].Labels, label) {
				what = append(what, s[1]+"'s label "+label)
			}
		}
	}
	return what
}

func TestAnExpressionOfWhatDoesNotExistIsFound(t *testing.T) {
	names := known(t)
	for expression, want := range map[string]int{
		`sum(portero_clients)`:                                           0,
		`sum(portero_clientele)`:                                         1,
		`portero_group_held{cluster="a", instance="b"}`:                  0,
		`portero_group_held{route="a"}`:                                  1,
		`rate(portero_route_wait_seconds_bucket{route="a", le="1"}[5m])`: 0,
		`rate(portero_clients_bucket[5m])`:                               1,
		`instance:portero_clients:ratio > 1`:                             0,
		`instance:portero_clients:share > 1`:                             1,
		`count by (goversion) (portero_build_info)`:                      0,
	} {
		if got := unknown(expression, names); len(got) != want {
			t.Errorf("%s: %v", expression, got)
		}
	}
}

func TestRulesAndAlertsSpeakOfWhatThereIs(t *testing.T) {
	names := known(t)
	for _, path := range []string{rules, alerts} {
		expressions := all(t, path, `(?m)^    expr: ((?:\|\n(?:      .*\n)+)|.*)`)
		if len(expressions) == 0 {
			t.Fatalf("%s has none", path)
		}
		for _, expression := range expressions {
			for _, what := range unknown(expression, names) {
				t.Errorf("%s: there is no %s, in %s", path, what, expression)
			}
		}
	}
}
