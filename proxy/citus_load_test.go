package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"portero/config"
)

// What follows plays Citus: backends of a coordinator that run distributed transactions on
// two nodes, through a pool for each. As in its adaptive executor (adaptive_executor.c), the
// tasks of a statement go to the connections that are there, and while some wait another
// connection is tried every 10 ms (slow start), whose failure does not matter; a COPY opens
// all that it needs, and needs them. A transaction ends in two phases, and one connection to
// each node is kept.

// nodeRoutes are the databases by which Portero is asked for the nodes: two pools of one
// ledger, which lead to one PostgreSQL.
var nodeRoutes = []string{"node1", "node2"}

func betweenNodes(size int) func(*config.Config) {
	return func(c *config.Config) {
		first := c.Routes[0]
		first.Database, first.DBName, first.PoolSize, first.Name = nodeRoutes[0], "app", size, "node1"
		second := first
		second.Database, second.Role, second.Name = nodeRoutes[1], "any", "node2" // a pool of its own
		c.Routes = []config.Route{first, second}
	}
}

// citusBackend is a backend of the coordinator, with one client of its own.
type citusBackend struct {
	w      *world
	gpid   int64
	cached [2]*pgconn.PgConn
	round  int
}

// participant is one connection in a distributed transaction.
type participant struct {
	conn *pgconn.PgConn
	node int
	gid  string

	begun bool
}

// distributed is a transaction.
type distributed struct {
	b     *citusBackend
	mu    sync.Mutex // guards what follows
	parts []*participant
}

const mostPerNode = 8 // connections; citus.max_adaptive_executor_pool_size is 16

func (b *citusBackend) connect(ctx context.Context, node int) (*pgconn.PgConn, error) {
	c, err := pgconn.ParseConfig(b.w.dsn("app", "", "dbname="+nodeRoutes[node], fmt.Sprintf("application_name='citus_internal gpid=%d'", b.gpid)))
	if err != nil {
		return nil, err
	}
	return pgconn.ConnectConfig(ctx, c)
}

// join has a connection take part.
func (d *distributed) join(conn *pgconn.PgConn, node int) *participant {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &participant{conn: conn, node: node, gid: fmt.Sprintf("citus_%d_%d_%d_%d", d.b.gpid, d.b.round, node, len(d.parts))}
	d.parts = append(d.parts, p)
	return p
}

// begin opens its part, before the first task.
func (p *participant) begin(ctx context.Context, gpid int64) error {
	if p.begun {
		return nil
	}
	p.begun = true
	_, err := p.conn.Exec(ctx, fmt.Sprintf("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT assign_distributed_transaction_id(0, %d, '2026-11-30 10:00:00+00');", gpid)).ReadAll()
	return err
}

// first is the connection that the backend has kept, or a new one.
func (d *distributed) first(ctx context.Context, node int) (*participant, error) {
	d.mu.Lock()
	for _, p := range d.parts {
		if p.node == node {
			d.mu.Unlock()
			return p, nil
		}
	}
	d.mu.Unlock()
	conn := d.b.cached[node]
	if conn == nil {
		var err error
		if conn, err = d.b.connect(ctx, node); err != nil {
			return nil, err
		}
		d.b.cached[node] = conn
	}
	return d.join(conn, node), nil
}

// execute runs the tasks of one statement on one node.
func (d *distributed) execute(ctx context.Context, node int, tasks []string) error {
	queue := make(chan string, len(tasks))
	for _, t := range tasks {
		queue <- t
	}
	close(queue)
	var sessions sync.WaitGroup
	failed := make(chan error, mostPerNode+1)
	work := func(p *participant, err error) {
		defer sessions.Done()
		for task := range queue {
			if err == nil {
				err = p.begin(ctx, d.b.gpid)
			}
			if err == nil {
				_, err = p.conn.ExecParams(ctx, task, nil, nil, nil, nil).Close()
			}
		}
		failed <- err
	}
	sessions.Add(1)
	go func() { work(d.first(ctx, node)) }()
	trying, stop := context.WithCancel(ctx)
	slowStart := time.NewTicker(10 * time.Millisecond)
	defer slowStart.Stop()
	for n := 1; n < mostPerNode && len(queue) > 0; n++ {
		<-slowStart.C
		sessions.Add(1)
		go func() {
			conn, err := d.b.connect(trying, node)
			if err != nil || len(queue) == 0 {
				sessions.Done()
				if err == nil {
					conn.Close(context.Background())
				}
				return
			}
			work(d.join(conn, node), nil)
		}()
	}
	done := make(chan struct{})
	go func() { sessions.Wait(); close(done) }()
	for {
		select {
		case <-done:
			stop()
			return errors.Join(drain(failed)...)
		case <-slowStart.C:
			if len(queue) == 0 {
				stop() // what is not established yet is not needed
			}
		}
	}
}

func drain(errs chan error) (all []error) {
	for len(errs) > 0 {
		all = append(all, <-errs)
	}
	return all
}

// everywhere runs something on both nodes at once.
func everywhere(do func(node int) error) error {
	var errs [2]error
	var both sync.WaitGroup
	for node := range nodeRoutes {
		both.Add(1)
		go func() { defer both.Done(); errs[node] = do(node) }()
	}
	both.Wait()
	return errors.Join(errs[:]...)
}

// copyIn is a COPY on several connections of each node, all of which it opens first.
func (d *distributed) copyIn(ctx context.Context, perNode int) error {
	for node := range nodeRoutes {
		for n := range perNode {
			p, err := d.first(ctx, node)
			if n > 0 && err == nil {
				var conn *pgconn.PgConn
				if conn, err = d.b.connect(ctx, node); err == nil {
					p = d.join(conn, node)
				}
			}
			if err == nil {
				err = p.begin(ctx, d.b.gpid)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// each runs one statement on all that take part, at once.
func (d *distributed) each(ctx context.Context, statement func(p *participant) string) error {
	errs := make([]error, len(d.parts))
	var all sync.WaitGroup
	for i, p := range d.parts {
		if !p.begun {
			continue
		}
		all.Add(1)
		go func() { defer all.Done(); _, errs[i] = p.conn.Exec(ctx, statement(p)).ReadAll() }()
	}
	all.Wait()
	return errors.Join(errs...)
}

// finish commits in two phases, or rolls back, and gives up all connections but one per node.
func (d *distributed) finish(ctx context.Context, err error) error {
	if err == nil {
		if err = d.each(ctx, func(p *participant) string { return "PREPARE TRANSACTION '" + p.gid + "'" }); err == nil {
			err = d.each(ctx, func(p *participant) string { return "COMMIT PREPARED '" + p.gid + "'" })
		}
	} else {
		d.each(ctx, func(*participant) string { return "ROLLBACK" }) //nolint:errcheck // the first error tells
	}
	for _, p := range d.parts {
		if p.conn != d.b.cached[p.node] {
			p.conn.Close(ctx)
		} else if p.conn.IsClosed() {
			d.b.cached[p.node] = nil
		}
	}
	return err
}

// transact runs one distributed transaction of a kind that depends on the round.
func (b *citusBackend) transact(ctx context.Context, copies bool) error {
	b.round++
	d := &distributed{b: b}
	update := func(shard int) string {
		return fmt.Sprintf("WITH slow AS (SELECT pg_sleep(0.005)) UPDATE shards SET n = n + 1 FROM slow WHERE shard = %d AND owner = %d", shard, b.gpid)
	}
	var err error
	switch b.round % 4 {
	case 0: // one node after the other, either of them first
		for k := range 2 {
			if node := (k + int(b.gpid)) % 2; err == nil {
				err = d.execute(ctx, node, []string{update(100 * (node + 1))})
			}
		}
	case 1: // all of them lock one row, which prepared transactions keep
		err = d.execute(ctx, 0, []string{"UPDATE shards SET n = n + 1 WHERE owner = 0"})
		fallthrough
	case 2: // all shards of both nodes
		if err == nil {
			err = everywhere(func(node int) error {
				var tasks []string
				for shard := range 12 {
					tasks = append(tasks, update(100*(node+1)+shard))
				}
				return d.execute(ctx, node, tasks)
			})
		}
	case 3:
		if copies {
			if err = d.copyIn(ctx, 3); err == nil {
				err = d.each(ctx, func(*participant) string { return "INSERT INTO copied VALUES (1)" })
			}
		}
	}
	return d.finish(ctx, err)
}

// asApp has the real server run statements as the owner of what clients use.
func asApp(t testing.TB, statements ...string) {
	t.Helper()
	ctx := context.Background()
	conn := must(pgx.Connect(ctx, postgres(t).SuperuserDSN("app")))(t)
	defer conn.Close(ctx)
	for _, sql := range append([]string{"set role app"}, statements...) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// citusLoad is what came of a load.
type citusLoad struct {
	committed, refused atomic.Int64
	took               time.Duration
}

// playCitus has so many backends run so many transactions each. What is refused with 53300 is
// counted and tried again; any other error fails the test.
func (w *world) playCitus(backends, rounds int, copies bool) *citusLoad {
	w.t.Helper()
	asApp(w.t, "create table shards (owner bigint, shard int, n int default 0, primary key (owner, shard))", "create table copied (x int)",
		"create function assign_distributed_transaction_id(int, bigint, timestamptz) returns void language sql as ''",
		fmt.Sprintf("insert into shards select o, s from generate_series(1, %d) o, (select generate_series(100, 111) s union select generate_series(200, 211)) s union select 0, 0", backends))
	w.t.Cleanup(func() {
		asApp(w.t, "drop table shards, copied", "drop function assign_distributed_transaction_id")
	})
	load := &citusLoad{}
	ctx, began := bounded(w.t), time.Now()
	var all sync.WaitGroup
	for i := range backends {
		all.Add(1)
		go func() {
			defer all.Done()
			b := &citusBackend{w: w, gpid: int64(i + 1)}
			for done := 0; done < rounds; {
				err := b.transact(ctx, copies)
				var said *pgconn.PgError
				switch {
				case err == nil:
					done++
					load.committed.Add(1)
				case errors.As(err, &said) && said.Code == "53300":
					load.refused.Add(1)
				default:
					w.t.Errorf("backend %d, round %d: %v", b.gpid, b.round, err)
					return
				}
			}
			for _, c := range b.cached {
				if c != nil {
					c.Close(ctx)
				}
			}
		}()
	}
	all.Wait()
	load.took = time.Since(began)
	w.t.Logf("%d backends: %d committed, %d refused in %s", backends, load.committed.Load(), load.refused.Load(), load.took.Round(time.Millisecond))
	return load
}

func TestDistributedTransactionsNeverStandStill(t *testing.T) {
	for _, servers := range []int{10, 40} {
		t.Run(fmt.Sprintf("%d servers", servers), func(t *testing.T) {
			w := start(t, betweenNodes(servers))
			w.playCitus(16, 8, false)
			if n := superuser(t, "select count(*) from pg_prepared_xacts"); n != "0" {
				t.Errorf("%s prepared transactions are left", n)
			}
		})
	}
}
