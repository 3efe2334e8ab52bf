package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portero/metrics"
)

// crowd has n clients: of three one waits, one has a server, one is idle.
func crowd(n int) func(context.Context) []metrics.ClientState {
	return func(context.Context) (all []metrics.ClientState) {
		for i := range n {
			c := metrics.ClientState{
				ID: uint64(i + 1), Database: fmt.Sprint("db", i%4), User: "app", State: []string{"idle", "active", "waiting"}[i%3],
				Address: netip.AddrPortFrom(netip.MustParseAddr("::ffff:10.0.0.1"), uint16(40000+i)), Connected: time.Now().Add(-time.Hour), Requested: time.Now().Add(-time.Duration(i) * time.Second), Application: fmt.Sprint("App", i),
			}
			if c.State == "waiting" {
				c.Wait = time.Duration(i) * time.Second
			}
			all = append(all, c)
		}
		return all
	}
}

type clientList struct {
	Total, Matches int
	States         map[string]int
	Rows           []struct {
		ID      uint64
		State   string
		Address string
		WaitMS  float64 `json:"wait_ms"`
	}
}

func listClients(t *testing.T, s *Server, query string) (l clientList) {
	t.Helper()
	response, body := ask(t, s, "GET", "/clients?"+query)
	if err := json.Unmarshal([]byte(body), &l); err != nil || response.StatusCode != 200 {
		t.Fatalf("%s: %s %q: %v", query, response.Status, body, err)
	}
	return l
}

func TestClientsAreListedThoseThatWaitFirst(t *testing.T) {
	l := listClients(t, start(t, Options{Clients: crowd(3000)}), "")
	if l.Total != 3000 || l.Matches != 3000 || len(l.Rows) != usualRows || l.States["idle"] != 1000 {
		t.Errorf("%d, %d, %d rows, %v", l.Total, l.Matches, len(l.Rows), l.States)
	}
	for i, row := range l.Rows {
		if want := 2999e3 - 3e3*float64(i); row.State != "waiting" || row.WaitMS != want {
			t.Fatalf("row %d: %+v, want one that waits for %v ms", i, row, want)
		}
	}
	if l.Rows[0].Address != "10.0.0.1:42999" {
		t.Errorf("address %s", l.Rows[0].Address)
	}
}

func TestClientsAreFiltered(t *testing.T) {
	s := start(t, Options{Clients: crowd(120)})
	for query, want := range map[string]int{
		"": 120, "state=active": 40, "state=active&database=db1": 10, "user=nobody": 0, "user=app": 120,
		"q=app7": 11, "q=APP7+DB3": 4, "q=:40077": 1, "limit=5": 120, "state=%3Cb%3E": 0,
	} {
		if l := listClients(t, s, query); l.Matches != want || l.Total != 120 || len(l.Rows) > want {
			t.Errorf("%q: %d match and %d are shown, want %d", query, l.Matches, len(l.Rows), want)
		}
	}
	if l := listClients(t, s, "limit=5"); len(l.Rows) != 5 {
		t.Errorf("%d rows", len(l.Rows))
	}
}

func TestAQuestionForClientsThatMeansNothingIsRefused(t *testing.T) {
	s := start(t, Options{Clients: crowd(1)})
	for _, query := range []string{"limit=0", "limit=-1", "limit=10001", "limit=many", "limit=", "stat=active"} {
		if response, body := ask(t, s, "GET", "/clients?"+query); response.StatusCode != 400 || !strings.Contains(body, "limit=") {
			t.Errorf("%s: %d %q", query, response.StatusCode, body)
		}
	}
}

func TestServersAreListed(t *testing.T) {
	s := start(t, Options{Servers: func(context.Context) []metrics.ServerState {
		return []metrics.ServerState{
			{ID: 1, State: "idle", Member: "pg1"},
			{ID: 2, State: "active", Member: "pg2", RemotePID: 4711, CloseNeeded: true, Link: 9, Address: netip.MustParseAddrPort("[fe80::1]:5432")},
		}
	}})
	_, body := ask(t, s, "GET", "/servers?q=4711")
	for _, want := range []string{`"total":2,"matches":1,"states":{"active":1,"idle":1}`, `"id":2,`, `"address":"[fe80::1]:5432"`, `"link":9,"pid":4711`, `"close_needed":true`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
}

func TestAListIsNotMadeForAReaderThatHasGone(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	s := start(t, Options{Clients: func(ctx context.Context) []metrics.ClientState {
		close(asked)
		<-ctx.Done()
		close(ended)
		return nil
	}})
	conn := dial(t, s)
	fmt.Fprint(conn, "GET /clients HTTP/1.1\r\nHost: portero\r\n\r\n")
	<-asked
	conn.Close()
	<-ended
}

func TestListsAreMadeTwoAtATime(t *testing.T) {
	var now, most atomic.Int64
	goOn := make(chan struct{})
	s := start(t, Options{Clients: func(context.Context) []metrics.ClientState {
		most.Store(max(most.Load(), now.Add(1)))
		<-goOn
		now.Add(-1)
		return nil
	}})
	var all []net.Conn
	for range 4 {
		conn := dial(t, s)
		fmt.Fprint(conn, "GET /clients HTTP/1.1\r\nHost: portero\r\n\r\n")
		all = append(all, conn)
	}
	until(t, "two are made", func() bool { return now.Load() == maxListings })
	close(goOn)
	for _, conn := range all {
		if response := orFail(http.ReadResponse(bufio.NewReader(conn), nil))(t); response.StatusCode != 200 {
			t.Error(response.Status)
		}
	}
	if most.Load() != maxListings {
		t.Errorf("%d were made at a time", most.Load())
	}
}
