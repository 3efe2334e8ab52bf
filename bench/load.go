package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// load is one way to drive a chain.
type load struct {
	mode    string // pgbench -M
	clients int
	seconds int
	connect bool // log in for each transaction: pgbench -C
}

// threads is pgbench's -j: one thread would be the bottleneck for many clients.
func (l load) threads() int { return min(l.clients, 2) }

// cell is one line of the table: who was driven how.
type cell struct {
	mode    string
	clients int
	chain   string
}

// figures are what one run, or the median of several, gave.
type figures struct {
	tps      float64
	cpu      float64 // µs of all the chain's processes, per transaction
	p50, p99 float64 // µs
	spread   float64 // p99 / p50
}

// A run lasts a second longer than what is measured: logins take a part of it, and warmUp,
// in which proxies connect to servers and caches fill, is cut off after the first transaction.
const (
	extraSeconds = 1
	mostExtra    = 9 // where a machine is so busy that logins take seconds
	warmUp       = 500 * time.Millisecond
)

// silence is how much longer than planned a run may take before it has failed.
const silence = 30 * time.Second

// measureLoad runs every cell of the plan once per round, the chains taking turns, and
// keeps the medians.
func (r *report) measureLoad(ctx context.Context, b *builder, p plan, names []string) error {
	chains, err := startAll(ctx, b, names, door{})
	defer stopAll(chains)
	if err != nil {
		return err
	}
	runs := make(map[cell][]figures)
	err = r.inRounds(ctx, p, func(round string) error {
		for _, key := range p.cells() {
			for _, c := range chains {
				key.chain = c.name
				got, err := measure(ctx, b, c, load{mode: key.mode, clients: key.clients, seconds: p.seconds})
				if err != nil {
					return err
				}
				progress("%s: %-8s %3d clients  %-18s %6.0f tps %6.1f µs CPU  p50 %6.0f  p99 %6.0f",
					round, key.mode, key.clients, label(c.name), got.tps, got.cpu, got.p50, got.p99)
				runs[key] = append(runs[key], got)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.load = make(map[cell]figures, len(runs))
	for key, all := range runs {
		r.load[key] = medianFigures(all)
	}
	return nil
}

// cells are those of a plan, each without its chain.
func (p plan) cells() []cell {
	var all []cell
	for _, mode := range p.modes {
		for _, clients := range p.clients {
			all = append(all, cell{mode: mode, clients: clients})
		}
	}
	return all
}

// startAll starts the chains with a door; those it returns are running, also beside an error.
func startAll(ctx context.Context, b *builder, names []string, d door) ([]*chain, error) {
	var chains []*chain
	for _, name := range names {
		c, err := b.start(ctx, name, d)
		if err != nil {
			return chains, err
		}
		chains = append(chains, c)
	}
	return chains, nil
}

func stopAll(chains []*chain) {
	for _, c := range chains {
		c.stop()
	}
}

// measure drives a chain and reads its figures from the middle of the run. pgbench counts the
// logins into the time of a run: where others have the machine and too little is left, another
// run is longer.
func measure(ctx context.Context, b *builder, c *chain, l load) (got figures, err error) {
	for extra := extraSeconds; extra <= mostExtra; extra *= 3 {
		longer := l
		longer.seconds += extra
		got, err = measureOnce(ctx, b, c, longer)
		if !errors.Is(err, errTooLittle) {
			return got, err
		}
		progress("%v; once more", err)
	}
	return got, err
}

func measureOnce(ctx context.Context, b *builder, c *chain, l load) (figures, error) {
	watched := watchCPU(c)
	done, err := pgbench(ctx, b, c, l)
	readings, watchErr := watched.stop()
	if err := errors.Join(err, watchErr); err != nil {
		return figures{}, err
	}
	got, err := evaluate(done, readings)
	if err != nil {
		err = fmt.Errorf("chain %s, %s, %d clients: %w", c.name, l.mode, l.clients, err)
	}
	return got, err
}

// pgbench runs pgbench against a chain and returns every transaction it did.
func pgbench(ctx context.Context, b *builder, c *chain, l load) ([]transaction, error) {
	logs, err := os.MkdirTemp(c.dir, "pgbench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(logs) }() // the whole tree is removed at the end again
	// Clients of a proxy that has gone silent would wait for ever.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(l.seconds)*time.Second+silence)
	defer cancel()
	argv := []string{b.tools.pgbench, "--select-only", "--no-vacuum", "--protocol=" + l.mode,
		"--client=" + strconv.Itoa(l.clients), "--jobs=" + strconv.Itoa(l.threads()), "--time=" + strconv.Itoa(l.seconds),
		"--log", "--log-prefix=" + filepath.Join(logs, "log"),
		"--host=127.0.0.1", "--port=" + strconv.Itoa(c.port), "--username=" + dbUser}
	if l.connect {
		argv = append(argv, "--connect")
	}
	text, err := runTool(ctx, logs, nil, append(argv, c.door.conninfo())...)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w\n%s", c.name, err, c.outputs())
	}
	done, err := readLogs(logs)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w\n%s", c.name, err, text)
	}
	return done, nil
}
