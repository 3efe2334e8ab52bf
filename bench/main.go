package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// plan is what one invocation measures.
type plan struct {
	modes   []string // pgbench -M
	clients []int    // pgbench -c
	chains  []string // names out of kinds
	rounds  int
	seconds int // measured, of each run
	idle    int // clients of the memory measurement; 0 leaves it out
	result  int // MB of the result beside which latency is measured; 0 leaves it out
	nodes   int // clients of a coordinator; then pools between nodes are measured, and nothing else
	multi   int // of 100 of their transactions, those that read all shards
	pool    int // servers of a pool between nodes, at most

	slowStart time.Duration // between the connections that these open
	portero   string
	before    string
	newer     string // a PgBouncer that knows prepared statements
	out       string // Markdown file with a marked section; "" for standard output alone
}

func main() {
	// Children are started from this goroutine, and the kernel ends them when the thread that
	// started them ends: so it is to be the thread that lives as long as the program.
	runtime.LockOSThread()
	p, err := parsePlan(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err == nil {
		err = run(ctx, p)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted") // in place of what became of what was running
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parsePlan(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	modes := flags.String("modes", "simple,extended,prepared", "query `modes` of pgbench")
	clients := flags.String("clients", "1,16,64,256", "`numbers` of clients")
	chains := flags.String("chains", strings.Join(kindNames(), ","), "`chains` to measure")
	quick := flags.Bool("quick", false, "for development: simple, 16 and 64 clients, PgBouncer and Portero, one round of 3 s, no more")
	flags.IntVar(&p.rounds, "rounds", 3, "rounds; figures are medians over them")
	flags.IntVar(&p.seconds, "seconds", 5, "measured seconds of each run (one more warms it up)")
	flags.IntVar(&p.idle, "idle", 10000, "idle clients of the memory measurement; 0 leaves it out")
	flags.IntVar(&p.result, "result", 500, "`MB` of the result that a client reads while another's latency is measured; 0 leaves it out")
	flags.IntVar(&p.nodes, "nodes", 0, "measure pools between the nodes of a Citus cluster, with so many `clients` at its coordinator, and nothing else; chains "+
		strings.Join([]string{directName, beforeName, porteroName}, ", "))
	flags.IntVar(&p.multi, "multi", 10, "with -nodes: of 100 transactions, those that read all `shards`")
	flags.IntVar(&p.pool, "pool", nodePool, "with -nodes: `servers` of a pool between the nodes at most; the default is above what the load asks for")
	flags.DurationVar(&p.slowStart, "slow-start", 10*time.Millisecond, "with -nodes: citus.executor_slow_start_interval")
	flags.StringVar(&p.portero, "portero", "bin/portero", "the `binary` to measure")
	flags.StringVar(&p.newer, "pgbouncer", "bin/newer/pgbouncer", "a PgBouncer of 1.21 or newer (scripts/pgbouncer bin/newer); where there is none, the system's is measured, and not in mode prepared")
	flags.StringVar(&p.before, "before", "", "another `binary` to compare with, as chain "+beforeName)
	flags.StringVar(&p.out, "out", "", "Markdown `file` whose section between the bench markers is rewritten")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if *quick {
		*modes, *clients, *chains = "simple", "16,64", pgbouncerName+","+porteroName
		p.rounds, p.seconds, p.idle, p.result = 1, 3, 0, 0
	}
	p.modes = strings.Split(*modes, ",")
	p.chains = strings.Split(*chains, ",")
	for field := range strings.SplitSeq(*clients, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return p, fmt.Errorf("-clients: %q is not a number of clients", field)
		}
		p.clients = append(p.clients, n)
	}
	return p, p.check(flags.Args())
}

// check refuses what could only fail after minutes of measuring.
func (p plan) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if p.rounds < 1 || p.seconds < 1 || p.idle < 0 || p.result < 0 {
		return errors.New("-rounds and -seconds are at least 1, -idle and -result at least 0")
	}
	for _, mode := range p.modes {
		if mode != "simple" && mode != "extended" && mode != "prepared" {
			return fmt.Errorf("-modes: %q is none of simple, extended, prepared", mode)
		}
	}
	for _, name := range p.chains {
		if !slices.Contains(kindNames(), name) {
			return fmt.Errorf("-chains: %q is none of %s", name, strings.Join(kindNames(), ", "))
		}
	}
	if p.out != "" {
		return section(p.out).Check()
	}
	return nil
}

// run measures everything in the plan and reports it. It leaves no process and no file behind.
func run(ctx context.Context, p plan) (err error) {
	files, err := raiseFileLimit()
	if err != nil {
		return err
	}
	tools, err := findTools(p.portero, p.before, p.newer)
	if err != nil {
		return err
	}
	if p.nodes == 0 && slices.Contains(p.modes, "prepared") && tools.pgbouncer != "" && !tools.newer {
		return errors.New("mode prepared needs a PgBouncer of 1.21 or newer: scripts/pgbouncer bin/newer")
	}
	dir, err := os.MkdirTemp("", "portero-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// The servers run as another user when we are root, and read their files here.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	b := &builder{dir: dir, tools: tools, clients: max(p.idle, slices.Max(p.clients)), files: files}
	if p.nodes > 0 {
		return measureNodes(ctx, b, p)
	}
	machine := describeMachine(ctx, tools)
	postgres, err := startPostgres(ctx, tools)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()

	b.upstream = postgres.Port()
	names := p.present(tools)
	rep := report{machine: machine, rounds: p.rounds, seconds: p.seconds, result: p.result}
	if err := rep.measureLoad(ctx, b, p, names); err != nil {
		return err
	}
	if p.idle > 0 {
		if rep.memory, err = measureMemory(ctx, b, p.idle, names); err != nil {
			return err
		}
	}
	if p.result > 0 && slices.Contains(names, porteroName) {
		if rep.fairness, err = measureFairness(ctx, b, p); err != nil {
			return err
		}
	}
	return rep.publish(p.out)
}

// present leaves out the chains whose programs are missing, and says so.
func (p plan) present(t tools) []string {
	var names []string
	for _, k := range kinds {
		if !slices.Contains(p.chains, k.name) || k.name == beforeName && p.before == "" {
			continue
		}
		if lacks := k.lacks(t); lacks != "" {
			progress("left out: %s (%s is missing)", k.name, lacks)
			continue
		}
		names = append(names, k.name)
	}
	return names
}

// progress tells a person who waits; the results alone go to standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
