package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"portero/metrics"
)

var started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// busy is a snapshot with something in every part.
func busy() Snapshot {
	process := new(metrics.Process)
	process.ClientsAccepted.Add(1234567)
	process.Panics.Add(1)
	process.End(metrics.ClientGone)
	process.Refuse(metrics.NoRoute)
	pool := metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: "leader", Mode: "transaction", Database: "app", User: "<b>eve"}, 1)
	pool.Shard(0).Transactions.Add(70500)
	pool.Shard(0).BytesReceived.Add(3 << 20)
	pool.Shard(0).Waited(3 * time.Millisecond)
	pool.Error(metrics.ServerLost)
	first := metrics.NewPool(metrics.PoolLabels{Cluster: "archive", Role: "any"}, 1)
	return Snapshot{
		Version: "1.2.3", Started: started, Now: started.Add(50 * time.Hour),
		Listeners: []string{"127.0.0.1:6432"}, NotReady: []string{"main has no leader"},
		Clients: 17, MaxClients: 10000, Process: process,
		Groups: []metrics.GroupState{
			{Cluster: "main", Group: 1, Stale: true, Switchover: "pg1 to pg2", Warnings: []string{"group 1 is lost with host db-3"}},
			{
				Cluster: "main", Leader: "pg1", Epoch: 4, Timeline: 9, LeaderlessSeconds: 2.25, Connected: true,
				Members: []metrics.MemberState{
					{Name: "pg1", Address: "10.0.0.1:5432", Role: "primary", State: "running", Lag: -1},
					{Name: "pg2", Address: "10.0.0.2:5432", Role: "replica", State: "streaming", Lag: 16 << 20, Measured: true, LagTime: 1500 * time.Millisecond, Host: "10.0.0.2", Zone: "north", Servers: 2},
				},
			},
		},
		Failovers: []metrics.FailoverState{{
			Cluster: "main", From: "pg2", To: "pg1", Epoch: 4, Announced: started, Lost: started.Add(300 * time.Millisecond), Elected: started.Add(1500 * time.Millisecond),
			Proved: started.Add(1625 * time.Millisecond), Released: started.Add(1625 * time.Millisecond), ClientsHeld: 8, Outcomes: metrics.Outcomes{Repeated: 5, Unknown: 1},
		}},
		Pools: []metrics.PoolState{
			{Pool: pool, Name: "shop", ClientsActive: 5, ClientsWaiting: 2, ServersActive: 20, Size: 20, MaxWait: 1234 * time.Microsecond,
				Pins: map[string]metrics.PinState{"temporary table": {Clients: 1, Times: 7}, "listen": {Clients: 3, Times: 3}}},
			{Pool: first},
		},
		Candidates: metrics.CandidatesState{Pools: 3, ClientsWaiting: 4, MaxWait: 2 * time.Second, Errors: metrics.ReasonCounts{metrics.ServerLogin: 6}},
		MaxPools:   1000,
	}
}

// stateOf is what /state says of s.
func stateOf(t *testing.T, s Snapshot) string {
	t.Helper()
	b := newBook()
	if _, err := b.enter(&s); err != nil {
		t.Fatal(err)
	}
	return string(orFail(b.whole())(t))
}

func TestStateHasTheSnapshot(t *testing.T) {
	got := stateOf(t, busy())
	for _, want := range []string{
		`"version":"1.2.3","started":"2026-03-01T12:00:00Z","at":"2026-03-03T14:00:00Z","up_ms":180000000,"listeners":["127.0.0.1:6432"],"ready":false,"not_ready":["main has no leader"]`,
		`"clients":17,"clients_limit":10000,"pools_limit":1000,"candidates":{"pools":3,"clients_waiting":4,"max_wait_ms":2000,"errors":[{"reason":"server login failed","count":6}]}`,
		`"clients_accepted":1234567,"clients_ended":[{"reason":"client gone","count":1}],"clients_refused":[{"reason":"no route","count":1}],"panics":1`,
		`"cluster":"main","group":0,"leader":"pg1","epoch":4`, `"leaderless_s":2.25`,
		`{"name":"pg1","address":"10.0.0.1:5432","role":"primary","state":"running","leads":true,"timeline":0,"lag":null,"lag_ms":null,"host":"","zone":"","servers":0}`,
		`"leads":false,"timeline":0,"lag":16777216,"lag_ms":1500,"host":"10.0.0.2","zone":"north","servers":2}`,
		`"notes":["discovery is not heard","view is stale","switchover announced: pg1 to pg2","group 1 is lost with host db-3"]`,
		`"took_ms":1625,"is":"over","phases":[{"name":"announced","after_ms":0},{"name":"lost","after_ms":300},{"name":"elected","after_ms":1500},{"name":"proved","after_ms":1625},{"name":"released","after_ms":1625}]`,
		`"clients_held":8,"transactions":{"failed":0,"unknown":1,"repeated":5,"resolved":0,"cut":0}`,
		`"database":"shop","server_database":"app","user":"\u003cb\u003eeve"`,
		`"clients":7,"clients_active":5,"clients_waiting":2,"max_wait_ms":1.234,"why":"all 20 servers are in use, 3 by pinned clients"`,
		`"transactions":70500`, `"bytes_received":3145728`, `"waits":1,"wait_us":3000,"errors":[{"reason":"server lost","count":1}],"pins":[{"reason":"listen","clients":3,"times":3},{"reason":"temporary table","clients":1,"times":7}]`,
		`"past":{"2":[2]}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("state has no %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestStateOfNothingHasEmptyLists(t *testing.T) {
	got := stateOf(t, Snapshot{})
	for _, want := range []string{`"ready":true,"not_ready":[]`, `"listeners":[]`, `"process":null`, `"groups":[]`, `"failovers":[]`, `"pools":[]`, `"past":{}`} {
		if !strings.Contains(got, want) {
			t.Errorf("state has no %s: %s", want, got)
		}
	}
}

func TestStateIsSortedAndLeavesTheSnapshot(t *testing.T) {
	s := busy()
	got := stateOf(t, s)
	if strings.Index(got, `"cluster":"archive"`) > strings.Index(got, `"transactions":70500`) {
		t.Error("pools are not sorted")
	}
	if strings.Index(got, `"group":1`) < strings.Index(got, "10.0.0.1") {
		t.Error("groups are not sorted")
	}
	if s.Pools[0].Labels.Cluster != "main" || s.Groups[0].Group != 1 {
		t.Error("the caller's slices were sorted")
	}
}

func TestNamesComeThroughAsTheyAre(t *testing.T) {
	for _, name := range []string{"a\nb", `quo"te'`, "🚪\u202e", strings.Repeat("ü", 31) + "x", "data: x\n\nevent: state", "\x00\x1f", "</script>"} {
		s := Snapshot{Pools: []metrics.PoolState{{Pool: metrics.NewPool(metrics.PoolLabels{User: name}, 1)}}}
		text := stateOf(t, s)
		if strings.ContainsAny(text, "\n\r<") {
			t.Errorf("%q leaves a line break or a tag in %q", name, text)
		}
		var got struct{ Pools []struct{ User string } }
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Pools[0].User != name {
			t.Errorf("%q came as %q, %v", name, got.Pools[0].User, err)
		}
	}
}

func TestReasonsAreListedMostFrequentFirst(t *testing.T) {
	lines := nonZero(metrics.ReasonCounts{metrics.Shutdown: 2, metrics.ClientGone: 9, metrics.Panic: 2})
	want := []reasonCount{{metrics.ClientGone, 9}, {metrics.Shutdown, 2}, {metrics.Panic, 2}}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("%v, want %v", lines, want)
	}
}

func TestWhyClientsWait(t *testing.T) {
	held := []metrics.GroupState{{Cluster: "main", Group: 1, Held: "no leader"}, {Cluster: "main", Held: "switchover announced"}}
	leader := metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: "leader"}, 1)
	replica := metrics.NewPool(metrics.PoolLabels{Cluster: "main", Role: "replica"}, 1)
	for _, test := range []struct {
		pool   metrics.PoolState
		groups []metrics.GroupState
		why    string
	}{
		{metrics.PoolState{Pool: leader}, held, ""},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, Paused: true}, held, "paused by an operator"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, ServersActive: 5, Size: 5}, held, "held: switchover announced"},
		{metrics.PoolState{Pool: replica, ClientsWaiting: 1, ServersActive: 5, Size: 5}, held, "all 5 servers are in use"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, ServersActive: 1, Size: 1}, nil, "the only server is in use"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, ServersOpening: 2, Size: 5}, nil, "the first server is being opened"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, ServersActive: 1, ServersOpening: 2, Size: 5}, nil, "2 more being opened"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, Size: 5}, nil, "no server is open: see its errors, and the log"},
		{metrics.PoolState{Pool: leader, ClientsWaiting: 1, ServersActive: 1, Size: 5}, nil, "a limit on servers beyond pool_size, or their turn"},
	} {
		if got := whyWaiting(&test.pool, test.groups); got != test.why {
			t.Errorf("%+v: %q, want %q", test.pool, got, test.why)
		}
	}
}

func TestAFailoverUnderWayGrows(t *testing.T) {
	all := []metrics.FailoverState{
		{Lost: started, Held: started.Add(time.Millisecond)},
		{Announced: started, CalledOff: started.Add(2 * time.Second)},
	}
	for after, want := range map[time.Duration]float64{time.Second: 1000, 3 * time.Second: 3000, -time.Second: 0} {
		got := newFailovers(all, started.Add(after))
		if got[0].Is != "under way" || got[0].TookMS != want {
			t.Errorf("after %v: %+v", after, got[0])
		}
		if got[1].Is != "called off" || got[1].TookMS != 2000 {
			t.Errorf("called off: %+v", got[1])
		}
	}
}

// reader enters states and changes as the page does.
type reader struct {
	parts map[string]json.RawMessage
	pools map[int]string
}

func (r *reader) enter(t *testing.T, text []byte) {
	t.Helper()
	parts := make(map[string]json.RawMessage)
	if err := json.Unmarshal(text, &parts); err != nil {
		t.Fatal(err)
	}
	var pools []json.RawMessage
	var gone []int
	json.Unmarshal(parts["pools"], &pools) //nolint:errcheck // a part of what could be read
	json.Unmarshal(parts["gone"], &gone)   //nolint:errcheck // likewise
	for _, pool := range pools {
		var of struct{ ID int }
		json.Unmarshal(pool, &of) //nolint:errcheck // likewise
		r.pools[of.ID] = string(pool)
	}
	for _, id := range gone {
		delete(r.pools, id)
	}
	delete(parts, "pools")
	delete(parts, "gone")
	delete(parts, "past")
	for name, part := range parts {
		r.parts[name] = part
	}
}

func newReader() *reader {
	return &reader{parts: make(map[string]json.RawMessage), pools: make(map[int]string)}
}

func TestChangesAddUpToTheWhole(t *testing.T) {
	s, b, follows := busy(), newBook(), newReader()
	for step, change := range []func(){
		func() {},
		func() { s.Pools[0].Shard(0).Transactions.Add(1) },
		func() { s.NotReady = nil },
		func() { s.Groups[1].Leader = "pg2" },
		func() {
			s.Pools = append(s.Pools, metrics.PoolState{Pool: metrics.NewPool(metrics.PoolLabels{Cluster: "new"}, 1)})
		},
		func() { s.Pools = s.Pools[1:] },
		func() { s.Failovers = nil },
		func() { s.Process.End(metrics.ClientGone) },
		func() { s.Pools = nil },
	} {
		change()
		s.Now = s.Now.Add(time.Second)
		follows.enter(t, orFail(b.enter(&s))(t))
		sees := newReader()
		sees.enter(t, orFail(b.whole())(t))
		if !reflect.DeepEqual(follows, sees) {
			t.Errorf("step %d: with the changes %v\nthe whole is %v", step, follows, sees)
		}
	}
}

func TestAChangeHasOnlyWhatHasChanged(t *testing.T) {
	s, b := busy(), newBook()
	first := orFail(b.enter(&s))(t)
	s.Now = s.Now.Add(time.Second)
	s.Pools[1].ClientsActive++
	second := orFail(b.enter(&s))(t)
	for _, part := range []string{`"groups"`, `"failovers"`, `"process"`, `"gone"`, `"shop"`} {
		if bytes.Contains(second, []byte(part)) {
			t.Errorf("%s is sent again", part)
		}
	}
	if !bytes.Contains(second, []byte(`"cluster":"archive"`)) || !bytes.Contains(first, []byte(`"shop"`)) {
		t.Errorf("the changed pool is missing in %s", second)
	}
}

func TestThePastIsOfTheLastTwoMinutes(t *testing.T) {
	s, b := busy(), newBook()
	pastOf := func() (past map[string][]int) {
		var got struct{ Past map[string][]int }
		if err := json.Unmarshal(orFail(b.whole())(t), &got); err != nil {
			t.Fatal(err)
		}
		return got.Past
	}
	tick := func(d time.Duration, waiting int) {
		s.Now = s.Now.Add(d)
		s.Pools[0].ClientsWaiting = waiting
		orFail(b.enter(&s))(t)
	}
	for i := range 300 {
		tick(time.Second, i)
		tick(200*time.Millisecond, 9999) // between two samples
		tick(-200*time.Millisecond, 9999)
	}
	past := pastOf()
	if len(past) != 1 {
		t.Errorf("the past of pools that never had a queue is sent: %v", past)
	}
	if got := fmt.Sprint(past["2"]); len(past["2"]) != pastLength || !strings.HasPrefix(got, "[180 181 ") || !strings.HasSuffix(got, " 298 299]") {
		t.Errorf("past %s", got)
	}
	tick(time.Minute, 5)
	if got := fmt.Sprint(pastOf()["2"]); got != "[5]" {
		t.Errorf("after a break %s", got)
	}
	tick(-time.Hour, 6)
	tick(time.Second, 7)
	if got := fmt.Sprint(pastOf()["2"]); got != "[6 7]" {
		t.Errorf("after the clock was set back %s", got)
	}
}

func TestPoolsThatGoLeaveNothingBehind(t *testing.T) {
	s, b := Snapshot{}, newBook()
	for range 1000 {
		s.Pools = []metrics.PoolState{{Pool: metrics.NewPool(metrics.PoolLabels{}, 1)}}
		s.Now = s.Now.Add(time.Second)
		orFail(b.enter(&s))(t)
	}
	if kept := len(b.ids) + len(b.rows) + len(b.past) + len(b.order); kept > 4 {
		t.Errorf("%d entries are kept of one pool", kept)
	}
}

func TestATimeIsNeverLessThanNothing(t *testing.T) {
	if got := inMS(math.MinInt64); got != 0 {
		t.Errorf("got %v", got)
	}
}
