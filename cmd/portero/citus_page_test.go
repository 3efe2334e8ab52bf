package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"portero/config"
)

// citusPage is docs/citus.md in a language, cut up.
type citusPage struct {
	levels []string // of its headings, in their order: #, ##, ###
	blocks []string // its code, with the language
	rows   []int    // of its tables
	refs   []string // what it links to
	names  []string // of settings and the like, in their order of the alphabet
}

var (
	heading = regexp.MustCompile(`(?m)^(#+) \S`)
	linked  = regexp.MustCompile(`\]\(([^)]+)\)`)
	inCode  = regexp.MustCompile("`[^`\n]+`")
)

func readCitusPage(t *testing.T, name string) (p citusPage) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../docs", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range fences.FindAllStringSubmatch(string(text), -1) {
		p.blocks = append(p.blocks, b[1]+"\n"+b[2])
	}
	prose := fences.ReplaceAllString(string(text), "")
	for _, h := range heading.FindAllStringSubmatch(prose, -1) {
		p.levels = append(p.levels, h[1])
	}
	for _, table := range strings.Split(prose, "\n\n") {
		if strings.HasPrefix(table, "|") {
			p.rows = append(p.rows, strings.Count(table, "\n|"))
		}
	}
	for _, l := range linked.FindAllStringSubmatch(prose, -1) {
		p.refs = append(p.refs, l[1])
	}
	p.names = inCode.FindAllString(prose, -1)
	slices.Sort(p.names)
	return p
}

func TestThePageOnCitusSaysTheSameInSpanish(t *testing.T) {
	en, es := readCitusPage(t, "citus.md"), readCitusPage(t, "citus.es.md")
	if len(en.levels) < 10 || !slices.Equal(en.levels, es.levels) {
		t.Errorf("headings: %v\nand: %v", en.levels, es.levels)
	}
	if len(en.blocks) < 10 || len(en.blocks) != len(es.blocks) {
		t.Fatalf("%d blocks of code, and %d", len(en.blocks), len(es.blocks))
	}
	for i := range en.blocks {
		if en.blocks[i] != es.blocks[i] {
			t.Errorf("block %d of code:\n%s", i+1, firstDifference(es.blocks[i], en.blocks[i]))
		}
	}
	if !slices.Equal(en.rows, es.rows) {
		t.Errorf("rows of tables: %v and %v", en.rows, es.rows)
	}
	if !slices.Equal(en.refs, es.refs) {
		t.Errorf("links: %q\nand: %q", en.refs, es.refs)
	}
	if got, want := strings.Join(es.names, "\n"), strings.Join(en.names, "\n"); got != want {
		t.Errorf("names:\n%s", firstDifference(got, want))
	}
}

// What the page builds is without fault, and leads nodes to all groups of the plan.
func TestTheFileOfThePageOnCitusLeadsNodesToAllGroups(t *testing.T) {
	page := readCitusPage(t, "citus.md")
	i := slices.IndexFunc(page.blocks, func(b string) bool { return strings.HasPrefix(b, "toml\n# /etc/portero/proxy.toml\n") })
	if i < 0 {
		t.Fatal("there is no proxy.toml")
	}
	path := writeFile(t, "proxy.toml", strings.TrimPrefix(page.blocks[i], "toml\n"))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "userlist.txt"), []byte(strings.TrimPrefix(page.blocks[i+1], "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := portero("check", "--config", path); status != 0 {
		t.Fatalf("%s%s", stdout, stderr)
	}
	checkWithAny(t, page.blocks, path)
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	o := &citusOrder{}
	s, err := o.scene(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.view = threeGroups()
	for _, w := range s.ways() {
		if want := []string{"app", "app_w1", "app_w2"}[w.group]; w.dbname != want || s.conninfo(w) != "host=127.0.0.1 port=6432 dbname="+want {
			t.Errorf("group %d: %s", w.group, s.conninfo(w))
		}
	}
}

// checkWithAny puts the page's route to any node before the others of a file, as the page says.
func checkWithAny(t *testing.T, blocks []string, path string) {
	t.Helper()
	i := slices.IndexFunc(blocks, func(b string) bool { return strings.Contains(b, `group = "any"`) })
	if i < 0 {
		t.Fatal("there is no route to any node")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	with := filepath.Join(filepath.Dir(path), "any.toml") // beside the user file
	if err := os.WriteFile(with, []byte(strings.Replace(string(text), "[[route]]", strings.TrimPrefix(blocks[i], "toml\n")+"\n[[route]]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr, status := portero("check", "--config", with); status != 0 {
		t.Errorf("with the route to any node: %s%s", stdout, stderr)
	}
}
