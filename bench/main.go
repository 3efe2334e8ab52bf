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
	"syscall"
	"time"
)

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

// run measures everything in the plan and reports it. It leaves no process and no file behind.
func run(ctx context.Context, p plan) (err error) {
	files, err := raiseFileLimit()
	if err != nil {
		return err
	}
	tools, err := findTools(ctx, p.portero, p.before, p.pgbouncer)
	if err != nil {
		return err
	}
	if p.nodes == 0 && p.measures("load") && slices.Contains(p.modes, "prepared") && tools.pgbouncer != "" && !tools.newer {
		return errors.New("mode prepared needs a PgBouncer of 1.21 or newer: scripts/pgbouncer bin/newer, or -pgbouncer")
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
	b := &builder{dir: dir, tools: tools, clients: max(p.idle, crowdWorkers, slices.Max(p.clients)), files: files}
	if p.nodes > 0 {
		return measureNodes(ctx, b, p)
	}
	machine := describeMachine(ctx, tools)
	postgres, err := startPostgres(ctx, tools)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()

	b.upstream, b.superuser = postgres.Port(), postgres.SuperuserDSN(dbName)
	names := p.present(tools)
	rep := report{machine: machine, date: time.Now().Format(time.DateOnly), rounds: p.rounds, seconds: p.seconds, result: p.result}
	if err := rep.measureAll(ctx, b, p, names); err != nil {
		fmt.Print(rep.text()) // half an hour may be in it; but it goes into no page
		return err
	}
	return rep.publish(p)
}

// progress tells a person who waits; the results alone go to standard output.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
