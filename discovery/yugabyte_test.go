package discovery

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"portero/config"
)

func openYugabyte(t *testing.T, log *slog.Logger, keys []string, hosts ...string) *Cluster {
	t.Helper()
	c, err := Open(config.Cluster{Name: "yb", Discovery: "yugabyte", Hosts: hosts, TopologyKeys: keys}, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// known is what a view has of the members: name, role, priority and zone.
func known(c *Cluster) string {
	var all []string
	for _, m := range c.View().Groups[0].Members {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %d %s", m.Name, m.Role, m.Priority, m.Zone)))
	}
	return strings.Join(all, ", ")
}

// three are nodes in two zones of one region and one of another; the last is a read replica.
var three = []Node{
	{Host: "10.0.0.1", Port: 5433, Type: "primary", Cloud: "aws", Region: "eu", Zone: "a", PublicIP: "54.0.0.1"},
	{Host: "10.0.0.2", Port: 5433, Type: "primary", Cloud: "aws", Region: "eu", Zone: "b", PublicIP: "54.0.0.2"},
	{Host: "10.0.0.3", Port: 5434, Type: "read_replica", Cloud: "aws", Region: "us", Zone: "a"},
}

func TestContactsAreMembersUntilANodeHasTold(t *testing.T) {
	c := openYugabyte(t, nil, []string{"aws.eu.a"}, "yb2:5433", "yb1:5433")
	v := c.View()
	if g := v.Groups[0]; !g.AllWrite || g.Listed || g.Leader != "" || v.Stale || known(c) != "yb1:5433  1, yb2:5433  1" {
		t.Errorf("%+v: %s", g, known(c))
	}
	if err := c.Tell(Nodes{Asked: "yb1:5433", At: "10.0.0.1", List: three}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-v.Replaced():
	default:
		t.Error("the view was not replaced")
	}
	if g := c.View().Groups[0]; !g.AllWrite || !g.Listed || g.Epoch != 0 || known(c) != "10.0.0.1:5433 primary 1 a, 10.0.0.2:5433 primary 0 b, 10.0.0.3:5434 read_replica 0 a" {
		t.Errorf("%+v: %s", g, known(c))
	}
}

func TestNodesComeAndGoWithTheList(t *testing.T) {
	var log bytes.Buffer
	c := openYugabyte(t, slog.New(slog.NewTextHandler(&log, nil)), nil, "10.0.0.1:5433")
	tell := func(nodes ...Node) error { return c.Tell(Nodes{Asked: "10.0.0.1:5433", At: "10.0.0.1", List: nodes}) }
	for _, step := range []struct {
		list []Node
		want string
	}{
		{three[:1], "10.0.0.1:5433 primary 1 a"},
		{three, "10.0.0.1:5433 primary 1 a, 10.0.0.2:5433 primary 1 b, 10.0.0.3:5434 read_replica 1 a"},
		{append(three[1:2:2], three[1]), "10.0.0.2:5433 primary 1 b"},
	} {
		if err := tell(step.list...); err != nil || known(c) != step.want {
			t.Errorf("%v, %s", err, known(c))
		}
	}
	v := c.View()
	for _, list := range [][]Node{nil, {{Host: "", Port: 5433}}, {{Host: "10.0.0.9", Port: 70000}}} {
		if err := tell(list...); err == nil {
			t.Errorf("%v was believed", list)
		}
	}
	tell(three[1])
	if c.View() != v {
		t.Error("a view of its own for what was known")
	}
	for _, line := range []string{`known=3 joined="[10.0.0.2:5433 10.0.0.3:5434]" left=[]`, `known=1 joined=[] left="[10.0.0.1:5433 10.0.0.3:5434]"`} {
		if !strings.Contains(log.String(), line) {
			t.Errorf("%s is not in the log:\n%s", line, &log)
		}
	}
}

func TestNodesAreReachedByTheAddressByWhichOneWas(t *testing.T) {
	const private, public = "10.0.0.1:5433, 10.0.0.2:5433, 10.0.0.3:5434", "54.0.0.1:5433, 54.0.0.2:5433"
	named := []Node{
		{Host: "yb1.internal", Port: 5433, PublicIP: "yb1.example.com"},
		{Host: "yb2.internal", Port: 5433, PublicIP: "yb2.example.com"},
	}
	for _, c := range []struct {
		asked, at string
		list      []Node
		want      string
	}{
		{"10.0.0.2:5433", "10.0.0.2", three, private},
		{"54.0.0.2:5433", "54.0.0.2", three, public},
		{"yb:5433", "54.0.0.1", three, public},
		{"yb:5433", "::ffff:10.0.0.1", three, private},
		{"lb:5433", "192.0.2.1", three, private}, // in nobody's list
		{"yb2.internal:5433", "192.0.2.1", named, "yb1.internal:5433, yb2.internal:5433"},
		{"YB2.example.com:5433", "192.0.2.1", named, "yb1.example.com:5433, yb2.example.com:5433"},
	} {
		cl := openYugabyte(t, nil, nil, c.asked)
		if err := cl.Tell(Nodes{Asked: c.asked, At: c.at, List: c.list}); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, m := range cl.View().Groups[0].Members {
			names = append(names, m.Address)
		}
		if got := strings.Join(names, ", "); got != c.want {
			t.Errorf("%s at %s: %s", c.asked, c.at, got)
		}
	}
	cl := openYugabyte(t, nil, nil, "54.0.0.1:5433")
	for _, at := range []string{"54.0.0.1", "192.0.2.1"} { // the second by a balancer: it stays as it was
		if err := cl.Tell(Nodes{Asked: at + ":5433", At: at, List: three}); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok := cl.View().Groups[0].Member("54.0.0.2:5433"); !ok {
		t.Error(known(cl))
	}
}

func TestTheBestTopologyKeyThatMatchesCounts(t *testing.T) {
	c := openYugabyte(t, nil, []string{"aws.eu.*:3", "aws.eu.b", "aws.us.b:2", "gcp.us.a:2"}, "10.0.0.1:5433")
	if err := c.Tell(Nodes{Asked: "10.0.0.1:5433", List: three}); err != nil {
		t.Fatal(err)
	}
	if got := known(c); got != "10.0.0.1:5433 primary 3 a, 10.0.0.2:5433 primary 1 b, 10.0.0.3:5434 read_replica 0 a" {
		t.Error(got)
	}
}

func TestAListThatNobodyTellsStaysAndIsStale(t *testing.T) {
	var log bytes.Buffer
	c := openYugabyte(t, slog.New(slog.NewTextHandler(&log, nil)), nil, "lb:5433")
	c.Tell(Nodes{Asked: "lb:5433", List: three})
	before := known(c)
	c.Untold()
	c.Untold()
	if s := c.Stats(); s.Connected || s.Losses != 2 || !c.View().Stale || known(c) != before {
		t.Errorf("%+v, %s", s, known(c))
	}
	if n := strings.Count(log.String(), "no node tells of the others, the last view stays"); n != 1 {
		t.Errorf("%d times in the log:\n%s", n, &log)
	}
	if got := len(c.Contacts()); got != 4 || c.Contacts()[3].Address != "lb:5433" {
		t.Errorf("%d to be asked", got)
	}
	c.Tell(Nodes{Asked: "10.0.0.2:5433", List: three[:1]})
	if s := c.Stats(); !s.Connected || c.View().Stale {
		t.Errorf("%+v", s)
	}
}

func TestNothingAServerSaysMakesAYugabyteLeader(t *testing.T) {
	c := openYugabyte(t, nil, nil, "a:5433")
	v := c.View()
	c.Observe(primary("a:5433", 3))
	c.Doubt(0, "a:5433")
	if err := c.AcceptTimeline(0, 1); err == nil {
		t.Error("a timeline was accepted")
	}
	if err := openStatic(t, "a").Tell(Nodes{List: three}); err == nil {
		t.Error("a static list was told of nodes")
	}
	if c.View() != v {
		t.Errorf("%+v", c.View().Groups[0])
	}
}

// What an answer has that cannot be meant is said once, and again when it is another.
func TestOdditiesOfAnAnswerAreWarnedOfOnce(t *testing.T) {
	var log bytes.Buffer
	c := openYugabyte(t, slog.New(slog.NewTextHandler(&log, nil)), []string{"aws.eu.*:2", "aws.us.b", "gcp.eu.a:3"}, "10.0.0.1:5433")
	portless := Node{Host: "10.0.0.4", Cloud: "gcp", Region: "eu", Zone: "a"}
	tell := func(nodes ...Node) {
		t.Helper()
		if err := c.Tell(Nodes{Asked: "10.0.0.1:5433", List: nodes}); err != nil {
			t.Error(err)
		}
	}
	for range 3 {
		tell(append(three[:3:3], portless)...)
	}
	tell(three...)
	tell(append(three[:3:3], portless)...)
	if got := len(c.View().Groups[0].Members); got != 3 {
		t.Errorf("%d members", got)
	}
	for words, want := range map[string]int{
		"no node is where topology_keys have one: aws.us.b\"":              1,
		"no node is where topology_keys have one: gcp.eu.a\"":              1,
		"yb_servers() has no port for nodes, which are left out: 10.0.0.4": 2,
		"level=WARN": 4,
	} {
		if n := strings.Count(log.String(), words); n != want {
			t.Errorf("%q: %d times in the log, not %d:\n%s", words, n, want, &log)
		}
	}
}

// Where data is that all nodes share, their hosts do not tell.
func TestNodesOnOneHostAreNoWarning(t *testing.T) {
	c := openYugabyte(t, nil, nil, "127.0.0.1:5433", "127.0.0.1:5434")
	if v := c.View(); len(v.Warnings) != 0 || v.Groups[0].SingleHost() != "" {
		t.Errorf("%v", v.Warnings)
	}
}
