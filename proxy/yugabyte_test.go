package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
	"portero/internal/lab"
)

// ybNodes are PostgreSQL servers that play the nodes of a YugabyteDB cluster: each has a
// function yb_servers(), which tells what stands in a file. They share no data.
type ybNodes struct {
	t       *testing.T
	file    string
	servers []*lab.Postgres
}

// playsYugabyte has the columns of YugabyteDB's own function.
const playsYugabyte = `create function pg_catalog.yb_servers(out host text, out port int8, out num_connections int8, out node_type text,
 out cloud text, out region text, out zone text, out public_ip text, out uuid text) returns setof record language sql security definer as $$
 select f[1], f[2]::int8, 0::int8, f[3], f[4], f[5], f[6], f[7], f[8]
 from regexp_split_to_table(trim(both E'\n' from pg_read_file('FILE')), E'\n') as line, lateral string_to_array(line, '|') as f $$`

func startNodes(t *testing.T, n int) *ybNodes {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	dir := must(os.MkdirTemp("", "nodes"))(t)
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the servers run as another user
		t.Fatal(err)
	}
	y := &ybNodes{t: t, file: filepath.Join(dir, "nodes")}
	for range n {
		y.servers = append(y.servers, lab.PostgresForTest(t, lab.PostgresOptions{SQL: []string{"create role app login", "create database app owner app"}}))
	}
	for i := range y.servers {
		y.direct(i, strings.Replace(playsYugabyte, "FILE", y.file, 1), "create table seen (id bigint primary key)", "grant all on seen to app")
	}
	return y
}

// direct runs statements at a node past Portero.
func (y *ybNodes) direct(i int, sql ...string) {
	y.t.Helper()
	ctx := bounded(y.t)
	conn := must(pgx.Connect(ctx, y.servers[i].SuperuserDSN("app")))(y.t)
	defer conn.Close(ctx)
	for _, one := range sql {
		if _, err := conn.Exec(ctx, one); err != nil {
			y.t.Fatalf("%s: %v", one, err)
		}
	}
}

// list has the nodes tell of these, each as "node kind zone": 0 primary a.
func (y *ybNodes) list(all ...string) {
	y.t.Helper()
	var text strings.Builder
	for _, one := range all {
		var i int
		var kind, zone string
		if _, err := fmt.Sscanf(one, "%d %s %s", &i, &kind, &zone); err != nil {
			y.t.Fatal(err)
		}
		fmt.Fprintf(&text, "127.0.0.1|%d|%s|cloud|region|%s||%d\n", y.servers[i].Port(), kind, zone, i)
	}
	y.write(text.String())
}

// write replaces the file in one step.
func (y *ybNodes) write(text string) {
	y.t.Helper()
	if err := os.WriteFile(y.file+".new", []byte(text), 0o644); err != nil {
		y.t.Fatal(err)
	}
	if err := os.Rename(y.file+".new", y.file); err != nil {
		y.t.Fatal(err)
	}
}

// start opens a Portero that asks the first node first.
func (y *ybNodes) start(edits ...func(*config.Config)) *world {
	y.t.Helper()
	return startBefore(y.t, y.servers[0].Address(), append([]func(*config.Config){func(c *config.Config) {
		c.Clusters[0].Discovery, c.Clusters[0].Refresh = "yugabyte", time.Second
		c.Routes[0].Role, c.Routes[0].PoolSize = "any", 6
	}}, edits...)...)
}

// at is the node that a port belongs to.
func (y *ybNodes) at(port string) int {
	for i, s := range y.servers {
		if fmt.Sprint(s.Port()) == port {
			return i
		}
	}
	y.t.Fatalf("nobody has port %s", port)
	return -1
}

const myPort = "select current_setting('port')"

// The tests of this file share their servers, one behind the other.
func TestPlayedYugabyte(t *testing.T) {
	sideBySide(t)
	y := startNodes(t, 3)
	for _, one := range []struct {
		name string
		test func(*ybNodes)
	}{
		{"what a client has set up follows it from node to node", testClientsGoFromNodeToNode},
		{"nodes join and leave", testNodesJoinAndLeave},
		{"roles and zones", testRolesAndZones},
		{"public addresses", testPublicAddresses},
		{"other topology keys by a reload", testOtherKeysByAReload},
		{"writes go on while a node dies and comes back", testWritesGoOnWithoutANode},
	} {
		t.Run(one.name, func(t *testing.T) {
			of := *y
			of.t = t
			one.test(&of)
		})
	}
}

func testClientsGoFromNodeToNode(y *ybNodes) {
	y.list("0 primary a", "1 primary a", "2 primary a")
	w := y.start()
	r := w.dial()
	r.run("set application_name = 'traveller'|set work_mem = '7MB'|prepare twice as select 2 * $1::int")
	conn := w.pgx()
	ctx := bounded(y.t)
	if _, err := conn.Prepare(ctx, "sum", "select $1::int + $2::int"); err != nil {
		y.t.Fatal(err)
	}
	seen := make(map[int]bool)
	eventually(y.t, "all three nodes", func() bool {
		r.run("begin")
		seen[y.at(r.value(myPort))] = true
		if got := r.value("select current_setting('application_name') || '/' || current_setting('work_mem')"); got != "traveller/7MB" {
			y.t.Fatalf("set are %s", got)
		}
		r.run("commit")
		var sum int
		if err := conn.QueryRow(ctx, "sum", 20, 22).Scan(&sum); err != nil || sum != 42 {
			y.t.Fatalf("%d, %v", sum, err)
		}
		return len(seen) == 3
	})
}

func testNodesJoinAndLeave(y *ybNodes) {
	y.list("0 primary a", "1 primary a")
	w := y.start()
	stays, moves := w.dial(), w.dial()
	stays.run("begin")
	home := y.at(stays.value(myPort))
	other := 1 - home
	y.list(fmt.Sprintf("%d primary a", other), "2 primary a")
	eventually(y.t, "the node that has joined", func() bool { return y.at(moves.value(myPort)) == 2 })
	eventually(y.t, "no member that has left", func() bool {
		_, there := w.clusters["local"].View().Groups[0].Member(y.servers[home].Address())
		return !there
	})
	if got := y.at(stays.value(myPort)); got != home {
		y.t.Errorf("a transaction has moved to %d", got)
	}
	stays.run("commit")
	for range 20 {
		if got := y.at(stays.value(myPort)); got == home {
			y.t.Fatal("served by a node that has left")
		}
	}
}

func testRolesAndZones(y *ybNodes) {
	y.list("0 primary a", "1 primary b", "2 read_replica b")
	w := y.start(func(c *config.Config) {
		c.Clusters[0].TopologyKeys = []string{"cloud.region.b:1"}
		any := c.Routes[0]
		c.Routes = nil
		for _, role := range []string{"any", "only-primary", "only-rr", "prefer-primary", "prefer-rr"} {
			r := any
			r.Name, r.Database, r.DBName, r.Role = role, role, "app", role
			c.Routes = append(c.Routes, r)
		}
	})
	for role, want := range map[string]string{"any": "1 2", "only-primary": "1", "only-rr": "2", "prefer-primary": "1", "prefer-rr": "2"} {
		r := w.plug()
		r.login("user", "app", "database", role)
		seen := make(map[int]bool)
		eventually(y.t, role, func() bool {
			seen[y.at(r.value(myPort))] = true
			if seen[0] {
				y.t.Fatalf("%s: served where no topology key matches", role)
			}
			return len(seen) == len(strings.Fields(want))
		})
		for range 10 {
			seen[y.at(r.value(myPort))] = true
		}
		var got []string
		for i := range y.servers {
			if seen[i] {
				got = append(got, fmt.Sprint(i))
			}
		}
		if strings.Join(got, " ") != want {
			y.t.Errorf("%s: served by %v", role, got)
		}
	}
}

func testPublicAddresses(y *ybNodes) {
	var text string
	for i, s := range y.servers[:2] {
		text += fmt.Sprintf("192.0.2.%d|%d|primary|cloud|region|a|127.0.0.1|%d\n", i+1, s.Port(), i)
	}
	y.write(text + "192.0.2.3|5433|primary|cloud|region|a||2\n") // without a public address
	w := y.start()
	r := w.dial()
	seen := make(map[int]bool)
	eventually(y.t, "both nodes", func() bool {
		seen[y.at(r.value(myPort))] = true
		return len(seen) == 2
	})
	if g := w.clusters["local"].View().Groups[0]; len(g.Members) != 2 {
		y.t.Errorf("%+v", g.Members)
	}
}

func testOtherKeysByAReload(y *ybNodes) {
	y.list("0 primary a", "1 primary b", "2 primary c")
	w := y.start(func(c *config.Config) { c.Clusters[0].TopologyKeys = []string{"cloud.region.b"} })
	r, busy := w.dial(), w.dial()
	busy.run("begin")
	if a, b := y.at(r.value(myPort)), y.at(busy.value(myPort)); a != 1 || b != 1 {
		y.t.Errorf("served by %d and %d", a, b)
	}
	w.reload(func(c *config.Config) { c.Clusters[0].TopologyKeys = []string{"cloud.region.c"} })
	if got := y.at(r.value(myPort)); got != 2 {
		y.t.Errorf("served by %d", got)
	}
	if got := y.at(busy.value(myPort)); got != 1 {
		y.t.Errorf("a transaction has moved to %d", got)
	}
	busy.run("commit")
	if got := y.at(busy.value(myPort)); got != 2 {
		y.t.Errorf("served by %d", got)
	}
}

// ybLedger is what writers were told of their rows.
type ybLedger struct {
	mu     sync.Mutex // guards what follows
	told   map[int64]string
	wrong  []string
	at     map[string]int // acknowledged, by the port of the node
	losses int
}

func (l *ybLedger) note(id int64, port string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var said *pgconn.PgError
	switch {
	case err == nil:
		l.told[id] = "stored"
		l.at[port]++
	case errors.As(err, &said) && said.Code == "08006":
		l.told[id], l.losses = "not stored", l.losses+1
	case errors.As(err, &said) && said.Code == "08007":
		l.told[id], l.losses = "not known", l.losses+1
	default:
		l.wrong = append(l.wrong, fmt.Sprintf("row %d: %v", id, err))
	}
}

func (l *ybLedger) stored(port string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[port]
}

// write writes rows, each in a transaction of two statements, until ctx ends.
func (l *ybLedger) write(ctx context.Context, conn *pgx.Conn, ids *atomic.Int64) {
	for ctx.Err() == nil {
		id := ids.Add(1)
		port, err := writeRow(conn, id)
		l.note(id, port, err)
		if err == nil {
			continue
		}
		if conn.IsClosed() {
			l.note(id, "", fmt.Errorf("the client's connection is closed: %w", err))
			return
		}
		conn.Exec(context.Background(), "rollback") //nolint:errcheck // the next transaction tells
	}
}

func writeRow(conn *pgx.Conn, id int64) (port string, err error) {
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	if _, err = conn.Exec(ctx, "begin"); err != nil {
		return "", err
	}
	if err = conn.QueryRow(ctx, "insert into seen values ($1) returning current_setting('port')", id).Scan(&port); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "commit")
	return port, err
}

func testWritesGoOnWithoutANode(y *ybNodes) {
	y.list("0 primary a", "1 primary a", "2 primary a")
	w := y.start()
	l := &ybLedger{told: make(map[int64]string), at: make(map[string]int)}
	var ids atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var writers sync.WaitGroup
	for range 6 {
		conn := w.pgx()
		writers.Go(func() { l.write(ctx, conn, &ids) })
	}
	port := func(i int) string { return fmt.Sprint(y.servers[i].Port()) }
	written := func(i, more int) {
		y.t.Helper()
		before := l.stored(port(i))
		eventually(y.t, fmt.Sprintf("%d rows more at node %d", more, i), func() bool { return l.stored(port(i)) >= before+more })
	}
	for i := range y.servers {
		written(i, 20)
	}
	y.servers[1].Kill()
	written(0, 100)
	written(2, 100)
	if err := y.servers[1].Start(bounded(y.t)); err != nil {
		y.t.Fatal(err)
	}
	written(1, 20)
	stop()
	writers.Wait()
	y.compare(l)
}

// compare compares what was told with what is stored.
func (y *ybNodes) compare(l *ybLedger) {
	found := make(map[int64]int)
	for i := range y.servers {
		ctx := bounded(y.t)
		conn := must(pgx.Connect(ctx, y.servers[i].SuperuserDSN("app")))(y.t)
		rows := must(conn.Query(ctx, "select id from seen"))(y.t)
		for _, id := range must(pgx.CollectRows(rows, pgx.RowTo[int64]))(y.t) {
			found[id]++
		}
		conn.Close(ctx)
	}
	for id, told := range l.told {
		if n := found[id]; n > 1 || n == 0 && told == "stored" || n == 1 && told == "not stored" {
			y.t.Errorf("row %d: told %s, found %d times", id, told, n)
		}
	}
	for _, wrong := range l.wrong {
		y.t.Error(wrong)
	}
	if l.losses > 6 { // no more than there can be servers
		y.t.Errorf("%d transactions met the loss", l.losses)
	}
	y.t.Logf("%d rows, %d met the loss", len(l.told), l.losses)
}
