package portero_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// allowed is, for each package of the product, which others of ours it may import. Its table
// in docs/architecture.md says the same.
var allowed = map[string][]string{
	"wire":        nil,
	"loop":        nil,
	"config":      nil,
	"metrics":     nil,
	"journal":     nil,
	"passage":     nil,
	"discovery":   {"config"},
	"auth":        {"config", "wire"},
	"session":     {"wire"},
	"pool":        {"auth", "config", "discovery", "loop", "metrics", "session", "wire"},
	"proxy":       {"auth", "config", "discovery", "loop", "metrics", "pool", "session", "wire"},
	"admin":       {"metrics", "pool", "proxy", "wire"},
	"translate":   {"config"},
	"top":         nil,
	"cmd/portero": {"admin", "auth", "config", "discovery", "journal", "loop", "metrics", "passage", "pool", "proxy", "top", "translate", "wire"},
}

// tools are the programs and packages beside the product. They may use the lab, and drive
// Portero as anybody would: by its binary. bench is a client too, and logs in as Portero does.
var tools = map[string][]string{
	"internal/lab":        nil,
	"internal/lab/demo":   {"internal/lab"},
	"internal/failover":   {"internal/lab"},
	"internal/corpus":     {"internal/lab"},
	"internal/drivers":    {"internal/lab"},
	"internal/console":    {"internal/lab"},
	"internal/page":       nil,
	"internal/prometheus": {"internal/lab", "internal/page"},
	"bench":               {"auth", "internal/lab", "internal/page", "wire"},
	"faults":              {"internal/lab", "internal/page"},
	"drill":               {"internal/lab", "internal/page"},

	"internal/packaging":         {"internal/lab"},
	"packaging":                  nil, // a module of its own
	"packaging/sbom":             nil,
	"packaging/kubernetes/check": nil, // a module of its own
}

const (
	module = "portero/"
	page   = "docs/architecture.md"
)

func TestPackagesImportOnlyWhatLiesBelowThem(t *testing.T) {
	for dir, files := range sources(t) {
		may, known := allowed[dir]
		if !known {
			may, known = tools[dir]
		}
		if !known {
			t.Errorf("package %s has no place in the table of imports", dir)
			continue
		}
		for _, f := range files {
			for _, ours := range f.imports() {
				if !slices.Contains(may, ours) {
					t.Errorf("%s: %s must not import %s", f.where(f.syntax.Pos()), dir, ours)
				}
			}
		}
	}
}

func TestThePageOfTheArchitectureHasTheSameTable(t *testing.T) {
	text := read(t, page)
	for dir, may := range allowed {
		ours := strings.Join(may, ", ")
		if ours == "" {
			ours = "nothing"
		}
		if row := fmt.Sprintf("| `%s` | %s |", dir, ours); !strings.Contains(text, row) {
			t.Errorf("%s has no row %q", page, row)
		}
	}
}

func TestEveryDirectDependencyHasItsReasonOnThePage(t *testing.T) {
	text := read(t, page)
	for line := range strings.Lines(read(t, "go.mod")) {
		fields := strings.Fields(line)
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "v") {
			continue // what is indirect has a comment behind the version
		}
		if !strings.Contains(text, "`"+fields[0]+"`") {
			t.Errorf("%s gives no reason for %s", page, fields[0])
		}
	}
}

// A goroutine that runs a function with a name is found by it in a stack dump.
func TestGoroutinesOfTheProductRunNamedFunctions(t *testing.T) {
	for dir, files := range sources(t) {
		if _, product := allowed[dir]; !product {
			continue
		}
		for _, f := range files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if body := goroutine(n); body != nil && !isOneCall(body) {
					t.Errorf("%s: a goroutine of a function without a name", f.where(n.Pos()))
				}
				return true
			})
		}
	}
}

// The session decides by what it is shown alone; so it can be replayed.
func TestTheSessionIsPure(t *testing.T) {
	impure := []string{"context", "io", "log", "log/slog", "math/rand", "math/rand/v2", "net", "os", "runtime", "sync", "sync/atomic", "syscall", "time"}
	for _, f := range sources(t)["session"] {
		for _, i := range f.syntax.Imports {
			if name, _ := strconv.Unquote(i.Path.Value); slices.Contains(impure, name) || strings.HasPrefix(name, "golang.org/x/sys") {
				t.Errorf("%s: the session must not import %s", f.where(i.Pos()), name)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: the session must not start a goroutine", f.where(g.Pos()))
			}
			return true
		})
	}
}

// goroutine is the function literal that n starts as a goroutine, nil if it starts none.
func goroutine(n ast.Node) *ast.FuncLit {
	switch n := n.(type) {
	case *ast.GoStmt:
		body, _ := n.Call.Fun.(*ast.FuncLit)
		return body
	case *ast.CallExpr: // of a WaitGroup or an errgroup
		if method, ok := n.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Go" && len(n.Args) == 1 {
			body, _ := n.Args[0].(*ast.FuncLit)
			return body
		}
	}
	return nil
}

// isOneCall reports whether a literal does nothing but call a function that has a name, as
// what is handed to WaitGroup.Go does to pass arguments on.
func isOneCall(f *ast.FuncLit) bool {
	if len(f.Body.List) != 1 {
		return false
	}
	var call ast.Expr
	switch only := f.Body.List[0].(type) {
	case *ast.ExprStmt:
		call = only.X
	case *ast.ReturnStmt:
		if len(only.Results) == 1 {
			call = only.Results[0]
		}
	}
	c, ok := call.(*ast.CallExpr)
	if !ok {
		return false
	}
	_, literal := c.Fun.(*ast.FuncLit)
	return !literal
}

// source is one parsed file.
type source struct {
	fset   *token.FileSet
	syntax *ast.File
}

func (s source) where(p token.Pos) string { return s.fset.Position(p).String() }

// imports is what the file imports of this module.
func (s source) imports() (ours []string) {
	for _, i := range s.syntax.Imports {
		name, _ := strconv.Unquote(i.Path.Value) // the parser has read it
		if dir, ok := strings.CutPrefix(name, module); ok {
			ours = append(ours, dir)
		}
	}
	return ours
}

// sources is every file of Go in the module but tests, by folder.
func sources(t *testing.T) map[string][]source {
	t.Helper()
	found := make(map[string][]source)
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != "." && strings.HasPrefix(entry.Name(), "."), entry.Name() == "testdata":
			return filepath.SkipDir
		case path.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		syntax, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(name))
		found[dir] = append(found[dir], source{fset, syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < len(allowed) {
		t.Fatalf("only %d packages found", len(found))
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
