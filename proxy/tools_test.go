package proxy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// tool runs a program of PostgreSQL through the proxy and returns what it
// printed.
func (w *world) tool(name string, args ...string) string {
	w.t.Helper()
	host, port, _ := strings.Cut(w.address(), ":")
	cmd := exec.CommandContext(bounded(w.t), name, args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=app", "PGDATABASE=app", "PGSSLMODE=prefer")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func TestPsql(t *testing.T) {
	w := start(t)
	out, err := w.psql(nil, "-c", "select 1", "-c", "create temp table x(i int)", "-c", `\conninfo`, "-c", `\dt pg_catalog.pg_class`)
	if err != nil || !strings.HasPrefix(out, "1\n") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := w.psql(nil, "-1", "-c", "create table tmp_psql(i int)", "-c", `\copy tmp_psql from program 'seq 1000'`,
		"-c", "select sum(i) from tmp_psql", "-c", `\copy tmp_psql to '/dev/null'`, "-c", "drop table tmp_psql"); err != nil || !strings.Contains(out, "500500") {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := w.psql(nil, "-c", "select 1/0"); err == nil || !strings.Contains(out, "division by zero") {
		t.Errorf("%s, %v", out, err)
	}
}

func TestPgbench(t *testing.T) {
	w := start(t, size(4), loops(2))
	w.tool("pgbench", "-i", "-q", "-s", "1")
	for _, args := range []string{"-M simple", "-M extended", "-M extended -S -C", "-M simple -S"} {
		out := w.tool("pgbench", append(strings.Fields(args), "-n", "-c", "8", "-j", "2", "-T", "1")...)
		failed := regexp.MustCompile(`number of failed transactions: (\d+)`).FindStringSubmatch(out)
		if len(failed) < 2 || failed[1] != "0" {
			t.Errorf("pgbench %s:\n%s", args, out)
		}
	}
	w.tool("psql", "-c", "drop table pgbench_accounts, pgbench_branches, pgbench_history, pgbench_tellers")
}

func TestPgDumpInSessionMode(t *testing.T) {
	w := start(t, mode("session"), size(3))
	w.tool("psql", "-q", "-c", "create table dumped as select i, repeat('x', 100) from generate_series(1, 20000) i")
	defer w.tool("psql", "-q", "-c", "drop table dumped")
	out := w.tool("pg_dump", "-t", "dumped")
	if n := strings.Count(out, "xxxxxxxxxx\n"); n != 20000 {
		t.Errorf("%d rows of 20000", n)
	}
}
