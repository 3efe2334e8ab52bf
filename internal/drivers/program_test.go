package drivers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// program is what is run as several clients at once, each of which prints a transcript that
// is the same each time: sections, each begun by a line "== name".
type program struct {
	name     string // of the driver, and of what its clients have in the database
	database string // default: app
	clients  int    // how many at once; default 8
	run      func(context.Context, *client) error
}

// programs are all of them.
func programs() []program {
	all := []program{
		{name: "pq", run: runPQ},
		{name: "psql", run: runPsql},
		{name: "pgbench", run: runPgbench},
		{name: "dump", database: "dumps", clients: 2, run: runDump},
		{name: "psycopg2", run: runPython("psycopg2")},
		{name: "psycopg3", run: runPython("psycopg3")},
		{name: "pgjdbc", run: runJava},
		{name: "node_pg", run: runNode("pg.js")},
		{name: "postgres_js", run: runNode("postgres.js")},
	}
	return append(pgxPrograms(), all...)
}

func (p program) databaseName() string {
	if p.database == "" {
		return "app"
	}
	return p.database
}

func (p program) count() int {
	if p.clients == 0 {
		return 8
	}
	return p.clients
}

// schema is client n's own in the database; its search_path leads there.
func (p program) schema(n int) string { return p.name + "_" + strconv.Itoa(n) }

// common is the schema of all clients of a program.
func (p program) common() string { return p.name + "_all" }

// client is one copy of a program.
type client struct {
	program
	number     int
	address    string // host:port of PostgreSQL or of Portero
	route      string // the database to ask for there
	rows       int    // of a large result; usual if 0
	statements string // directory of testdata/drivers/sql, made this client's own
	out        io.Writer
}

var zones = []string{
	"UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo",
	"Asia/Kolkata", "Australia/Sydney", "America/Sao_Paulo", "Africa/Nairobi",
}

func (c *client) zone() string { return zones[c.number%len(zones)] }

// given are the settings with which a client begins; the others are in setup.sql.
func (c *client) given() map[string]string {
	return map[string]string{
		"application_name": fmt.Sprintf("%s %d", c.name, c.number),
		"work_mem":         fmt.Sprintf("4%d00kB", c.number),
	}
}

// dsn is a connection string with further parameters.
func (c *client) dsn(parameters map[string]string) string {
	query := url.Values{"sslmode": {"disable"}}
	for name, value := range parameters {
		query.Set(name, value)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword("app", "app"), Host: c.address, Path: "/" + c.route, RawQuery: strings.ReplaceAll(query.Encode(), "+", "%20")}
	return u.String()
}

// usual is how many rows a large result has: about three megabytes.
const usual = 18000

// amount is how many rows a large result has. What else is large goes by it.
func (c *client) amount() int {
	if c.rows == 0 {
		return usual
	}
	return c.rows
}

// largeResult is a statement with a large result.
func (c *client) largeResult() string {
	return fmt.Sprintf("select i, repeat(md5(i::text), 5) from generate_series(1, %d) i", c.amount())
}

// largeValue is a large parameter, of characters that are more than a byte too.
func (c *client) largeValue() string { return strings.Repeat("große Parameter ", 5*c.amount()) }

// section prints a section's head and runs it.
func (c *client) section(name string, run func() error) error {
	c.print("== %s", name)
	if err := run(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (c *client) print(format string, args ...any) { fmt.Fprintf(c.out, format+"\n", args...) }

// script is the statements of a file of testdata/drivers/sql.
func (c *client) script(name string) (statements []string) {
	text, err := os.ReadFile(filepath.Join(c.statements, name+".sql"))
	if err != nil {
		panic(err) // the test has just written it
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			statements = append(statements, line)
		}
	}
	return statements
}

// writeStatements writes them for this client.
func (c *client) writeStatements(dir string) error {
	c.statements = dir
	files, err := filepath.Glob(filepath.Join(sources, "sql", "*.sql"))
	if err != nil {
		return err
	}
	variables := strings.NewReplacer("{n}", strconv.Itoa(c.number), "{schema}", c.schema(c.number),
		"{all}", c.common(), "{zone}", c.zone(), "{name}", c.name, "{memory}", c.given()["work_mem"])
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(variables.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// sources is where the programs are.
var sources = must(filepath.Abs("../../testdata/drivers"))

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// environment tells a program, and libpq, where to go and as whom.
func (c *client) environment() []string {
	host, port, _ := net.SplitHostPort(c.address)
	return append(os.Environ(),
		"PGHOST="+host, "PGPORT="+port, "PGUSER=app", "PGPASSWORD=app", "PGDATABASE="+c.route, "PGSSLMODE=disable",
		"LC_ALL=C.UTF-8",
		"CLIENT="+strconv.Itoa(c.number), "NAME="+c.name, "STATEMENTS="+c.statements, "ROWS="+strconv.Itoa(c.amount()))
}

// command is a program that prints into the transcript.
func (c *client) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = c.environment()
	cmd.Stdout, cmd.Stderr = c.out, c.out
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// runAll runs a program's clients at once, each of them in a copy of what, and returns their
// transcripts by number. What a program says of its own failure is part of it.
func runAll(t *testing.T, p program, count int, what client) []string {
	t.Helper()
	prepareDatabase(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transcripts := make([]string, count)
	done := make(chan struct{})
	for n := range count {
		c := what
		c.program, c.number = p, n
		if err := c.writeStatements(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		go func() {
			defer func() { done <- struct{}{} }()
			transcripts[n] = c.transcript(ctx)
		}()
	}
	for range count {
		<-done
	}
	return transcripts
}

// transcript runs the client to its end.
func (c client) transcript(ctx context.Context) string {
	var out strings.Builder
	c.out = &out
	if err := c.run(ctx, &c); err != nil {
		fmt.Fprintf(&out, "\n%s %v\n", failed, err)
	}
	return out.String()
}

// failed begins the line of a program that has not come to its end.
const failed = "the program failed:"
