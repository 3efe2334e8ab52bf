package drivers

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"portero/internal/lab"
)

// psqlSections are those of testdata/drivers/psql.
var psqlSections = []string{
	"settings", "datestyle", "reset", "role", "prepared", "several", "copy", "large", "errors", "savepoints", "variables",
	"cursor", "sqlprepare", "notify", "temp", "hold", "advisory", "discard",
}

// runPsql runs each section as a file of a session of psql: those of all drivers, and those
// of psql. A psql that has cancelled a statement ends, so that is one of its own.
func runPsql(ctx context.Context, c *client) error {
	var input strings.Builder
	include := func(name string) {
		own := filepath.Join(sources, "psql", name+".sql")
		if matches, _ := filepath.Glob(own); len(matches) == 1 {
			fmt.Fprintf(&input, "\\i %s\n", own)
			return
		}
		for _, sql := range c.script(name) {
			fmt.Fprintf(&input, "%s;\n", sql)
		}
	}
	include("setup")
	for _, name := range psqlSections {
		fmt.Fprintf(&input, "\\echo == %s\n", name)
		include(name)
		include("state")
	}
	if err := c.psql(ctx, input.String()); err != nil {
		return err
	}
	return c.section("cancel", func() error {
		c.print("%v", c.psql(ctx, "\\set SHOW_CONTEXT never\nselect 'before';\n"+sleep+";\nselect 'never';\n"))
		c.print("%v", c.psql(ctx, "\\set SHOW_CONTEXT never\nbegin;\n"+sleep+";\n"))
		return c.psql(ctx, "select 'another session';\n")
	})
}

// psql runs statements; a notice that one has begun is answered by SIGINT.
func (c *client) psql(ctx context.Context, input string) error {
	bin, err := lab.PostgresBin()
	if err != nil {
		return err
	}
	// A line of its output is out before the next statement begins, as its errors are.
	cmd := c.command(ctx, "stdbuf", "-oL", filepath.Join(bin, "psql"), "--no-psqlrc", "--echo-queries",
		"--set", fmt.Sprint("n=", c.number), "--set", "schema="+c.schema(c.number),
		"--set", fmt.Sprintf("timeout=60%ds", c.number), "--set", "zone="+c.zone(), "--set", "memory="+c.given()["work_mem"],
		"--set", "application="+c.given()["application_name"], "--set", fmt.Sprint("rows=", c.amount()), "--set", "VERBOSITY=verbose")
	cmd.Env = append(cmd.Env, "PGAPPNAME="+c.given()["application_name"], "PGOPTIONS=-c work_mem="+c.given()["work_mem"])
	cmd.Stdin = strings.NewReader(input)
	out := &watched{out: c.out, tells: "NOTICE:  00000: begun", do: func() { _ = cmd.Process.Signal(syscall.SIGINT) }}
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

// watched is a transcript in which a text makes something happen. What PostgreSQL's programs
// say of process IDs and of their own source is left out.
type watched struct {
	mu    sync.Mutex // guards what follows
	out   io.Writer
	line  []byte // what has come of the last one
	tells string
	do    func()
}

var passing = regexp.MustCompile(`PID \d+|^LOCATION: .*|psql:[^:]*:\d+: `)

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line = append(w.line, p...)
	for {
		line, rest, whole := strings.Cut(string(w.line), "\n")
		if !whole {
			return len(p), nil
		}
		w.line = []byte(rest)
		if strings.Contains(line, w.tells) {
			w.do()
		}
		if _, err := fmt.Fprintln(w.out, passing.ReplaceAllString(line, "")); err != nil {
			return 0, err
		}
	}
}

// options are a client's settings as libpq takes them.
func (c *client) options() string {
	settings := maps.Clone(c.given())
	delete(settings, "application_name")
	settings["search_path"] = c.schema(c.number)
	var options []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		options = append(options, "-c "+name+"="+settings[name])
	}
	return strings.Join(options, " ")
}
