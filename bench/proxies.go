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
	users, err := c.file("userlist.txt", userlist)
	if err != nil {
		return err
	}
	databases := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d\n", b.upstream)
	config, err := c.file("pgbouncer.ini", databases+fmt.Sprintf(pgbouncerSettings, port, users, b.room(1), poolSize))
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
	behind := c.port
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
	return startPortero(ctx, b, c, b.tools.portero, "1", "")
}

func startPorteroBefore(ctx context.Context, b *builder, c *chain) error {
	return startPortero(ctx, b, c, b.tools.before, "1", "")
}

func startPorteroAuto(ctx context.Context, b *builder, c *chain) error {
	return startPortero(ctx, b, c, b.tools.portero, `"auto"`, "")
}

// startPorteroTLS starts one with one loop, whose clients may ask for TLS.
func startPorteroTLS(ctx context.Context, b *builder, c *chain) error {
	cert, key, err := selfSigned()
	if err != nil {
		return err
	}
	if _, err := c.file("tls.crt", cert); err != nil {
		return err
	}
	if _, err := c.file("tls.key", key); err != nil {
		return err
	}
	return startPortero(ctx, b, c, b.tools.portero, "1", porteroTLS)
}

// startPortero starts a build with so many loops; listener is what its listener has beside the
// address.
func startPortero(ctx context.Context, b *builder, c *chain, build, loops, listener string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	admin, err := freePort()
	if err != nil {
		return err
	}
	if _, err := c.file("userlist.txt", userlist); err != nil {
		return err
	}
	config, err := c.file("proxy.toml", b.porteroConfig(loops, port, admin, listener))
	if err != nil {
		return err
	}
	return c.run(ctx, nil, port, build, "serve", "--config", config)
}

func (b *builder) porteroConfig(loops string, port, admin int, listener string) string {
	return fmt.Sprintf(porteroTemplate, loops, loopback(admin), loopback(port), listener, loopback(b.upstream), poolSize, b.room(1))
}

// room is the limit of clients to configure in a proxy that needs so many descriptors for
// each: HAProxy (two) refuses to start with a limit that its descriptors do not allow.
func (b *builder) room(descriptors int) int {
	return min(b.clients+500, (b.files-spareFiles)/descriptors)
}

// idleRoom is how many of the wanted idle clients fit into a chain: half, if descriptors are short.
func (b *builder) idleRoom(name string, wanted int) int {
	descriptors := 1
	if name == haproxyName {
		descriptors = 2
	}
	for wanted*descriptors+spareFiles > b.files {
		wanted /= 2
	}
	return wanted
}

const userlist = `"` + dbUser + `" ""` + "\n"

var pgbouncerSettings = unindent(`
	[pgbouncer]
	listen_addr = 127.0.0.1
	listen_port = %d
	unix_socket_dir =
	auth_type = trust
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
	    server pgbouncer 127.0.0.1:%d
`)

const porteroTLS = `tls = { cert = "tls.crt", key = "tls.key", mode = "prefer" }`

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
	method = "trust"
	users = "userlist.txt"
	[log]
	level = "warn"
	connections = false
`)

// unindent takes the tabs off that make a file readable inside Go source.
func unindent(text string) string {
	return strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n\t", "\n")[1:]
}
