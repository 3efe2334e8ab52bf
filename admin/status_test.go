package admin

import (
	"io"
	"strings"
	"testing"
	"time"

	"portero/metrics"
)

// busy is a snapshot with something in every table.
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
	started := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return Snapshot{
		Version: "1.2.3", Started: started, Now: started.Add(50 * time.Hour),
		Listeners: []string{"127.0.0.1:6432"}, NotReady: []string{"main has no leader"},
		Clients: 17, MaxClients: 10000, Process: process,
		Groups: []metrics.GroupState{
			{Cluster: "main", Group: 1, Stale: true, Switchover: "pg1 to pg2"},
			{
				Cluster: "main", Leader: "pg1", Epoch: 4, Timeline: 9, LeaderlessSeconds: 2.25, Connected: true,
				Members: []metrics.MemberState{
					{Name: "pg1", Address: "10.0.0.1:5432", Role: "primary", State: "running", Lag: -1},
					{Name: "pg2", Address: "10.0.0.2:5432", Role: "replica", State: "streaming", Lag: 16 << 20, Measured: true, LagTime: 1500 * time.Millisecond},
				},
			},
		},
		Failovers: []metrics.FailoverState{{
			Cluster: "main", From: "pg2", To: "pg1", Epoch: 4, Announced: started, Lost: started.Add(300 * time.Millisecond), Elected: started.Add(1500 * time.Millisecond),
			Proved: started.Add(1625 * time.Millisecond), Released: started.Add(1625 * time.Millisecond), ClientsHeld: 8, Outcomes: metrics.Outcomes{Repeated: 5, Unknown: 1},
		}},
		Pools: []metrics.PoolState{
			{Pool: pool, ClientsActive: 5, ClientsWaiting: 2, ServersActive: 5, Size: 20, MaxWait: 1234 * time.Microsecond},
			{Pool: first},
		},
		Candidates: metrics.CandidatesState{Pools: 3, ClientsWaiting: 4, MaxWait: 2 * time.Second, Errors: metrics.ReasonCounts{metrics.ServerLogin: 6}},
		MaxPools:   1000,
	}
}

func written(t *testing.T, s Snapshot) string {
	t.Helper()
	var page strings.Builder
	if err := WriteStatus(&page, s); err != nil {
		t.Fatal(err)
	}
	return page.String()
}

func TestStatusPageShowsTheSnapshot(t *testing.T) {
	page := written(t, busy())
	for _, want := range []string{
		"1.625 s", "1 unknown, 5 repeated",
		"1.2.3", "not ready", "main has no leader", "up 2d2h", "127.0.0.1:6432",
		"<b>17</b> clients of at most 10000", "1\u202f234\u202f567 accepted", "1 refused", "1 panics",
		"main / 0", "<b>pg1</b>", "10.0.0.2:5432", "16.0 MiB, 1.5s", "2.2 s",
		"no leader", "discovery is not heard; view is stale; switchover announced: pg1 to pg2",
		"70\u202f500", "<td>transaction</td>", "3.0 MiB", "1.2ms", "server lost 1",
		"2 pools, and 3 that no server has let in yet", "4 clients wait, the first for 2s", "at most 1000 in all", "server login failed 6", "client gone <b>1</b>", "no route <b>1</b>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("page has no %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestStatusPageIsSortedAndLeavesTheSnapshot(t *testing.T) {
	s := busy()
	page := written(t, s)
	if strings.Index(page, "archive / 0") > strings.Index(page, "70\u202f500") {
		t.Error("pools are not sorted")
	}
	if strings.Index(page, "main / 1") < strings.Index(page, "10.0.0.1") {
		t.Error("groups are not sorted")
	}
	if s.Pools[0].Labels.Cluster != "main" || s.Groups[0].Group != 1 {
		t.Error("the caller's slices were sorted")
	}
}

func TestStatusPageEscapesNames(t *testing.T) {
	if page := written(t, busy()); strings.Contains(page, "<b>eve") || !strings.Contains(page, "&lt;b&gt;eve") {
		t.Error("a user's name is taken for markup")
	}
}

func TestStatusPageNeedsNothingElse(t *testing.T) {
	page := written(t, busy())
	for _, outside := range []string{"<script", "<link", "<img", "http:", "https:", "url("} {
		if strings.Contains(page, outside) {
			t.Errorf("page has %q", outside)
		}
	}
}

func TestEmptyStatusPage(t *testing.T) {
	page := written(t, Snapshot{})
	for _, want := range []string{"none known yet", "none yet", ">ready<", "<b>0</b> clients"} {
		if !strings.Contains(page, want) {
			t.Errorf("page has no %q", want)
		}
	}
}

func TestStatusPageOverHTTP(t *testing.T) {
	s := start(t, Options{Status: func(w io.Writer) { WriteStatus(w, busy()) }})
	response, body := ask(t, s, "GET", "/")
	if response.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.HasSuffix(body, "</html>\n") {
		t.Errorf("%s, %q", response.Header.Get("Content-Type"), body)
	}
}

func TestReasonsAreListedMostFrequentFirst(t *testing.T) {
	lines := nonZero(metrics.ReasonCounts{metrics.ClientGone: 1, metrics.Shutdown: 9, metrics.Panic: 1})
	want := []reasonCount{{metrics.Shutdown, 9}, {metrics.ClientGone, 1}, {metrics.Panic, 1}}
	if len(lines) != len(want) {
		t.Fatalf("got %v", lines)
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d is %v, want %v", i, lines[i], want[i])
		}
	}
}
