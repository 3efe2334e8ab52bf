package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"portero/internal/lab"
)

// The nodes measurement plays what a Citus coordinator asks of its workers, statement by
// statement, with two plain PostgreSQL servers as workers: once straight, and once through
// pools of Portero between the nodes. What Citus itself costs is not in it.

// numWorkers is how many nodes each transaction writes to.
const numWorkers = 2

// nodePool is the size of a pool between nodes: above what the load can ask for at once
// without a queue, so that the pool itself decides how far it grows.
const nodePool = 200

// nodeLoad is what one run does.
type nodeLoad struct {
	clients int           // sessions at the coordinator, each a bank client
	pool    int           // servers of a pool between nodes, at most
	multi   int           // of 100 transactions, those that read all shards
	every   time.Duration // citus.executor_slow_start_interval
	seconds int
}

// nodeFigures is what it came to.
type nodeFigures struct {
	tps            float64
	p50, p99       float64 // ms of a transfer
	proxy, servers float64 // µs of CPU per transaction
	peak, mean     float64 // servers at one worker
	left           float64 // ... 2 s after the load's end
}

const nodeTables = `create table accounts (shard int, aid int, balance int);
insert into accounts select a % 8, a, 1000 from generate_series(1, 8000) a;
create index on accounts (aid);
create function assign_distributed_transaction_id(int, bigint, timestamptz) returns void language plpgsql as 'begin end'`

// startWorkers starts the nodes; the caller closes those it gets, also beside an error.
func startWorkers(ctx context.Context) (workers []*lab.Postgres, err error) {
	for range numWorkers {
		w, err := lab.StartPostgres(ctx, lab.PostgresOptions{MaxConnections: 2*nodePool + 50, SQL: strings.Split(nodeTables, ";\n"),
			Settings: map[string]string{"max_prepared_transactions": "500", "shared_buffers": "128MB", "autovacuum": "off"}})
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// measureNodes runs the load through each chain in each round, and prints the medians.
func measureNodes(ctx context.Context, b *builder, p plan) (err error) {
	workers, err := startWorkers(ctx)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.Close())
		}
	}()
	if err != nil {
		return err
	}
	load := nodeLoad{clients: p.nodes, pool: p.pool, multi: p.multi, every: p.slowStart, seconds: p.seconds}
	names := slices.DeleteFunc(p.present(b.tools), func(name string) bool {
		return !slices.Contains([]string{directName, pgbouncerName, beforeName, porteroName}, name)
	})
	all := make(map[string][]nodeFigures)
	for round := range p.rounds {
		for _, name := range names {
			got, err := b.runNodes(ctx, name, workers, load)
			if err != nil {
				return fmt.Errorf("nodes, chain %s: %w", name, err)
			}
			progress("round %d/%d: %-16s %s", round+1, p.rounds, label(name), got.text())
			all[name] = append(all[name], got)
		}
	}
	fmt.Printf("%d bank clients, %d workers, %d %% of the transactions read all shards by up to %d connections a node, slow start %v; pools of %d servers; rounds: %d of %d s, medians.\n\n",
		load.clients, numWorkers, load.multi, mostTasks, load.every, load.pool, p.rounds, p.seconds)
	fmt.Println("| chain | transactions/s | p50 ms | p99 ms | CPU of Portero, µs | CPU of PostgreSQL, µs | servers at a worker: mean | peak | 2 s after |")
	fmt.Println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, name := range names {
		m := medianNodes(all[name])
		fmt.Printf("| %s | %.0f | %.1f | %.1f | %.0f | %.0f | %.0f | %.0f | %.0f |\n", label(name), m.tps, m.p50, m.p99, m.proxy, m.servers, m.mean, m.peak, m.left)
	}
	return nil
}

func (f nodeFigures) text() string {
	return fmt.Sprintf("%6.0f tps  p50 %5.1f ms  p99 %5.1f ms  CPU %5.0f + %5.0f µs  servers mean %3.0f peak %3.0f left %3.0f",
		f.tps, f.p50, f.p99, f.proxy, f.servers, f.mean, f.peak, f.left)
}

func medianNodes(all []nodeFigures) nodeFigures {
	middle := func(of func(f nodeFigures) float64) float64 {
		var v []float64
		for _, f := range all {
			v = append(v, of(f))
		}
		return median(v)
	}
	return nodeFigures{
		tps: middle(func(f nodeFigures) float64 { return f.tps }), p50: middle(func(f nodeFigures) float64 { return f.p50 }),
		p99: middle(func(f nodeFigures) float64 { return f.p99 }), proxy: middle(func(f nodeFigures) float64 { return f.proxy }),
		servers: middle(func(f nodeFigures) float64 { return f.servers }), peak: middle(func(f nodeFigures) float64 { return f.peak }),
		mean: middle(func(f nodeFigures) float64 { return f.mean }), left: middle(func(f nodeFigures) float64 { return f.left }),
	}
}

// runNodes starts a chain to the workers, drives it and stops it.
func (b *builder) runNodes(ctx context.Context, name string, workers []*lab.Postgres, l nodeLoad) (got nodeFigures, err error) {
	c, err := b.launch(ctx, name, door{}, func(ctx context.Context, b *builder, c *chain) error {
		return startNodes(ctx, b, c, name, workers, l.pool)
	})
	if err != nil {
		return got, err
	}
	defer c.stop()
	watch, err := watchWorkers(ctx, workers)
	if err != nil {
		return got, err
	}
	defer watch.close()
	proxy, servers, err := usedBy(c, workers)
	if err != nil {
		return got, err
	}
	took, err := driveNodes(ctx, c, workers, l)
	if err != nil {
		return got, err
	}
	proxyLater, serversLater, err := usedBy(c, workers)
	if err != nil {
		return got, err
	}
	slices.Sort(took)
	n := float64(max(1, len(took)))
	got = nodeFigures{
		tps: n / float64(l.seconds), p50: millis(took, 50), p99: millis(took, 99),
		proxy: float64((proxyLater - proxy).Microseconds()) / n, servers: float64((serversLater - servers).Microseconds()) / n,
	}
	got.mean, got.peak, got.left = watch.end()
	return got, nil
}

func millis(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[len(sorted)*percent/100].Microseconds()) / 1000
}

// startNodes starts the way from the coordinator to the workers: for direct there is none.
func startNodes(ctx context.Context, b *builder, c *chain, name string, workers []*lab.Postgres, size int) error {
	build := b.tools.portero
	switch name {
	case directName:
		return nil
	case pgbouncerName:
		return startNodesPgBouncer(ctx, b, c, workers, size)
	case beforeName:
		build = b.tools.before
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	if _, err := c.file("userlist.txt", userlist); err != nil {
		return err
	}
	text := fmt.Sprintf(nodesTemplate, loopback(port), size, b.room(1), dbName, nodeName(0))
	for i, w := range workers {
		text += fmt.Sprintf(nodeTemplate, nodeName(i), loopback(w.Port()), nodeName(i), nodeName(i), dbName)
	}
	config, err := c.file("proxy.toml", text)
	if err != nil {
		return err
	}
	return c.run(ctx, nil, port, build, "serve", "--config", config)
}

// startNodesPgBouncer is the same with one PgBouncer, as pg_dist_poolinfo was made for.
func startNodesPgBouncer(ctx context.Context, b *builder, c *chain, workers []*lab.Postgres, size int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	users, err := c.file("userlist.txt", userlist)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("[databases]\n%s = host=127.0.0.1 port=%d\n", dbName, workers[0].Port()) // for the probe
	for i, w := range workers {
		text += fmt.Sprintf("%s = host=127.0.0.1 port=%d dbname=%s\n", nodeName(i), w.Port(), dbName)
	}
	config, err := c.file("pgbouncer.ini", text+fmt.Sprintf(pgbouncerSettings, port, users, b.room(1), size)+door{}.pgbouncer(c.dir))
	if err != nil {
		return err
	}
	return c.run(ctx, b.tools.ordinary, port, b.tools.pgbouncer, config)
}

func nodeName(i int) string { return fmt.Sprintf("worker_%d", i+1) }

var nodesTemplate = unindent(`
	loops = 1
	[[listener]]
	address = "%s"
	[pool]
	pool_size = %d
	max_client_conn = %d
	[auth]
	method = "trust"
	users = "userlist.txt"
	[log]
	level = "warn"
	connections = false
	[[route]]
	database = "%s"
	cluster = "%s"
`)

var nodeTemplate = unindent(`
	[[cluster]]
	name = "%s"
	discovery = "static"
	hosts = ["%s"]
	[[route]]
	database = "%s"
	cluster = "%s"
	dbname = "%s"
`)

// driveNodes lets the bank clients work for the time of a run, and returns how long each
// transaction took.
func driveNodes(ctx context.Context, c *chain, workers []*lab.Postgres, l nodeLoad) (took []time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(l.seconds)*time.Second+silence)
	defer cancel()
	end := time.Now().Add(time.Duration(l.seconds) * time.Second)
	var mu sync.Mutex // guards took and err
	var all sync.WaitGroup
	for i := range l.clients {
		all.Go(func() {
			o := newOrigin(i, c, workers, l)
			defer o.close()
			mine, failed := o.work(ctx, end)
			mu.Lock()
			defer mu.Unlock()
			took, err = append(took, mine...), errors.Join(err, failed)
		})
	}
	all.Wait()
	return took, err
}
