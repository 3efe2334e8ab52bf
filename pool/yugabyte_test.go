package pool

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"portero/config"
	"portero/loop"
	"portero/metrics"
)

// roster is what the fakes of a cluster of YugabyteDB say of its nodes.
type roster struct {
	mu    sync.Mutex // guards what follows
	nodes []string   // kind, region and address of each
	asked int
}

func (r *roster) set(nodes ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nodes = nodes
}

func (r *roster) times() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// read is the rows of yb_servers() that Portero asks for.
func (r *roster) read() (rows [][][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	for _, node := range r.nodes {
		words := strings.Fields(node)
		host, port, _ := net.SplitHostPort(words[2])
		row := make([][]byte, 7)
		for i, v := range []string{host, port, words[0], "cloud", words[1], "zone", ""} {
			row[i] = []byte(v)
		}
		rows = append(rows, row)
	}
	return rows
}

// ybStage is a cluster of YugabyteDB with a fake in each of these places, as "primary near".
type ybStage struct {
	*stage
	roster *roster
	fakes  []*fake
}

func startYugabyte(t *testing.T, edit func(c *config.Cluster), places ...string) *ybStage {
	t.Helper()
	y := &ybStage{roster: &roster{}}
	for range places {
		f := startFake(t)
		f.roster = y.roster
		y.fakes = append(y.fakes, f)
	}
	var nodes []string
	for i, place := range places {
		nodes = append(nodes, place+" "+y.fakes[i].addr)
	}
	y.roster.set(nodes...)
	c := config.Cluster{Name: "main", Discovery: "yugabyte", Hosts: []string{y.fakes[0].addr}, Refresh: time.Hour}
	if edit != nil {
		edit(&c)
	}
	y.stage = newStageOf(t, nil, c)
	return y
}

// index is which of the fakes a server is at.
func (y *ybStage) index(s *Server) int {
	return slices.IndexFunc(y.fakes, func(f *fake) bool { return f.addr == s.Member() })
}

// take has n clients get a server each, and counts at which nodes.
func (y *ybStage) take(p *Pool, n int) (clients []*client, at []int) {
	y.t.Helper()
	at = make([]int, len(y.fakes))
	for i := range n {
		c := y.client(p, i%2)
		at[y.index(c.get())]++
		clients = append(clients, c)
	}
	return clients, at
}

func TestTheFirstServerOpenedAsksForTheNodes(t *testing.T) {
	y := startYugabyte(t, nil, "primary r", "primary r", "read_replica r")
	for role, want := range map[string][]int{"only-rr": {0, 0, 4}, "only-primary": {2, 2, 0}, "prefer-rr": {0, 0, 4}} {
		if _, at := y.take(y.join(4, 0, role, "app"), 4); !slices.Equal(at, want) {
			t.Errorf("%s: servers at %v", role, at)
		}
	}
	if _, at := y.take(y.join(6, 0, "any", "app"), 6); !slices.Equal(at, []int{2, 2, 2}) {
		t.Errorf("any: servers at %v", at)
	}
}

func TestNodesOfTheListServeAsSoonAsItHasThem(t *testing.T) {
	t.Parallel()
	y := startYugabyte(t, func(c *config.Cluster) { c.Refresh = time.Second }, "primary r", "primary r")
	all := slices.Clone(y.roster.nodes)
	y.roster.set(all[0])
	p := y.join(4, 0, "any", "app")
	clients, at := y.take(p, 4)
	if !slices.Equal(at, []int{4, 0}) {
		t.Fatalf("servers at %v", at)
	}
	y.roster.set(all...)
	wait(t, "a server at the node that has joined", func() error {
		releaseAll(clients)
		for _, c := range clients {
			c.get()
		}
		return until(slices.ContainsFunc(clients, func(c *client) bool { return y.index(c.claim.Server) == 1 }))
	})
	// The first leaves, and is still there: what is at it comes to its end.
	y.roster.set(all[1])
	wait(t, "the new list", func() error { return until(len(y.cluster.View().Groups[0].Members) == 1) })
	settleLoops(y.stage)
	for _, c := range clients {
		if len(c.lost) > 0 {
			t.Error("a client was cut off")
		}
		if _, err := c.query("select 1"); err != nil {
			t.Error(err)
		}
	}
	releaseAll(clients)
	wait(t, "no server there", func() error { return until(y.fakes[0].lives() == 0) })
	if _, at := y.take(p, 4); !slices.Equal(at, []int{0, 4}) {
		t.Errorf("servers at %v", at)
	}
}

func TestANodeThatFailsRestsForFiveSecondsAndTheListIsAskedForAtOnce(t *testing.T) {
	t.Parallel()
	y := startYugabyte(t, nil, "primary r", "primary r")
	p := y.join(4, 0, "any", "app")
	clients, _ := y.take(p, 4)
	releaseAll(clients)
	wait(t, "the question of the roll call", func() error { return until(y.roster.times() >= 2) })
	asked := y.roster.times()
	y.fakes[0].down()
	wait(t, "the question at once", func() error { return until(y.roster.times() > asked) })
	away := func() (rests time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s := p.shunned[y.fakes[0].addr]; s != nil && s.fault == faultFailed {
			rests = time.Duration(s.until - s.at)
		}
		return rests
	}
	wait(t, "that it is passed over", func() error {
		clients, at := y.take(p, 4)
		releaseAll(clients)
		if at[0] > 0 {
			t.Fatalf("served by a dead node: %v", at)
		}
		return until(away() > 0)
	})
	if got := away(); got != 5*time.Second {
		t.Errorf("it rests for %v", got)
	}
	y.fakes[0].up()
	p.mu.Lock()
	p.shunned[y.fakes[0].addr].until = loop.Clock() // the time is over
	p.mu.Unlock()
	wait(t, "that it serves again", func() error {
		clients, at := y.take(p, 4)
		releaseAll(clients)
		return until(at[0] > 0)
	})
}

func TestTheNearestNodesServeAndTheOthersWhileTheyAreAway(t *testing.T) {
	t.Parallel()
	y := startYugabyte(t, func(c *config.Cluster) {
		c.TopologyKeys = []string{"cloud.near.zone:1", "cloud.next.*:2"}
	}, "primary far", "primary near", "primary next")
	p := y.join(3, 0, "any", "app")
	expect := func(what string, want ...int) {
		t.Helper()
		wait(t, what, func() error {
			clients, at := y.take(p, 3)
			releaseAll(clients)
			if !slices.Equal(at, want) {
				return fmt.Errorf("servers at %v", at)
			}
			return nil
		})
	}
	clients, at := y.take(p, 3)
	releaseAll(clients)
	if !slices.Equal(at, []int{0, 3, 0}) {
		t.Fatalf("servers at %v", at)
	}
	y.fakes[1].down()
	p.noneIdle(t)
	expect("the next", 0, 0, 3)
	y.fakes[2].down()
	p.noneIdle(t)
	expect("the others", 3, 0, 0)
	y.fakes[1].up()
	p.mu.Lock()
	delete(p.shunned, y.fakes[1].addr) // it has rested
	p.mu.Unlock()
	expect("the nearest again, in place of the far ones", 0, 3, 0)
	wait(t, "balance", p.balanced)
}

func TestNodesThatNoTopologyKeyMatchesServeNobodyIfItSaysSo(t *testing.T) {
	y := startYugabyte(t, func(c *config.Cluster) {
		c.TopologyKeys, c.FallbackToTopologyKeysOnly = []string{"cloud.near.zone"}, true
	}, "primary far", "primary near")
	p := y.join(2, 0, "any", "app")
	clients, at := y.take(p, 2)
	if !slices.Equal(at, []int{0, 2}) {
		t.Errorf("servers at %v", at)
	}
	y.fakes[1].down()
	for _, c := range clients {
		c.discard(metrics.ServerLost)
	}
	clients[0].ask()
	wait(t, "that it cannot be reached", func() error { return until(p.Trouble(0) == "the server cannot be reached") })
	if n := y.fakes[0].lives(); n > 1 { // the roll call has one
		t.Errorf("%d servers at a node that no key matches", n)
	}
	y.fakes[1].up()
	if s := clients[0].wait(); y.index(s) != 1 {
		t.Errorf("served by %s", s.Member())
	}
}

// The pool has been let in by another node meanwhile, so that the roll call has a login.
func TestAReadReplicaThatIsMissingIsWaitedFor(t *testing.T) {
	t.Parallel()
	y := startYugabyte(t, func(c *config.Cluster) { c.Refresh = time.Second }, "primary r", "read_replica r")
	all := slices.Clone(y.roster.nodes)
	y.roster.set(all[0])
	p := y.join(2, 0, "only-rr", "app")
	c := y.client(p, 0)
	c.ask()
	wait(t, "the reason", func() error { return until(strings.HasSuffix(p.Trouble(0), "is a read replica")) })
	route := &y.cfg.Routes[0]
	route.Role = "only-rr"
	if why := y.pools.Unready(route, true); len(why) != 1 || !strings.Contains(why[0], "is a read replica") {
		t.Errorf("ready for only-rr: %q", why)
	}
	if why := y.pools.Unready(route, false); len(why) != 0 && !strings.Contains(why[0], "no node can be used") {
		t.Errorf("not ready: %q", why)
	}
	y.roster.set(all...)
	if s := c.wait(); y.index(s) != 1 {
		t.Errorf("served by %s", s.Member())
	}
}

func TestNobodyIsHeldForALeaderOfYugabyte(t *testing.T) {
	y := startYugabyte(t, nil, "primary r", "primary r")
	y.take(y.join(2, 0, "any", "app"), 2)
	if why := y.pools.Unready(&y.cfg.Routes[0], false); len(why) != 0 {
		t.Errorf("not ready: %q", why)
	}
	g := y.pools.Groups()[0]
	if !g.AllWrite || g.Held != "" || g.Leader != "" || g.LeaderlessSeconds != 0 || len(g.Members) != 2 || g.Members[0].Role != "primary" {
		t.Errorf("%+v", g)
	}
	if all := y.pools.Failovers(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func TestWhatIsNoYugabyteIsToldToTheClientsThatWait(t *testing.T) {
	t.Parallel()
	y := startYugabyte(t, nil, "primary r")
	y.fakes[0].set(func() { y.fakes[0].roster = nil })
	p := y.join(1, 0, "any", "app")
	c := y.client(p, 0)
	c.ask()
	wait(t, "the reason", func() error {
		return until(strings.Contains(p.Trouble(0), "function pg_catalog.yb_servers() does not exist"))
	})
	wait(t, "that the list is stale", func() error { return until(y.cluster.View().Stale) })
	if n := y.diary.times("no node tells of the others, the last view stays"); n != 1 {
		t.Errorf("%d times in the log", n)
	}
	y.fakes[0].set(func() { y.fakes[0].roster = y.roster })
	c.wait()
	wait(t, "that it is not", func() error { return until(!y.cluster.View().Stale) })
}

// Who replicates a database can ask for the nodes itself; who replicates all of a node waits
// until somebody has.
func TestWhoReplicatesComesToTheNodesOfItsRole(t *testing.T) {
	y := startYugabyte(t, nil, "primary r", "read_replica r")
	physical := y.joinReplication("only-rr", PhysicalReplication)
	waits := y.replicating(physical, "true")
	waits.ask()
	wait(t, "the reason", func() error { return until(physical.Trouble(0) == "no node has told of the others yet") })
	if n := y.roster.times(); n != 0 {
		t.Errorf("%d questions for the nodes", n)
	}
	if s := y.replicating(y.joinReplication("only-rr", LogicalReplication), "database").get(); y.index(s) != 1 {
		t.Errorf("logical: served by %s", s.Member())
	}
	if s := waits.wait(); y.index(s) != 1 {
		t.Errorf("physical: served by %s", s.Member())
	}
}

// No client waits any more, and Portero asks on: whoever sends it clients only while it is ready
// would never send another.
func TestAClusterOfWhichNoNodeTellsIsNotReady(t *testing.T) {
	y := startYugabyte(t, nil, "primary r")
	of := y.cfg.Routes[0] // which the pools read
	of.Role = "any"
	route := &of
	if why := y.pools.Unready(route, true); len(why) != 0 {
		t.Errorf("not ready for its first client: %q", why)
	}
	y.fakes[0].set(func() { y.fakes[0].roster = nil })
	p := y.join(1, 0, "any", "app")
	c := y.client(p, 0)
	c.ask()
	wait(t, "that a node has been asked", func() error { return until(p.Trouble(0) != "") })
	if !c.withdraw() {
		t.Fatal("it was served")
	}
	p.Leave()
	wait(t, "that it is not ready", func() error {
		why := y.pools.Unready(route, true)
		return until(len(why) == 1 && strings.HasSuffix(why[0], "no node tells of the others"))
	})
	y.fakes[0].set(func() { y.fakes[0].roster = y.roster })
	wait(t, "that it is ready", func() error { return until(len(y.pools.Unready(route, true)) == 0) })
}

// A row that cannot be dialled costs the others nothing.
func TestANodeWithoutAPortIsLeftOut(t *testing.T) {
	y := startYugabyte(t, nil, "primary r", "primary r")
	y.roster.set(append(slices.Clone(y.roster.nodes), "primary r 10.0.0.9:", "primary r 10.0.0.8:0", "primary r 10.0.0.7:none")...)
	if _, at := y.take(y.join(4, 0, "any", "app"), 4); !slices.Equal(at, []int{2, 2}) {
		t.Errorf("servers at %v", at)
	}
	if n := y.diary.times("has no port for nodes, which are left out: 10.0.0.9, 10.0.0.8, 10.0.0.7"); n != 1 {
		t.Errorf("%d times in the log", n)
	}
}
