package main

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is what one invocation measures.
type plan struct {
	modes   []string // pgbench -M
	clients []int    // pgbench -c
	chains  []string // names out of kinds
	parts   []string // names out of parts
	rounds  int
	seconds int // measured, of each run
	idle    int // clients at rest, of the measurements of memory and of the crowd; 0 leaves both out
	result  int // MB of the result beside which latency is measured; 0 leaves it out
	nodes   int // clients of a coordinator; then pools between nodes are measured, and nothing else
	multi   int // of 100 of their transactions, those that read all shards
	pool    int // servers of a pool between nodes, at most

	slowStart time.Duration // between the connections that these open
	portero   string
	before    string
	pgbouncer string // the PgBouncer to compare with; "" for newerPgBouncer, or else the system's
	out       string // Markdown file with a marked section; "" for standard output alone
	scale     string // another, about many clients; "" for none
}

func parsePlan(args []string) (plan, error) {
	var p plan
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	modes := flags.String("modes", "simple,extended,prepared", "query `modes` of pgbench")
	clients := flags.String("clients", "1,16,64,256", "`numbers` of clients")
	chains := flags.String("chains", strings.Join(kindNames(), ","), "`chains` to measure")
	measured := flags.String("parts", strings.Join(partNames(), ","), "`parts` to measure")
	quick := flags.Bool("quick", false, "for development: the part load, simple, 16 and 64 clients, PgBouncer and Portero, one round of 3 s")
	flags.IntVar(&p.rounds, "rounds", 5, "rounds; figures are medians over them")
	flags.IntVar(&p.seconds, "seconds", 3, "measured seconds of each run (one more warms it up)")
	flags.IntVar(&p.idle, "idle", 10000, "clients at rest, of the parts memory and crowd; 0 leaves both out")
	flags.IntVar(&p.result, "result", 500, "`MB` of the result that a client reads while another's latency is measured; 0 leaves it out")
	flags.IntVar(&p.nodes, "nodes", 0, "measure pools between the nodes of a Citus cluster, with so many `clients` at its coordinator, and nothing else; chains "+
		strings.Join([]string{directName, beforeName, porteroName}, ", "))
	flags.IntVar(&p.multi, "multi", 10, "with -nodes: of 100 transactions, those that read all `shards`")
	flags.IntVar(&p.pool, "pool", nodePool, "with -nodes: `servers` of a pool between the nodes at most; the default is above what the load asks for")
	flags.DurationVar(&p.slowStart, "slow-start", 10*time.Millisecond, "with -nodes: citus.executor_slow_start_interval")
	flags.StringVar(&p.portero, "portero", "bin/portero", "the `binary` to measure")
	flags.StringVar(&p.pgbouncer, "pgbouncer", "", "the PgBouncer to compare with, a `binary`; without it "+newerPgBouncer+" (scripts/pgbouncer bin/newer) or, where there is none, the system's; mode prepared needs 1.21 or newer")
	flags.StringVar(&p.before, "before", "", "another `binary` to compare with, as chain "+beforeName)
	flags.StringVar(&p.out, "out", "", "Markdown `file` whose section between the bench markers is rewritten; the drawing goes beside it")
	flags.StringVar(&p.scale, "scale", "", "another Markdown `file`, about many clients, whose section between the scale markers is rewritten")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if *quick {
		*modes, *clients, *chains = "simple", "16,64", pgbouncerName+","+porteroName
		*measured, p.rounds, p.seconds = "load", 1, 3
	}
	p.modes = strings.Split(*modes, ",")
	p.chains = strings.Split(*chains, ",")
	p.parts = strings.Split(*measured, ",")
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
	if err := checkParts(p.parts); err != nil {
		return err
	}
	if p.out != "" {
		if err := section(p.out).Check(); err != nil {
			return err
		}
	}
	if p.scale != "" {
		return scaleSection(p.scale).Check()
	}
	return nil
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
