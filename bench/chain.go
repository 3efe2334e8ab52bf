package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Names of the chains.
const (
	directName      = "direct"
	pgbouncerName   = "pgbouncer"
	haproxyName     = "haproxy+pgbouncer"
	beforeName      = "portero-before" // another build, to compare with; only with -before
	porteroName     = "portero"
	porteroAutoName = "portero-auto"
)

// kind is a way from a client to PostgreSQL: what it needs, and how it is started.
type kind struct {
	name  string
	start func(ctx context.Context, b *builder, c *chain) error
	lacks func(t tools) string // the name of a missing program, or ""
}

// kinds is in the order of the tables. In a round they run in this order too.
var kinds = []kind{
	{directName, startDirect, func(tools) string { return "" }},
	{pgbouncerName, startPgBouncer, lacksPgBouncer},
	{haproxyName, startHAProxy, lacksHAProxy},
	{beforeName, startPorteroBefore, lacksBefore},
	{porteroName, startPorteroOne, lacksPortero},
	{porteroAutoName, startPorteroAuto, lacksPortero},
}

// label is a chain's name as the tables show it.
func label(name string) string {
	switch name {
	case porteroAutoName:
		return fmt.Sprintf("portero (%d loops)", runtime.NumCPU()) // loops = "auto"
	case beforeName:
		return "portero (before)"
	case haproxyAloneName:
		return "haproxy alone"
	}
	return name
}

func kindNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

func lacksPgBouncer(t tools) string {
	if t.pgbouncer == "" {
		return "pgbouncer"
	}
	return ""
}

func lacksHAProxy(t tools) string {
	if t.haproxy == "" {
		return "haproxy"
	}
	return lacksPgBouncer(t)
}

func lacksPortero(t tools) string {
	if t.portero == "" {
		return "its binary, which make build makes,"
	}
	return ""
}

func lacksBefore(t tools) string {
	if t.before == "" {
		return "the binary that -before names"
	}
	return ""
}

// chain is one started way to PostgreSQL: clients connect to port, and procs do the work.
// procs is empty where clients reach PostgreSQL directly. Whoever started it calls stop.
type chain struct {
	name  string
	door  door
	dir   string // for its files
	port  int
	procs []*process
}

// builder starts chains.
type builder struct {
	dir      string
	tools    tools
	upstream int // PostgreSQL's port
	clients  int // the most that will be connected at once
	files    int // limit of open files, which children inherit
	made     int

	superuser string // how PostgreSQL's superuser connects to it, past all chains
}

// start starts a chain with a door and returns when a client has been served through it.
func (b *builder) start(ctx context.Context, name string, d door) (*chain, error) {
	for _, k := range kinds {
		if k.name == name {
			return b.launch(ctx, name, d, k.start)
		}
	}
	return nil, fmt.Errorf("no chain is named %s", name)
}

// launch starts a chain by a function.
func (b *builder) launch(ctx context.Context, name string, d door, start func(context.Context, *builder, *chain) error) (*chain, error) {
	b.made++
	c := &chain{name: name, door: d, dir: filepath.Join(b.dir, fmt.Sprintf("chain%d", b.made))}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return nil, err
	}
	if err := start(ctx, b, c); err != nil {
		c.stop()
		return nil, fmt.Errorf("chain %s: %w", name, err)
	}
	return c, nil
}

// stop ends the chain's processes, those next to the client first.
func (c *chain) stop() {
	for i := len(c.procs) - 1; i >= 0; i-- {
		c.procs[i].stop()
	}
	c.procs = nil
}

// cpu is what the chain's processes have used since they started.
func (c *chain) cpu() (time.Duration, error) {
	var total time.Duration
	for _, p := range c.procs {
		used, err := processCPU(p.pid())
		if err != nil {
			return 0, c.explain(p, err)
		}
		total += used
	}
	return total, nil
}

// memory is what the chain's processes hold now, in bytes.
func (c *chain) memory() (int64, error) {
	var total int64
	for _, p := range c.procs {
		held, err := processMemory(p.pid())
		if err != nil {
			return 0, c.explain(p, err)
		}
		total += held
	}
	return total, nil
}

// explain adds a process's last words to an error, because it has mostly died.
func (c *chain) explain(p *process, err error) error {
	return fmt.Errorf("chain %s, %s: %w\n%s", c.name, filepath.Base(p.name), err, p.output)
}

// outputs is what all of the chain's processes wrote last.
func (c *chain) outputs() string {
	var all string
	for _, p := range c.procs {
		if text := p.output.String(); text != "" {
			all += fmt.Sprintf("%s wrote last:\n%s", filepath.Base(p.name), text)
		}
	}
	return all
}

// run starts a process of the chain and waits until it serves a client at port. A query
// answered says more than any line in a log, and says it of all the proxies alike.
func (c *chain) run(ctx context.Context, as *syscall.Credential, port int, argv ...string) error {
	p, err := startProcess(ctx, c.dir, as, syscall.SIGTERM, argv...)
	if err != nil {
		return err
	}
	c.procs, c.port = append(c.procs, p), port
	return p.until(ctx, c.probe)
}

// file writes one of the chain's configuration files and returns its path.
func (c *chain) file(name, text string) (string, error) {
	path := filepath.Join(c.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o644)
}

func startDirect(_ context.Context, b *builder, c *chain) error {
	c.port = b.upstream
	return nil
}
