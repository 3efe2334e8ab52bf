package prometheus

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// dashboard is what is looked at of a Grafana dashboard.
type dashboard struct {
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct {
			Name, Type, Definition string
			Datasource             source
		}
	}
	Annotations struct{ List []target }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               source
	Targets                  []target
	GridPos                  struct{ X, Y, W, H int }
}

type target struct {
	Expr       string
	Datasource source
}

type source struct{ Type, UID string }

// fromVariable is the data source that the person who looks has chosen.
var fromVariable = source{"prometheus", "${datasource}"}

func loadDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, docs+"grafana/portero.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// filled is an expression with the variables of Grafana filled in, as if all were chosen.
func filled(expression string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$cluster", ".*", "$instance", ".*", "$route", ".*").Replace(expression)
}

// expressions are those of all panels and annotations, filled in.
func (d dashboard) expressions() (expressions []string) {
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			expressions = append(expressions, filled(target.Expr))
		}
	}
	for _, a := range d.Annotations.List {
		expressions = append(expressions, filled(a.Expr))
	}
	return expressions
}

func TestPromtoolAcceptsEveryExpressionOfTheDashboard(t *testing.T) {
	var file strings.Builder
	file.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expression := range loadDashboard(t).expressions() {
		if strings.Contains(expression, "$") {
			t.Errorf("a variable that is not known: %s", expression)
		}
		fmt.Fprintf(&file, "  - { record: 'expression:%d', expr: %q }\n", i, expression)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", path)
}

func TestTheDashboardSpeaksOfWhatThereIs(t *testing.T) {
	d, names := loadDashboard(t), known(t)
	expressions := d.expressions()
	for _, v := range d.Templating.List {
		expressions = append(expressions, v.Definition)
	}
	if len(expressions) < 60 {
		t.Errorf("%d expressions only", len(expressions))
	}
	for _, expression := range expressions {
		for _, what := range unknown(expression, names) {
			t.Errorf("there is no %s, in %s", what, expression)
		}
	}
}

func TestTheDashboardCanBeImported(t *testing.T) {
	d := loadDashboard(t)
	if d.SchemaVersion < 39 {
		t.Errorf("schema version %d", d.SchemaVersion)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
		if v.Type == "query" && v.Datasource != fromVariable {
			t.Errorf("variable %s is from %v", v.Name, v.Datasource)
		}
	}
	if got := strings.Join(variables, " "); got != "datasource cluster instance route" {
		t.Errorf("variables %s", got)
	}
	ids, taken := make(map[int]bool), make(map[[2]int]string)
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d, %q: a number twice, or no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q, or beside the page", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Datasource != fromVariable {
			t.Errorf("%s asks nothing, or %v", p.Title, p.Datasource)
		}
		for _, target := range p.Targets {
			if target.Datasource != fromVariable || target.Expr == "" {
				t.Errorf("%s asks %q of %v", p.Title, target.Expr, target.Datasource)
			}
		}
	}
}
