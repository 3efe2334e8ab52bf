package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestTopFindsItsWayToTheConsole has the ways that it tries, as user@host:port/database, with
// each host of several.
func TestTopFindsItsWayToTheConsole(t *testing.T) {
	config := writeFile(t, "proxy.toml", `
[[listener]]
address = ":6500"
[[listener]]
address = "unix:/run/portero"
[[listener]]
address = "unix:/run/other/.s.PGSQL.7000"
[[listener]]
address = "[::]:6501"
[admin]
users = ["ops", "dba"]
[auth]
method = "trust"
`)
	services := writeFile(t, "services", "[far]\nhost=db7\nport=7004\nuser=svc\n[bare]\ndbname=portero\n")
	for _, c := range []struct {
		args, want string
		env        [2]string
	}{
		{"", "me@127.0.0.1:6432/pgbouncer", [2]string{}},
		{"--host db1 --user ops", "ops@db1:6432/pgbouncer", [2]string{}},
		{"--port 7000", "me@127.0.0.1:7000/pgbouncer", [2]string{}},
		{"", "me@127.0.0.1:7000/pgbouncer", [2]string{"PGPORT", "7000"}},
		{"", "me@db2:6432/pgbouncer", [2]string{"PGHOST", "db2"}},
		{"--port 7001", "me@127.0.0.1:7001/pgbouncer", [2]string{"PGPORT", "7000"}},
		{"host=db3\tport=7002\tuser=x", "x@db3:7002/pgbouncer", [2]string{}},
		{"dbname=portero", "me@127.0.0.1:6432/portero", [2]string{}},
		{"postgres://ops@db4", "ops@db4:6432/pgbouncer", [2]string{}},
		{"postgres://ops@db4:7003/portero?sslmode=require", "ops@db4:7003/portero", [2]string{}},
		{"postgres://ops@db4", "ops@db4:7000/pgbouncer", [2]string{"PGPORT", "7000"}},
		{"postgres://ops@db4/", "ops@db4:6432/pgbouncer", [2]string{"PGDATABASE", "app"}},
		{"postgresql:///?host=/run/portero", "me@/run/portero:6432/pgbouncer", [2]string{}},
		{"postgres://ops:p@db4,[::1],db5:7003/portero", "ops@db4:6432,::1:6432,db5:7003/portero", [2]string{}},
		{"host=db4,db5", "me@db4:6432,db5:6432/pgbouncer", [2]string{}},
		{"password=a://b\thost=db6", "me@db6:6432/pgbouncer", [2]string{}},
		{"service=far", "svc@db7:7004/pgbouncer", [2]string{}},
		{"service=far\tport=7005 --user ops", "ops@db7:7005/pgbouncer", [2]string{}},
		{"", "svc@db7:7004/pgbouncer", [2]string{"PGSERVICE", "far"}},
		{"service=bare", "me@127.0.0.1:6432/portero", [2]string{}},
		{"--config FILE", "pgbouncer@/run/portero:6432/pgbouncer pgbouncer@/run/other:7000/pgbouncer ops@127.0.0.1:6500/pgbouncer ops@/run/portero:6432/pgbouncer ops@/run/other:7000/pgbouncer ops@::1:6501/pgbouncer", [2]string{}},
		{"--config FILE --user dba", "pgbouncer@/run/portero:6432/pgbouncer pgbouncer@/run/other:7000/pgbouncer dba@127.0.0.1:6500/pgbouncer dba@/run/portero:6432/pgbouncer dba@/run/other:7000/pgbouncer dba@::1:6501/pgbouncer", [2]string{}},
	} {
		t.Run(c.args+c.env[0], func(t *testing.T) {
			t.Setenv("PGUSER", "me")
			for _, name := range []string{"PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"} {
				t.Setenv(name, "")
			}
			t.Setenv("PGSERVICEFILE", services)
			t.Setenv("PGSSLMODE", "disable") // with which there is one way to each host
			if c.env[0] != "" {
				t.Setenv(c.env[0], c.env[1])
			}
			var args []string
			for _, word := range strings.Split(c.args, " ") {
				if word = strings.ReplaceAll(strings.ReplaceAll(word, "FILE", config), "\t", " "); word != "" {
					args = append(args, word)
				}
			}
			var stderr bytes.Buffer
			order, _ := parseTop(args, &stderr)
			if order == nil {
				t.Fatal(stderr.String())
			}
			ways, ok := order.ways(&stderr)
			if !ok {
				t.Fatal(stderr.String())
			}
			var got []string
			for _, w := range ways {
				places := fmt.Sprintf("%s:%d", w.Host, w.Port)
				for _, f := range w.Fallbacks {
					places += fmt.Sprintf(",%s:%d", f.Host, f.Port)
				}
				got = append(got, fmt.Sprintf("%s@%s/%s", w.User, places, w.Database))
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("\n got %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestTopRefusesWhatItCannotDo(t *testing.T) {
	for _, c := range []struct {
		want string
		args []string
	}{
		{"a URL says where", []string{"postgres://ops@db4", "--user", "dba"}},
		{"a URL says where", []string{"--host", "db5", "postgresql://ops@db4"}},
		{"a URL says where", []string{"--port", "1", "postgres://ops@db4"}},
		{"a file says where", []string{"--config", "proxy.toml", "--port", "1"}},
		{"no view \"pool\"", []string{"--view", "pool"}},
		{"must be 0 or more", []string{"--batch", "-n", "-1"}},
		{"at least 100ms", []string{"-d", "99ms"}},
	} {
		_, stderr, status := portero(append([]string{"top"}, c.args...)...)
		if status != 2 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: exit status %d, %q", c.args, status, stderr)
		}
	}
}
