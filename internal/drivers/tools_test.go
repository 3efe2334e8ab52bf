package drivers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"portero/internal/lab"
)

// tool is one of PostgreSQL's programs, for the client's schema and with its settings.
func (c *client) tool(ctx context.Context, name string, args ...string) (*exec.Cmd, error) {
	bin, err := lab.PostgresBin()
	if err != nil {
		return nil, err
	}
	cmd := c.command(ctx, filepath.Join(bin, name), args...)
	cmd.Env = append(cmd.Env, "PGAPPNAME="+c.given()["application_name"], "PGOPTIONS="+c.options())
	return cmd, nil
}

// output runs a tool and returns what it printed, which is part of its error too.
func (c *client) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd, err := c.tool(ctx, name, args...)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &out)
	}
	return out.String(), nil
}

// sql runs statements by psql, which prints their answers.
func (c *client) sql(ctx context.Context, statements ...string) error {
	args := []string{"--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1"}
	for _, s := range statements {
		args = append(args, "--command", s)
	}
	out, err := c.output(ctx, "psql", args...)
	fmt.Fprint(c.out, out)
	return err
}

func runPgbench(ctx context.Context, c *client) error {
	if err := c.sql(ctx, "create table counted as select i, 0 as v from generate_series(1, 10) i"); err != nil {
		return err
	}
	for _, s := range []struct{ section, protocol, script string }{
		{"simple", "simple", "simple.sql"}, {"extended", "extended", "simple.sql"}, {"prepared", "prepared", "simple.sql"},
		{"sessions", "extended", "session.sql"}, {"prepared", "prepared", "session.sql"},
		{"pipeline", "extended", "pipeline.sql"}, {"prepared", "prepared", "pipeline.sql"},
		{"features", "simple", "features.sql"}, {"features", "extended", "features.sql"}, {"features", "prepared", "features.sql"},
		{"errors", "simple", "failing.sql"}, {"errors", "extended", "failing.sql"}, {"errors", "prepared", "failing.sql"},
	} {
		if err := c.section(s.section, func() error {
			return c.bench(ctx, s.protocol, "--file", filepath.Join(sources, "pgbench", s.script), "--max-tries", "2",
				"--define", "memory="+strings.TrimSuffix(c.given()["work_mem"], "kB"), "--define", fmt.Sprint("number=", c.number),
				"--define", fmt.Sprint("rows=", max(10, c.amount()/60)))
		}); err != nil {
			return err
		}
	}
	if err := c.section("extended", func() error { return c.sql(ctx, "select sum(v) > 0 from counted") }); err != nil {
		return err
	}
	if c.number != 0 {
		return nil // the tables are large
	}
	steps := "dtgvp"
	if c.amount() < usual {
		steps = "dtGvp" // the rows come from the server itself
	}
	if _, err := c.output(ctx, "pgbench", "--initialize", "--init-steps", steps, "--quiet"); err != nil {
		return err
	}
	for _, protocol := range []string{"simple", "extended", "prepared"} {
		if err := c.section(protocol, func() error {
			return errors.Join(c.bench(ctx, protocol, "--builtin", "tpcb-like"),
				c.bench(ctx, protocol, "--builtin", "select-only", "--connect"))
		}); err != nil {
			return err
		}
	}
	return nil
}

var outcome = regexp.MustCompile(`(?m)^(number of (transactions actually processed|failed transactions|transactions retried)|total number of retries): .*$`)

// bench prints how many transactions pgbench has done, has tried again, and how many have failed.
func (c *client) bench(ctx context.Context, protocol string, script ...string) error {
	clients := "3"
	if protocol == "prepared" { // pgbench blocks while it prepares, also where another of its clients has a server in a transaction
		clients = "1"
	}
	args := append([]string{"--no-vacuum", "--client", clients, "--transactions", strconv.Itoa(max(2, c.amount()/3600)), "--protocol", protocol}, script...)
	out, err := c.output(ctx, "pgbench", args...)
	if err != nil {
		return err
	}
	for _, line := range outcome.FindAllString(out, -1) {
		c.print("%s", line)
	}
	return nil
}

// toBeDumped is a bit of everything that a dump has.
var toBeDumped = []string{
	"create type colour as enum ('red', 'green')",
	"create table parents (id int generated always as identity primary key, t text not null check (t <> ''), c colour)",
	"insert into parents (t, c) select 'parent ' || i, case when i % 2 = 0 then 'red'::colour end from generate_series(1, 200) i",
	"create table children (parent int references parents on delete cascade, payload jsonb, b bytea)",
	"insert into children select i % 200 + 1, jsonb_build_object('i', i), decode(md5(i::text), 'hex') from generate_series(1, 300) i",
	"create index on children (parent, (payload ->> 'i'))",
	"create sequence numbers increment 7",
	"select nextval('numbers')",
	"create view families as select p.t, count(*) from parents p join children c on c.parent = p.id group by p.t",
	"create materialized view sums as select c, count(*) as n from parents group by c",
	"create function twice(i int) returns int language sql immutable as $$ select i * 2 $$",
	"comment on table parents is 'a ''comment'' with \"quotes\" and \\'",
	"create table parts (i int) partition by range (i)",
	"create table parts_1 partition of parts for values from (0) to (100)",
	"create table parts_2 partition of parts for values from (100) to (200)",
	"insert into parts select generate_series(0, 199, 9)",
}

// runDump dumps the client's schema, in one piece and in parallel, and brings it back.
func runDump(ctx context.Context, c *client) error {
	if err := c.sql(ctx, append(toBeDumped, "create table many as "+c.largeResult())...); err != nil {
		return err
	}
	before, err := c.dump(ctx)
	if err != nil {
		return err
	}
	if err := c.section("pg_dump", func() error { c.print("%s", before); return nil }); err != nil {
		return err
	}
	return c.section("prepared", func() error { // pg_dump names statements
		dir, err := os.MkdirTemp("", "portero-dump-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		files := filepath.Join(dir, "dump")
		if _, err := c.output(ctx, "pg_dump", "--schema", c.schema(c.number), "--format", "directory", "--jobs", "3", "--file", files); err != nil {
			return err
		}
		if err := c.sql(ctx, "set client_min_messages = warning", "drop schema "+c.schema(c.number)+" cascade"); err != nil {
			return err
		}
		if _, err := c.output(ctx, "pg_restore", "--dbname", c.route, "--jobs", "2", "--exit-on-error", files); err != nil {
			return err
		}
		if err := c.sql(ctx, "select count(*), md5(string_agg(repeat, ' ' order by i)) from many"); err != nil {
			return err
		}
		if c.amount() < usual {
			return nil // a dump reads the whole catalog, more than once
		}
		after, err := c.dump(ctx)
		if err != nil {
			return err
		}
		c.print("what has been restored is what was dumped: %v", after == before)
		if after != before {
			c.print("%s", after)
		}
		return nil
	})
}

var restriction = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

// dump is the client's schema as SQL, without what is large and without the random word that
// newer versions put in.
func (c *client) dump(ctx context.Context) (string, error) {
	out, err := c.output(ctx, "pg_dump", "--schema", c.schema(c.number), "--exclude-table-data", "*.many")
	return restriction.ReplaceAllString(out, ""), err
}
