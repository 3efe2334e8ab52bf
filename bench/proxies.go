package main

import (
	"context"
	"fmt"
	"strings"
)

// poolSize is how many servers each proxy may use.
const poolSize = 20

// spareFiles is what a proxy needs besides one descriptor per client: its servers,
// listeners, logs, timers.
const spareFiles = 300

func startPgBouncer(ctx context.Context, b *builder, c *chain) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	users, err := c.furnish()
	if err != nil {
		return err
	}
	databases := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d\n", b.upstream)
	config, err := c.file("pgbouncer.ini", databases+fmt.Sprintf(pgbouncerSettings, port, users, b.room(1), poolSize)+c.door.pgbouncer(c.dir))
	if err != nil {
		return err
	}
	return c.run(ctx, b.tools.ordinary, port, b.tools.pgbouncer, config)
}

// startHAProxy puts an HAProxy before a PgBouncer of its own. It is measured at its best: no
// health checks, and one thread, as PgBouncer has; with two it took 5 to 10 % more CPU.
func startHAProxy(ctx context.Context, b *builder, c *chain) error {
	if err := startPgBouncer(ctx, b, c); err != nil {
		return err
	}
	return startHAProxyBefore(ctx, b, c, c.port)
}

// startHAProxyAlone puts an HAProxy before PostgreSQL itself.
func startHAProxyAlone(ctx context.Context, b *builder, c *chain) error {
	return startHAProxyBefore(ctx, b, c, b.upstream)
}

func startHAProxyBefore(ctx context.Context, b *builder, c *chain, behind int) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	config, err := c.file("haproxy.cfg", fmt.Sprintf(haproxyTemplate, b.room(2), port, behind))
	if err != nil {
		return err
	}
	return c.run(ctx, nil, port, b.tools.haproxy, "-db", "-f", config)
}

func startPorteroOne(ctx context.Context, b *builder, c *chain) error {
	return startPortero(ctx, b, c, b.tools.portero, "1")
}

func startPorteroBefore(ctx context.Context, b *builder, c *chain) error {
	return startPortero(ctx, b, c, b.tools.before, "1")
}

func startPorteroAuto(ctx context.Context, b *builder, c *chain) error {
	return startPortero(ctx, b, c, b.tools.portero, `"auto"`)
}

// startPortero starts a build with so many loops.
func startPortero(ctx context.Context, b *builder, c *chain, build, loops string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	admin, err := freePort()
	if err != nil {
		return err
	}
	if _, err := c.furnish(); err != nil {
		return err
	}
	config, err := c.file("proxy.toml", b.porteroConfig(c.door, loops, port, admin))
	if err != nil {
		return err
	}
	return c.run(ctx, nil, port, build, "serve", "--config", config)
}

func (b *builder) porteroConfig(d door, loops string, port, admin int) string {
	return fmt.Sprintf(porteroTemplate, loops, loopback(admin), loopback(port), d.listener(), loopback(b.upstream), poolSize, b.room(1), d.method())
}

// room is the limit of clients to configure in a proxy that needs so many descriptors for
// each: HAProxy (two) refuses to start with a limit that its descriptors do not allow.
func (b *builder) room(descriptors int) int {
	return min(b.clients+500, (b.files-spareFiles)/descriptors)
}

// idleRoom is how many of the wanted idle clients fit into a chain: half, if descriptors are short.
func (b *builder) idleRoom(name string, wanted int) int {
	descriptors, files := 1, b.files
	switch name {
	case haproxyName:
		descriptors = 2
	case beforeName, porteroName, porteroAutoName:
		files = porteroRoom(files)
	}
	for wanted*descriptors+spareFiles > files {
		wanted /= 2
	}
	return wanted
}

// porteroRoom is what a limit of open files leaves for clients: where a route takes any name
// of a database or user, Portero keeps a quarter for servers, and some for operators, cancel
// requests and itself (cmd/portero/descriptors.go).
func porteroRoom(files int) int { return files*3/4 - 700 }

const userlist = `"` + dbUser + `" ""` + "\n"

var pgbouncerSettings = unindent(`
	[pgbouncer]
	listen_addr = 127.0.0.1
	listen_port = %d
	unix_socket_dir =
	auth_file = %s
	pool_mode = transaction
	max_client_conn = %d
	default_pool_size = %d
	log_connections = 0
	log_disconnections = 0
	log_pooler_errors = 0
	log_stats = 0
`)

var haproxyTemplate = unindent(`
	global
	    maxconn %d
	    nbthread 1
	defaults
	    mode tcp
	    timeout connect 5s
	    timeout client 1h
	    timeout server 1h
	listen postgres
	    bind 127.0.0.1:%d
	    server behind 127.0.0.1:%d
`)

var porteroTemplate = unindent(`
	loops = %s
	[admin]
	address = "%s"
	[[listener]]
	address = "%s"
	%s
	[[cluster]]
	name = "bench"
	discovery = "static"
	hosts = ["%s"]
	[[route]]
	listener = "*"
	database = "*"
	user = "*"
	cluster = "bench"
	role = "leader"
	pool_mode = "transaction"
	pool_size = %d
	[pool]
	max_client_conn = %d
	[auth]
	method = "%s"
	users = "userlist.txt"
	[log]
	level = "warn"
	connections = false
`)

// unindent takes the tabs off that make a file readable inside Go source.
func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n\t", "\n")[1:]
}
