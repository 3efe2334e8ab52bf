package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
	"portero/proxy"
)

const whichNode = "select node()"

// visits is how many of n transactions each node gets.
func visits(r *raw, n int) map[string]int {
	r.t.Helper()
	at := make(map[string]int)
	for range n {
		at[r.value(whichNode)]++
	}
	return at
}

func TestTransactionsAreSpreadOverTheLeadersOfAllGroups(t *testing.T) {
	s := startSpread(t)
	r := s.dial()
	if at := visits(r, 30); at["0"] != 10 || at["1"] != 10 || at["2"] != 10 {
		t.Errorf("one client after another: %v", at)
	}
	busy := s.dial()
	for range 3 { // a transaction stays where it is
		busy.ask("C(BEGIN) Z(T)", q("begin"))
		node := busy.value(whichNode)
		at := visits(r, 6)
		if at[node] != 0 {
			t.Errorf("%v, with a server lent at %s", at, node)
		}
		if again := busy.value(whichNode); again != node {
			t.Errorf("a transaction began at %s and goes on at %s", node, again)
		}
		busy.ask("C(COMMIT) Z(I)", q("commit"))
	}
}

func TestTheGroupsOfARouteAreChosenByWeight(t *testing.T) {
	s := startSpread(t, over(1, 2), func(c *config.Config) { c.Routes[0].Weights = []int{1, 3} })
	if at := visits(s.dial(), 40); at["0"] != 0 || at["1"] != 10 || at["2"] != 30 {
		t.Errorf("%v", at)
	}
}

func TestAGroupWithoutLeaderIsLeftOut(t *testing.T) {
	s := startSpread(t)
	r := s.dial()
	visits(r, 6)
	s.put(t, 1, "leader", "")
	s.awaitLeaders(t, 0, 2)
	eventually(t, "held", func() bool { return visits(r, 6)["1"] == 0 })
	if at := visits(r, 20); at["1"] != 0 {
		t.Errorf("%v, and 1 has no leader", at)
	}
	s.put(t, 1, "leader", "m")
	eventually(t, "it is back", func() bool { return visits(r, 6)["1"] > 0 })
}

func TestWhoWaitsInTheQueueOfAGroupThatLosesItsLeaderGoesToAnother(t *testing.T) {
	s := startSpread(t, size(1), over(1, 2))
	first, second, waits := s.dial(), s.dial(), s.dial()
	first.ask("C(BEGIN) Z(T)", q("begin"))
	second.ask("C(BEGIN) Z(T)", q("begin"))
	one, two := first, second
	if first.value(whichNode) == "2" {
		one, two = second, first
	}
	two.value(whichNode)
	// Two wait, one for each server that is lent.
	other := s.dial()
	waits.send(q(whichNode))
	other.send(q(whichNode))
	eventually(t, "two wait", func() bool { return s.waiting() == 2 })
	s.put(t, 1, "leader", "")
	eventually(t, "both at the other", func() bool {
		for _, p := range s.pools.States() {
			if p.Labels.Group == 2 && p.ClientsWaiting == 2 {
				return true
			}
		}
		return false
	})
	two.ask("C(COMMIT) Z(I)", q("commit"))
	waits.expect("T D(2) C(SELECT_1) Z(I)")
	other.expect("T D(2) C(SELECT_1) Z(I)")
	one.quit()
}

func TestWhoWaitsForAFullGroupRunsWhereAServerBecomesFree(t *testing.T) {
	s := startSpread(t, size(1))
	var waiters []*raw
	for i := range 3 {
		w := s.dial()
		w.ask("1 Z(I)", parseAs("s", "select node(), current_setting('work_mem')"), syncs())
		w.query(fmt.Sprintf("set work_mem = '%dMB'", 5+i))
		waiters = append(waiters, w)
	}
	holders := make(map[string]*raw)
	for range 3 {
		h := s.dial()
		h.ask("C(BEGIN) Z(T)", q("begin"))
		holders[h.value(whichNode)] = h
	}
	for i, w := range waiters { // one to each queue
		w.send(runs("s")...)
		eventually(t, "it waits", func() bool { return s.waiting() == i+1 })
	}
	holders["2"].ask("C(COMMIT) Z(I)", q("commit"))
	for i, w := range waiters { // each gives the server back to the next
		w.expect(fmt.Sprintf("2 T D(2,%dMB) C(SELECT_1) Z(I)", 5+i))
	}
	if at := visits(waiters[0], 4); at["2"] != 4 {
		t.Errorf("%v, and the others are taken", at)
	}
	holders["0"].ask("C(COMMIT) Z(I)", q("commit"))
	holders["1"].ask("C(COMMIT) Z(I)", q("commit"))
	eventually(t, "nothing is lent", func() bool {
		for _, p := range s.pools.States() {
			if p.ServersActive != 0 || p.ClientsWaiting != 0 {
				return false
			}
		}
		return true
	})
}

func TestWhoWaitsWhenAReloadEndsTheSpreadIsServedByItsNewGroup(t *testing.T) {
	s := startSpread(t, size(1))
	holders := make(map[string]*raw)
	for range 3 {
		h := s.dial()
		h.ask("C(BEGIN) Z(T)", q("begin"))
		holders[h.value(whichNode)] = h
	}
	w := s.dial()
	w.send(q(whichNode))
	eventually(t, "it waits", func() bool { return s.waiting() == 1 })
	s.reload(func(c *config.Config) { c.Routes[0].Group = 0 })
	eventually(t, "it waits at group 0", func() bool {
		return slices.ContainsFunc(s.pools.States(), func(p metrics.PoolState) bool { return p.Labels.Group == 0 && p.ClientsWaiting == 1 })
	})
	holders["2"].ask("C(COMMIT) Z(I)", q("commit"))
	holders["1"].ask("C(COMMIT) Z(I)", q("commit"))
	holders["0"].ask("C(COMMIT) Z(I)", q("commit"))
	w.expect("T D(0) C(SELECT_1) Z(I)")
}

func TestClientsOfASpreadAreHeldWhenNoGroupHasALeaderAndRunOnAtTheFirst(t *testing.T) {
	s := startSpread(t)
	a, b := s.dial(), s.dial()
	visits(a, 3)
	for group := range 3 {
		s.put(t, group, "leader", "")
	}
	s.awaitLeaders(t)
	eventually(t, "held", func() bool { return s.heldUp(a) })
	b.send(q(whichNode))
	eventually(t, "both wait", func() bool { return s.waiting() == 2 })
	s.put(t, 2, "leader", "m")
	a.expect("T D(2) C(SELECT_1) Z(I)")
	b.expect("T D(2) C(SELECT_1) Z(I)")
}

func TestWhatAClientHasSetUpFollowsItFromGroupToGroup(t *testing.T) {
	s := startSpread(t)
	r := s.dial()
	r.ask("1 Z(I)", parseAs("s", "select node(), current_setting('work_mem'), current_setting('TimeZone')"), syncs())
	r.query("set work_mem = '7MB'")
	r.query("set timezone = 'Asia/Tokyo'")
	at := make(map[string]int)
	for range 9 {
		got := r.converse(runs("s"))
		node, found := strings.CutSuffix(strings.TrimPrefix(got, "2 T D("), ",7MB,Asia/Tokyo) C(SELECT_1) Z(I)")
		if !found {
			t.Fatal(got)
		}
		at[node]++
	}
	if at["0"] == 0 || at["1"] == 0 || at["2"] == 0 {
		t.Errorf("%v", at)
	}
}

func TestWhatNeedsTheCoordinatorRunsThere(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	for i := range 4 { // on a worker it would be refused
		if got := r.query("create table made (x int)"); !strings.HasPrefix(got, "C(CREATE_TABLE)") {
			t.Fatal(i, got)
		}
		r.ask("1 2 C(DROP_TABLE) Z(I)", parse("drop table made"), bind(), execute(), syncs())
		if got := r.value("with c as (select pg_advisory_lock(1), node() as n) select n from c"); got != "0" {
			t.Errorf("the lock is taken at %s", got)
		}
		r.query("select pg_advisory_unlock(1)")
		if at := visits(r, 2); at["0"] != 0 {
			t.Errorf("what does not need it ran there: %v", at)
		}
	}
}

func TestAPreparedStatementThatNeedsTheCoordinatorRunsThereWhenItIsBound(t *testing.T) {
	s := startSpread(t, over(1, 2))
	r := s.dial()
	r.ask("1 Z(I)", parseAs("make", "create table made (x int)"), syncs())
	visits(r, 3)
	r.ask("2 n C(CREATE_TABLE) Z(I)", &pgproto3.Bind{PreparedStatement: "make"}, &pgproto3.Describe{ObjectType: 'P'}, execute(), syncs())
	r.ask("C(DROP_TABLE) Z(I)", q("drop table made"))
}

// While a group has no leader that lets anybody in, clients go on at the others without an error;
// what was aborted there runs again when it is back.
func TestClientsOfASpreadGoOnWhileTheLeaderOfAGroupRestarts(t *testing.T) {
	s := startSpread(t, over(0, 1))
	worker := s.nodes.nodes[1]
	var all []*raw
	for range 6 {
		all = append(all, s.dial())
	}
	for _, r := range all {
		visits(r, 4)
	}
	if err := worker.Stop(bounded(t), lab.Fast); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		for i, r := range all {
			if got := r.query(whichNode); got != "T D(0) C(SELECT_1) Z(I)" {
				t.Fatalf("round %d, client %d: %s", round, i, got)
			}
		}
	}
	if err := worker.Start(bounded(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is back", func() bool { return visits(all[0], 4)["1"] > 0 })
}

func TestNearGroupsComeFirstWhileTheyHaveAFreePlace(t *testing.T) {
	s := startSpread(t, size(2), func(c *config.Config) { c.Zone = "here" })
	s.member(t, 2, s.nodes.nodes[2].Address(), "here")
	r := s.dial()
	eventually(t, "it is seen", func() bool { return visits(r, 3)["2"] == 3 })
	if at := visits(r, 12); at["2"] != 12 {
		t.Errorf("%v, and 2 is near", at)
	}
	for range 2 {
		b := s.dial()
		b.ask("C(BEGIN) Z(T)", q("begin"))
		if got := b.value(whichNode); got != "2" {
			t.Errorf("begins at %s", got)
		}
	}
	if at := visits(r, 4); at["2"] != 0 {
		t.Errorf("%v, and 2 is full", at)
	}
	s.put(t, 2, "leader", "")
	s.awaitLeaders(t, 0, 1)
	eventually(t, "others serve", func() bool { return visits(r, 4)["0"] > 0 })
}

func TestAReloadSpreadsClientsThatAreThereAndGathersThemAgain(t *testing.T) {
	s := startSpread(t, func(c *config.Config) { c.Routes[0].Group = 0 })
	r, queued := s.dial(), s.dial()
	if at := visits(r, 3); at["0"] != 3 {
		t.Fatal(at)
	}
	r.query("set work_mem = '7MB'")
	s.reload(func(c *config.Config) { c.Routes[0].Group = config.AnyGroup })
	if at := visits(r, 9); at["0"] != 3 || at["1"] != 3 || at["2"] != 3 {
		t.Errorf("spread: %v", at)
	}
	s.reload(func(c *config.Config) {
		c.Routes[0].Group, c.Routes[0].Groups = config.AnyGroup, []int{1, 2}
	})
	if at := visits(r, 4); at["0"] != 0 {
		t.Errorf("over others: %v", at)
	}
	if got := r.value("show work_mem"); got != "7MB" {
		t.Errorf("work_mem is %s", got)
	}
	s.reload(func(c *config.Config) { c.Routes[0].Group = 1 })
	if at := visits(r, 4); at["1"] != 4 {
		t.Errorf("gathered: %v", at)
	}
	if at := visits(queued, 4); at["1"] != 4 {
		t.Errorf("one that rested: %v", at)
	}
	r.quit()
	queued.quit()
	eventually(t, "nobody is counted any more", func() bool {
		for _, p := range s.pools.States() {
			if p.Clients != 0 {
				return false
			}
		}
		return true
	})
}

func TestAGroupThatAppearsIsTakenInAndOneThatGoesIsLeftOut(t *testing.T) {
	s := startSpread(t)
	r := s.dial()
	visits(r, 3)
	s.member(t, 7, s.nodes.nodes[1].Address(), "") // another way to the node of group 1
	s.put(t, 7, "leader", "m")
	eventually(t, "it is seen", func() bool { return visits(r, 8)["1"] == 4 })
	for _, key := range []string{"leader", "members/m"} {
		s.put(t, 7, key, "")
	}
	eventually(t, "it is gone", func() bool { return visits(r, 6)["1"] == 2 })
}

func TestASpreadRouteIsReadyWhileAnyOfItsGroupsIsServed(t *testing.T) {
	s := startSpread(t)
	route := &s.cfg.Routes[0]
	s.put(t, 1, "leader", "")
	s.put(t, 2, "leader", "")
	s.awaitLeaders(t, 0)
	if why := s.pools.Unready(route, false); len(why) > 0 {
		t.Errorf("%q, and 0 is served", why)
	}
	s.put(t, 0, "leader", "")
	s.awaitLeaders(t)
	if why := s.pools.Unready(route, false); len(why) != 3 || !strings.Contains(why[2], "group 2: no leader") {
		t.Errorf("%q", why)
	}
}

// As it is at a new worker: first there is the node, then its role.
func TestAGroupThatLacksTheRoleAtFirstIsTakenInWhenItIsThere(t *testing.T) {
	s := startSpread(t)
	s.on(0, "create role late login")
	s.on(1, "create role late login")
	t.Cleanup(func() {
		for group := range 3 {
			s.on(group, "drop role if exists late")
		}
	})
	r := s.plug()
	r.login("user", "late", "database", "app")
	if at := visits(r, 9); at["0"]+at["1"] != 9 {
		t.Errorf("%v", at)
	}
	s.on(2, "create role late login")
	eventually(t, "it is taken in", func() bool { return visits(r, 6)["2"] > 0 })
}

func TestAGroupThatCitusDoesNotHaveYetIsLeftOutAndExplainSaysSo(t *testing.T) {
	s := startSpread(t, func(c *config.Config) { c.Clusters[0].Metadata = config.Metadata{User: "app", Database: "app"} })
	joins := func(group int) {
		host, port, _ := strings.Cut(s.nodes.nodes[group].Address(), ":")
		s.on(0, fmt.Sprintf("insert into pg_dist_node (nodeid, groupid, nodename, nodeport) values (%d, %d, '%s', %s)", group+1, group, host, port))
	}
	s.on(0, "truncate pg_dist_node cascade")
	joins(0)
	joins(1)
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	r := s.dial()
	eventually(t, "it is left out", func() bool { return len(s.pools.LeftOut(&s.cfg.Routes[0])) == 1 && visits(r, 3)["2"] == 0 })
	if at := visits(r, 10); at["0"] != 5 || at["1"] != 5 {
		t.Errorf("%v", at)
	}
	found := must(s.proxy.Explain(s.cfg, auth.Load(s.cfg, config.NewReport()), nil, proxy.Newcomer{Database: "app", User: "app", From: "127.0.0.1"}))(t)
	if groups := found.Answers[0].Now.Groups; len(groups) != 3 || groups[2].Group != 2 || groups[2].LeftOut != "it is not in pg_dist_node" {
		t.Errorf("%+v", groups)
	}
	joins(2)
	eventually(t, "it is taken in", func() bool { return visits(r, 6)["2"] > 0 })
}
