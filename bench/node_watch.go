package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/internal/lab"
)

// nodeWatch counts the servers at a worker while a load runs.
type nodeWatch struct {
	ctx    context.Context
	conn   *pgconn.PgConn
	stop   chan struct{}
	done   chan struct{}
	counts []int
}

const countServers = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"

func watchWorkers(ctx context.Context, workers []*lab.Postgres) (*nodeWatch, error) {
	conn, err := pgconn.Connect(ctx, workers[numWorkers-1].SuperuserDSN(dbName))
	if err != nil {
		return nil, err
	}
	w := &nodeWatch{ctx: ctx, conn: conn, stop: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w, nil
}

// run is the goroutine of a watch; it ends with stop.
func (w *nodeWatch) run() {
	defer close(w.done)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-w.stop:
			return
		case <-tick.C:
		}
		if n, err := w.count(); err == nil {
			w.counts = append(w.counts, n)
		}
	}
}

func (w *nodeWatch) count() (int, error) {
	results, err := w.conn.Exec(w.ctx, countServers).ReadAll()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(results[0].Rows[0][0]))
}

// end gives the mean and the peak of a load that is over, and how many are left 2 s later.
func (w *nodeWatch) end() (mean, peak, left float64) {
	close(w.stop)
	<-w.done
	for _, n := range w.counts {
		mean += float64(n) / float64(len(w.counts))
		peak = max(peak, float64(n))
	}
	time.Sleep(2 * time.Second)
	n, _ := w.count()
	return mean, peak, float64(n)
}

func (w *nodeWatch) close() { w.conn.Close(context.Background()) } //nolint:errcheck // nothing is left to be done

// usedBy is the CPU time of the proxy, and that of the workers with all their backends, those
// that have ended too.
func usedBy(c *chain, workers []*lab.Postgres) (proxy, servers time.Duration, err error) {
	if proxy, err = c.cpu(); err != nil {
		return 0, 0, err
	}
	for _, w := range workers {
		used, err := familyCPU(w.PID())
		if err != nil {
			return 0, 0, err
		}
		servers += used
	}
	return proxy, servers, nil
}

// familyCPU is that of a process, of its children, and of those that have ended.
func familyCPU(pid int) (total time.Duration, err error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile; its parent has its time
		}
		// From behind the name, in parentheses: state, parent, ... utime, stime, cutime and cstime are fields 14 to 17 of all.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		own := filepath.Base(filepath.Dir(path)) == strconv.Itoa(pid)
		if len(fields) < 15 || !own && fields[1] != strconv.Itoa(pid) {
			continue
		}
		for i, field := range fields[11:15] {
			ticks, err := strconv.Atoi(field)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			if own || i < 2 {
				total += time.Duration(ticks) * time.Second / 100
			}
		}
	}
	return total, nil
}
