package main

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"portero/config"
	"portero/discovery"
	"portero/internal/lab"
)

func liveConfig(t *testing.T, etcd []string, more string) string {
	t.Helper()
	return writeFile(t, "proxy.toml", fmt.Sprintf(`[[cluster]]
name = "main"
discovery = "patroni"
etcd = { endpoints = ["%s"] }
namespace = "/service"
scope = "demo"
citus = true
%s
[auth]
method = "trust"
`, strings.Join(etcd, `", "`), more))
}

const routes = `[[route]]
database = "app"
cluster = "main"
[[route]]
database = "w1"
cluster = "main"
group = 1
`

// TestCheckLiveLooksAtARealCluster has Patroni run one group, and writes the keys of another.
func TestCheckLiveLooksAtARealCluster(t *testing.T) {
	site := lab.ClusterForTest(t, lab.ClusterOptions{Etcd: lab.EtcdForTest(t, 1, lab.EtcdOptions{})})
	leader, err := site.Groups[0].WaitLeader(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	path := liveConfig(t, site.Etcd.Endpoints(), routes)
	lines := func(want ...string) (stdout, stderr string, status int) {
		t.Helper()
		stdout, stderr, status = portero("check", path, "--live")
		for _, line := range want {
			if !strings.Contains(stdout+stderr, line) {
				t.Errorf("no %q in:\n%s%s", line, stdout, stderr)
			}
		}
		return stdout, stderr, status
	}
	oneHost := "  warning: group 0 is lost with host 127.0.0.1: "
	_, stderr, status := lines(path+": ok\n", "cluster main: patroni, etcd on 127.0.0.1\n", "  group 0: leader "+leader.Name+", timeline 1\n",
		leader.Name+" "+leader.Address+", primary, running: answers\n", ", replica, running: answers\n", oneHost, "  warning: all members of etcd (1) run on host 127.0.0.1")
	if want := "cluster main: group 1, to which a route leads, is not known: are namespace, scope and citus right?\n"; status != 1 || stderr != want {
		t.Errorf("exit status %d, %q, want 1 and %q", status, stderr, want)
	}
	put := func(key, value string) {
		t.Helper()
		if _, err := site.Etcd.Client.Put(t.Context(), "/service/demo/1/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	nobody, closed := someoneElse(t), closedAddress(t)
	put("leader", "w1")
	put("config", "{}")
	put("members/w1", `{"conn_url":"postgres://`+leader.Address+`/postgres","state":"running","role":"primary"}`)
	put("members/w2", `{"conn_url":"postgres://`+closed+`/postgres","state":"running","tags":{"host":"server-2","zone":"north"}}`)
	_, stderr, status = lines("  group 1: leader w1\n", "w2 "+closed+", running, zone north: ", "connection refused\n",
		"  warning: w2 of group 1 does not answer at "+closed, oneHost, "  warning: group 1 replicates asynchronously, and nobody has asked for that")
	if status != 0 || stderr != "" {
		t.Errorf("with nothing but warnings: exit status %d, %q", status, stderr)
	}
	put("members/w1", `{"conn_url":"postgres://`+nobody+`/postgres"}`)
	_, stderr, status = lines("the leader of group 1, w1, does not answer at " + nobody + ": what answers is no PostgreSQL")
	if status != 1 {
		t.Errorf("with a leader that does not answer: exit status %d, %q", status, stderr)
	}
}

// someoneElse listens, and is no PostgreSQL.
func someoneElse(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(c, "220 mail\r\n")
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

func closedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestCheckLiveOfHostsNeedsOneThatAnswers(t *testing.T) {
	db := lab.PostgresForTest(t, lab.PostgresOptions{})
	closed := closedAddress(t)
	for _, c := range []struct {
		discovery string
		hosts     []string
		status    int
		words     []string
	}{
		{"static", []string{db.Address(), closed}, 0, []string{"cluster local: static\n", "    " + db.Address() + ": answers\n", "  warning: " + closed + " of group 0 does not answer"}},
		{"static", []string{closed}, 1, []string{"cluster local: none of its hosts answers\n"}},
		{"yugabyte", []string{db.Address(), closed}, 0, []string{"cluster local: yugabyte\n  group 0: every node takes writes\n", "    " + db.Address() + ": answers\n", "  warning: " + closed + " of group 0 does not answer"}},
		{"yugabyte", []string{closed}, 1, []string{"cluster local: none of its nodes answers\n"}},
	} {
		path := writeFile(t, "proxy.toml", `[[cluster]]
name = "local"
discovery = "`+c.discovery+`"
hosts = ["`+strings.Join(c.hosts, `", "`)+`"]
[[route]]
cluster = "local"
[auth]
method = "trust"
`)
		stdout, stderr, status := portero("check", "--live", "--config", path)
		if status != c.status {
			t.Errorf("%s, %v: exit status %d, want %d", c.discovery, c.hosts, status, c.status)
		}
		for _, line := range c.words {
			if !strings.Contains(stdout+stderr, line) {
				t.Errorf("%s, %v: no %q in:\n%s%s", c.discovery, c.hosts, line, stdout, stderr)
			}
		}
	}
}

func TestCheckLiveSaysWhyEtcdDoesNotAnswer(t *testing.T) {
	t.Parallel()                                  // it waits for etcd
	hung, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer hung.Close()
	closed := closedAddress(t)
	p, err := prepare(liveConfig(t, []string{hung.Addr().String(), closed}, routes), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &sight{cluster: p.cfg.Clusters[0], groups: groupsOf(p.cfg, "main"), limit: 4 * time.Second}
	s.look()
	lines, faults := s.report()
	if want := "cluster main: patroni, etcd at " + hung.Addr().String() + ", " + closed; !slices.Equal(lines, []string{want}) {
		t.Errorf("%q, want %q", lines, want)
	}
	if want := "etcd does not answer: " + hung.Addr().String() + ": no answer in time; " + closed + ": connect: connection refused"; !slices.Equal(faults, []string{want}) {
		t.Errorf("%q, want %q", faults, want)
	}
}

func TestCheckWithoutLiveLooksAtNothing(t *testing.T) {
	path := liveConfig(t, []string{closedAddress(t)}, routes)
	if stdout, stderr, status := portero("check", path); status != 0 || stderr != "" || strings.Contains(stdout, "cluster main") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
	if _, stderr, status := portero("check", "--live", writeFile(t, "proxy.toml", "colour = 1\n")); status != 1 || strings.Contains(stderr, "etcd") {
		t.Errorf("of a file with faults: exit status %d, %q", status, stderr)
	}
	if _, stderr, status := portero("serve", "--live", path); status != 2 {
		t.Errorf("serve has it too: exit status %d, %q", status, stderr)
	}
}

func TestWhatCheckLiveSaysOfAGroup(t *testing.T) {
	m := func(name, address string) discovery.Member {
		return discovery.Member{Name: name, Address: address, Host: address}
	}
	g := &discovery.Group{Leader: "a", Timeline: 3, Standby: true, Paused: true, Members: []discovery.Member{m("a", "1.1.1.1:5432"), m("b", "")}}
	s := &sight{
		cluster: config.Cluster{Name: "main", Discovery: "patroni", Etcd: config.Etcd{Endpoints: []string{"e:2379"}}}, groups: map[int]bool{0: true, 1: true},
		view:   &discovery.View{Groups: map[int]*discovery.Group{0: g, 1: {ID: 1, Members: g.Members}}},
		silent: map[string]error{"": net.ErrClosed},
	}
	lines, faults := s.report()
	for _, want := range []string{
		"cluster main: patroni, etcd at e:2379", "  group 0: leader a, timeline 3, a standby cluster, which takes no writes, Patroni is paused",
		"    a 1.1.1.1:5432: answers", "    b without an address: use of closed network connection", "  group 1: nobody leads",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if want := []string{"group 1 has no leader"}; !slices.Equal(faults, want) {
		t.Errorf("faults %q, want %q", faults, want)
	}
}

// Of the groups that a route spreads over one that is served is enough.
func TestCheckLiveOfARouteToAnyNodeNeedsOneGroupThatIsServed(t *testing.T) {
	const w2 = "group 2 has no leader"
	for name, c := range map[string]struct {
		route    string
		silent   []string // addresses, of groups 0 to 2
		warnings []string
		faults   []string
	}{
		"over all":               {"", nil, []string{w2}, nil},
		"over some, all served":  {"groups = [0, 1]", nil, nil, nil},
		"over some, two are not": {"groups = [1, 2, 3]", nil, []string{w2, "group 3, to which a route leads, is not known: are namespace, scope and citus right?"}, nil},
		"over none that is led":  {"groups = [2]", nil, nil, []string{`none of the groups of a route with group = "any" is served; ` + w2}},
		"over none that answers": {"", []string{"a:0", "a:1"}, nil, []string{`none of the groups of a route with group = "any" is served; ` +
			"the leader of group 0, m, does not answer at a:0: EOF; the leader of group 1, m, does not answer at a:1: EOF; " + w2}},
		"twice, and beside one to a group": {"[[route]]\ndatabase = \"b\"\ngroup = \"any\"\n[[route]]\ndatabase = \"c\"\ngroup = 2", nil, []string{w2}, []string{w2}},
	} {
		p, err := prepare(liveConfig(t, []string{"e:2379"}, "[[route]]\ndatabase = \"a\"\ngroup = \"any\"\n"+c.route), nil)
		if err != nil {
			t.Fatal(name, err)
		}
		v := &discovery.View{Groups: make(map[int]*discovery.Group)}
		for id := range 3 {
			v.Groups[id] = &discovery.Group{ID: id, Leader: "m", Members: []discovery.Member{{Name: "m", Address: fmt.Sprintf("a:%d", id)}}}
		}
		v.Groups[2].Leader = ""
		s := &sight{cluster: p.cfg.Clusters[0], groups: groupsOf(p.cfg, "main"), spreads: spreadsOf(p.cfg, "main"), view: v, silent: make(map[string]error)}
		for _, address := range c.silent {
			s.silent[address] = io.EOF
		}
		lines, faults := s.report()
		var warnings []string
		for _, line := range lines {
			if warning, ok := strings.CutPrefix(line, "  warning: "); ok {
				warnings = append(warnings, warning)
			}
		}
		if !slices.Equal(warnings, c.warnings) || !slices.Equal(faults, c.faults) {
			t.Errorf("%s: warnings %q, want %q; faults %q, want %q", name, warnings, c.warnings, faults, c.faults)
		}
	}
}
