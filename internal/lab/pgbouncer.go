package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// PgBouncer is PgBouncer as a process, in transaction mode with its own defaults. Its methods
// are for one goroutine at a time.
type PgBouncer struct {
	Address string // host:port for clients

	site    *site
	process *process
}

// PgBouncerOptions shape a PgBouncer, which lets role app in.
type PgBouncerOptions struct {
	// Databases are, for each name by which clients ask for database app, the host:port where
	// it is.
	Databases map[string]string
	PoolSize  int
	Host      *NetworkHost // where it runs; default: on loopback
}

const pgbouncerConfig = `
[pgbouncer]
listen_addr = %s
listen_port = %s
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 1000
log_connections = 0
log_disconnections = 0
`

// StartPgBouncer starts the program and returns once it listens. The caller closes it.
func StartPgBouncer(ctx context.Context, o PgBouncerOptions) (*PgBouncer, error) {
	ctx, cancel := limit(ctx, startLimit)
	defer cancel()
	binary, err := findDaemon("pgbouncer")
	if err != nil {
		return nil, err
	}
	s, err := newSite()
	if err != nil {
		return nil, err
	}
	p := &PgBouncer{site: s}
	if err := p.start(ctx, binary, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start pgbouncer: %w", err), s.close())
	}
	return p, nil
}

func (p *PgBouncer) start(ctx context.Context, binary string, o PgBouncerOptions) error {
	ports, err := p.site.takePorts(nil, 1)
	if err != nil {
		return err
	}
	p.Address = o.Host.serve(loopback(ports[0]))
	config := "[databases]\n"
	for name, address := range o.Databases {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		config += fmt.Sprintf("%s = host=%s port=%s dbname=app\n", name, host, port)
	}
	users := p.site.path("userlist.txt")
	host, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		return err
	}
	config += fmt.Sprintf(pgbouncerConfig, host, port, users, o.PoolSize)
	if err := errors.Join(
		p.site.writeFile(users, userList),
		p.site.writeFile(p.site.path("pgbouncer.ini"), config),
	); err != nil {
		return err
	}
	p.process, err = p.site.start(command{
		path: binary, args: []string{p.site.path("pgbouncer.ini")},
		dir: p.site.dir, log: p.site.path("pgbouncer.log"), orphaned: syscall.SIGKILL, space: o.Host.in(),
	})
	if err != nil {
		return err
	}
	return p.process.waitListening(ctx, p.Address)
}

// Alive is an error with the end of its log when it has ended.
func (p *PgBouncer) Alive() error { return p.process.alive() }

// Close ends it and removes its files.
func (p *PgBouncer) Close() error { return p.site.close() }
