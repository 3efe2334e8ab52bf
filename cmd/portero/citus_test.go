package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portero/config"
	"portero/discovery"
)

// citusFile is a proxy.toml of a coordinator and two workers, in database app.
const citusFile = `
[[listener]]
address = ":6432"
[[cluster]]
name = "main"
discovery = "patroni"
citus = true
scope = "demo"
etcd = { endpoints = ["127.0.0.1:1"] }
[[route]]
database = "app_w1"
group = 1
dbname = "app"
[[route]]
database = "app_w2"
group = 2
dbname = "app"
[auth]
method = "trust"
`

// wholeRoute takes what the others leave to the coordinator.
const wholeRoute = `
[[route]]
database = "*"
`

// threeGroups is what etcd says: members of group g are at 10.0.0.1 and 10.0.0.2, ports 5432 + g.
func threeGroups() *discovery.View {
	v := &discovery.View{Cluster: "main", Groups: make(map[int]*discovery.Group)}
	for id := range 3 {
		g := &discovery.Group{ID: id, Leader: fmt.Sprintf("g%dm0", id)}
		for i := range 2 {
			g.Members = append(g.Members, discovery.Member{Name: fmt.Sprintf("g%dm%d", id, i), Address: fmt.Sprintf("10.0.0.%d:%d", i+1, 5432+id)})
		}
		v.Groups[id] = g
	}
	return v
}

// sceneOf is that of a file, and of a view in place of etcd's.
func sceneOf(t *testing.T, toml string, o citusOrder) *citusScene {
	t.Helper()
	cfg, err := config.Load(writeFile(t, "proxy.toml", toml))
	if err != nil {
		t.Fatal(err)
	}
	s, err := o.scene(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.view = threeGroups()
	return s
}

// golden compares a text with that of a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "citus", name)
	if *rewrite {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("-rewrite writes it anew\n%s", firstDifference(got, string(want)))
	}
}

func TestPoolinfoPrintsTheSQLOfACluster(t *testing.T) {
	odd := strings.NewReplacer(`":6432"`, `"unix:/run/it's here"`, `"app_w1"`, `"o'ne \\ two"`, `"app_w2"`, `"eq=ual"`, `"app"`, `"a\"pp; DROP TABLE x"`).Replace(citusFile)
	for name, s := range map[string]*citusScene{
		"everywhere.sql": sceneOf(t, citusFile+wholeRoute, citusOrder{}),
		"elsewhere.sql":  sceneOf(t, citusFile+wholeRoute, citusOrder{host: "portero.internal", port: "5000"}),
		"odd_names.sql":  sceneOf(t, odd+wholeRoute, citusOrder{}),
	} {
		var out, errs strings.Builder
		if name == "everywhere.sql" {
			s.view.Groups[2].Leader = ""
		}
		if status := poolinfo(s, &out, &errs); status != 0 || errs.Len() > 0 {
			t.Errorf("%s: exit status %d, %s", name, status, &errs)
		}
		golden(t, name, out.String())
	}
}

// What is said to be missing is all that is: with it the SQL is printed.
func TestPoolinfoPrintsTheRoutesThatAreMissing(t *testing.T) {
	without := strings.Replace(citusFile, "app_w2", "other", 1)
	without = strings.Replace(without, "group = 2", "group = 2\npool_mode = \"statement\"", 1)
	s := sceneOf(t, without, citusOrder{})
	var out, errs strings.Builder
	if status := poolinfo(s, &out, &errs); status != 1 || out.Len() > 0 {
		t.Errorf("exit status %d, and on standard output:\n%s", status, &out)
	}
	golden(t, "missing.txt", errs.String())
	_, lines, _ := strings.Cut(errs.String(), "\n\n")
	s = sceneOf(t, strings.Replace(without, "[auth]", lines+"[auth]", 1), citusOrder{})
	out.Reset()
	errs.Reset()
	if status := poolinfo(s, &out, &errs); status != 0 || strings.Count(out.String(), "INSERT") != 3 {
		t.Errorf("with these lines: exit status %d\n%s%s", status, &out, &errs)
	}
}

// A route with server_user would have nodes be one user, whoever runs the query.
func TestPoolinfoSaysThatARouteIsOfOneUser(t *testing.T) {
	s := sceneOf(t, strings.Replace(citusFile, "group = 2", "group = 2\nserver_user = \"app\"", 1)+wholeRoute, citusOrder{})
	var out, errs strings.Builder
	if status := poolinfo(s, &out, &errs); status != 1 || out.Len() > 0 {
		t.Errorf("exit status %d, and on standard output:\n%s", status, &out)
	}
	golden(t, "one_user.txt", errs.String())
}

func TestNodesGoByTheRouteThatTheyWouldGet(t *testing.T) {
	route := func(database, more string) string {
		return "[[route]]\ndatabase = \"" + database + "\"\n" + more + "\n"
	}
	for name, c := range map[string]struct {
		routes string
		want   string // database names of groups 0, 1 and 2
	}{
		"by their own":                  {route("app", "") + route("w1", "group = 1\ndbname = \"app\"") + route("w2", "group = 2\ndbname = \"app\""), "app w1 w2"},
		"one for all databases":         {route("w1", "group = 1\ndbname = \"app\"") + route("*", ""), "app w1 "},
		"by the first that is for them": {route("w1", "group = 1\ndbname = \"app\"\nuser = \"b\"") + route("w1", "group = 2\ndbname = \"app\""), "  w1"},
		"not by a user's own":           {route("w1", "group = 1\ndbname = \"app\"\nuser = \"b\"") + route("*", ""), "app  "},
		"not to a replica":              {route("w1", "group = 1\ndbname = \"app\"\nrole = \"replica\"") + route("r1", "group = 1\ndbname = \"app\""), " r1 "},
		"not as one user for all":       {route("w1", "group = 1\ndbname = \"app\"\nserver_user = \"b\"") + route("v1", "group = 1\ndbname = \"app\"") + route("*", "server_user = \"b\""), " v1 "},
		"not to another database":       {route("w1", "group = 1") + route("v1", "group = 1\ndbname = \"app\""), " v1 "},
	} {
		head, _, _ := strings.Cut(citusFile, "[[route]]")
		s := sceneOf(t, head+c.routes+"[auth]\nmethod = \"trust\"\n", citusOrder{database: "app"})
		var got []string
		for _, w := range s.ways() {
			got = append(got, w.dbname)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, " "), c.want)
		}
	}
}

func TestTheListenerIsTheOneByWhichNodesGetToTheLeaders(t *testing.T) {
	listeners := `
[[listener]]
address = "unix:/run/portero"
[[listener]]
address = "127.0.0.1:5001"
role = "replica"
[[listener]]
address = "10.0.0.1:5000"
[[listener]]
address = "[::]:6432"
`
	file := strings.Replace(citusFile, "[[listener]]\naddress = \":6432\"", listeners, 1) + wholeRoute
	for _, c := range []struct{ port, want string }{{"", "10.0.0.1 5000"}, {"6432", "::1 6432"}, {"9", "10.0.0.1 9"}} {
		s := sceneOf(t, file, citusOrder{port: c.port})
		if got := s.host + " " + s.port; got != c.want {
			t.Errorf("--port %q: %s, want %s", c.port, got, c.want)
		}
	}
}

func TestConnectionStringsAreReadAsTheyAreWritten(t *testing.T) {
	s := sceneOf(t, citusFile+wholeRoute, citusOrder{})
	for _, name := range []string{"app", "a b", `it's`, `back\slash`, `'`, `\`, "a=b", "tab\t", ""} {
		got, ok := parseConninfo(s.conninfo(nodeWay{group: 1, dbname: name}))
		if !ok || got["dbname"] != name || got["host"] != "127.0.0.1" || got["port"] != "6432" || len(got) != 3 {
			t.Errorf("%q: %q", s.conninfo(nodeWay{group: 1, dbname: name}), got)
		}
	}
	if got, ok := parseConninfo(` host = 'a b'port=5  dbname=x\ y `); !ok || got["host"] != "a b" || got["port"] != "5" || got["dbname"] != "x y" {
		t.Errorf("%q, %t", got, ok)
	}
	for _, bad := range []string{"host", "host='a"} {
		if got, ok := parseConninfo(bad); ok {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestCitusSaysWhatItCannotGoBy(t *testing.T) {
	two := strings.Replace(citusFile, "[[route]]", "[[cluster]]\nname = \"second\"\ndiscovery = \"patroni\"\ncitus = true\nscope = \"d\"\netcd = { endpoints = [\"127.0.0.1:1\"] }\n[[route]]\ncluster = \"main\"", 1)
	two = strings.Replace(two, "database = \"app_w2\"", "database = \"app_w2\"\ncluster = \"main\"", 1)
	for name, c := range map[string]struct {
		toml string
		args []string
		says string
	}{
		"no such cluster":  {citusFile, []string{"--cluster", "x"}, `there is no cluster "x"`},
		"several":          {two, nil, "give --cluster, one of main, second"},
		"no Citus":         {"[auth]\nmethod = \"trust\"\n", nil, "no cluster in the file has citus = true"},
		"which database":   {citusFile + "\n[[route]]\ndatabase = \"app_w3\"\ngroup = 1\n", nil, "give --database, one of app, app_w3"},
		"no such port":     {citusFile, []string{"--port", "99999"}, `--port "99999": want 1 to 65535`},
		"no port":          {citusFile, []string{"--port", "0"}, `--port "0": want 1 to 65535`},
		"a port too many":  {citusFile, []string{"--host", "h:1"}, `--host "h:1": give the port by itself: --host h --port 1`},
		"a word too many":  {citusFile, []string{"x"}, `unexpected argument "x"`},
		"a flag of checks": {citusFile, []string{"--user", "x"}, "flag provided but not defined"},
	} {
		args := append([]string{"citus", "poolinfo", "--config", writeFile(t, "proxy.toml", c.toml)}, c.args...)
		stdout, stderr, status := portero(args...)
		if status != 2 || stdout != "" || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit status %d\n%s%s", name, status, stdout, stderr)
		}
	}
	missing := []string{"citus", "check", "--config", writeFile(t, "proxy.toml", citusFile+wholeRoute), "--password-file", "/none"}
	if stdout, stderr, status := portero(missing...); status != 2 || stdout != "" || stderr != "portero citus check: --password-file: open /none: no such file or directory\n" {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
	if _, stderr, status := portero("citus", "sing"); status != 2 || !strings.Contains(stderr, "poolinfo") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}

func TestWithoutEtcdNothingIsKnownOfTheGroups(t *testing.T) {
	t.Parallel() // it waits for etcd
	stdout, stderr, status := portero("citus", "poolinfo", "--config", writeFile(t, "proxy.toml", citusFile))
	if status != 1 || stdout != "" || !strings.Contains(stderr, "cluster main: etcd has not answered within 5s, so that its groups are not known: 127.0.0.1:1: connect: connection refused\n") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}
