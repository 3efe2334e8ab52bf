package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// mostTasks is how many shards a node has, and how many connections one client has to it at
// most (citus.max_adaptive_executor_pool_size is 16, and there are no more tasks than that).
const mostTasks = 8

// origin is a client's session at the coordinator: what Citus does for it at the workers.
type origin struct {
	load   nodeLoad
	gpid   uint64
	dsn    [numWorkers]string
	cached [numWorkers]*session // citus.max_cached_conns_per_worker = 1
	random *rand.Rand
	number uint64 // of its transactions
}

// session is one connection from the coordinator to a worker.
type session struct {
	conn  *pgconn.PgConn
	begun bool
}

func newOrigin(i int, c *chain, workers []*lab.Postgres, l nodeLoad) *origin {
	o := &origin{load: l, gpid: 10_000_000_000 + uint64(1000+i), random: rand.New(rand.NewPCG(1, uint64(i)))}
	for n, w := range workers {
		port, database := c.port, nodeName(n)
		if port == 0 {
			port, database = w.Port(), dbName
		}
		o.dsn[n] = fmt.Sprintf("host=127.0.0.1 port=%d user=%s dbname=%s sslmode=disable application_name='citus_internal gpid=%d'", port, dbUser, database, o.gpid)
	}
	return o
}

func (o *origin) close() {
	for _, s := range o.cached {
		if s != nil {
			s.close()
		}
	}
}

func (s *session) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.conn.Close(ctx) //nolint:errcheck // nothing is left to be done
}

// work runs transactions until the end.
func (o *origin) work(ctx context.Context, end time.Time) (took []time.Duration, err error) {
	for began := time.Now(); began.Before(end); began = time.Now() {
		if o.number++; o.random.IntN(100) < o.load.multi {
			err = o.total(ctx)
		} else {
			err = o.transfer(ctx)
		}
		if err != nil {
			return took, err
		}
		took = append(took, time.Since(began))
	}
	return took, nil
}

func (o *origin) connect(ctx context.Context, node int) (*session, error) {
	conn, err := pgconn.Connect(ctx, o.dsn[node])
	if err != nil {
		return nil, err
	}
	return &session{conn: conn}, nil
}

// at is the connection to a node that is kept from transaction to transaction.
func (o *origin) at(ctx context.Context, node int) (*session, error) {
	var err error
	if o.cached[node] == nil {
		o.cached[node], err = o.connect(ctx, node)
	}
	return o.cached[node], err
}

// begin is how Citus begins a transaction at a worker: one Query.
func (o *origin) begin(ctx context.Context, s *session) error {
	if s.begun {
		return nil
	}
	s.begun = true
	return s.query(ctx, fmt.Sprintf("BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED;SELECT assign_distributed_transaction_id(0, %d, '2026-11-30 10:00:00.000000+00');",
		o.gpid*1000+o.number))
}

func (s *session) query(ctx context.Context, sql string) error {
	_, err := s.conn.Exec(ctx, sql).ReadAll()
	return err
}

// params is PQsendQueryParams: Parse, Bind, Describe, Execute and Sync without names.
func (s *session) params(ctx context.Context, sql string, args ...[]byte) error {
	_, err := s.conn.ExecParams(ctx, sql, args, nil, nil, nil).Close()
	return err
}

// transfer takes from an account at one worker and gives to one at another, in two phases.
func (o *origin) transfer(ctx context.Context) error {
	for node := range numWorkers {
		s, err := o.at(ctx, node)
		if err != nil {
			return err
		}
		if err := o.begin(ctx, s); err != nil {
			return err
		}
		// Always in one order: distributed deadlocks are not what is measured.
		aid := fmt.Sprint(1 + o.random.IntN(8000))
		if err := s.params(ctx, "UPDATE public.accounts accounts SET balance = (balance OPERATOR(pg_catalog.+) $1::integer) WHERE (aid OPERATOR(pg_catalog.=) $2::integer)",
			[]byte("1"), []byte(aid)); err != nil {
			return err
		}
	}
	for _, verb := range []string{"PREPARE TRANSACTION", "COMMIT PREPARED"} {
		if err := o.everywhere(func(node int) error {
			return o.cached[node].query(ctx, fmt.Sprintf("%s 'citus_0_%d_%d_%d'", verb, o.gpid, o.number, node))
		}); err != nil {
			return err
		}
	}
	for _, s := range o.cached {
		s.begun = false
	}
	return nil
}

// everywhere does something at all nodes at once.
func (o *origin) everywhere(do func(node int) error) error {
	var failed [numWorkers]error
	var all sync.WaitGroup
	for node := range numWorkers {
		all.Go(func() { failed[node] = do(node) })
	}
	all.Wait()
	return errors.Join(failed[:]...)
}

// total reads all shards in a transaction, as the adaptive executor does.
func (o *origin) total(ctx context.Context) error {
	return o.everywhere(func(node int) error { return o.readShards(ctx, node) })
}

// readShards has the tasks of one node taken by the connections as they are free. There is one
// at first, the cached one, and as long as tasks are left, more are opened after each
// interval: one, then two, and so on. All but the cached one are closed in the end.
func (o *origin) readShards(ctx context.Context, node int) error {
	tasks := make(chan int, mostTasks)
	for i := range mostTasks {
		tasks <- i
	}
	close(tasks)
	first, err := o.at(ctx, node)
	if err != nil {
		return err
	}
	var failed [mostTasks]error
	var all sync.WaitGroup
	all.Go(func() { failed[0] = o.takeTasks(ctx, first, tasks) })
	for opened, next := 1, 1; opened < mostTasks && len(tasks) > 0; next++ {
		time.Sleep(o.load.every)
		for range min(next, mostTasks-opened, len(tasks)) {
			n := opened
			opened++
			all.Go(func() {
				s, err := o.connect(ctx, node)
				if err != nil {
					failed[n] = err
					return
				}
				defer s.close()
				failed[n] = o.takeTasks(ctx, s, tasks)
				if s.begun {
					failed[n] = errors.Join(failed[n], s.query(ctx, "COMMIT"))
				}
			})
		}
	}
	all.Wait()
	if first.begun {
		failed[0] = errors.Join(failed[0], first.query(ctx, "COMMIT"))
		first.begun = false
	}
	return errors.Join(failed[:]...)
}

func (o *origin) takeTasks(ctx context.Context, s *session, tasks <-chan int) error {
	for shard := range tasks {
		if err := o.begin(ctx, s); err != nil {
			return err
		}
		if err := s.params(ctx, "SELECT sum(balance) AS sum FROM public.accounts accounts WHERE (shard OPERATOR(pg_catalog.=) $1::integer)", fmt.Append(nil, shard)); err != nil {
			return err
		}
	}
	return nil
}
