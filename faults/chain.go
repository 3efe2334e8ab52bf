package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"portero/internal/lab"
)

// poolSize is how many servers each proxy may use, per role (and, where there is a PgBouncer
// per host, per host).
const poolSize = 8

// kind is a way from clients to the database.
type kind struct {
	name  string
	start func(ctx context.Context, s *stage) (*chain, error)
	// named says that named prepared statements work: Debian's PgBouncer 1.18 does not know
	// them in transaction mode.
	named bool
}

const (
	porteroName = "portero"
	outerName   = "haproxy-pgbouncer" // HAProxy is nearest to the client
	innerName   = "pgbouncer-haproxy"
)

// kinds are in the order of the tables and of the plot.
var kinds = []*kind{
	{name: porteroName, start: startPortero, named: true},
	{name: outerName, start: startHAProxyFirst},
	{name: innerName, start: startPgBouncerFirst},
}

// label is a chain's name for people.
func (k *kind) label() string {
	switch k.name {
	case outerName:
		return "HAProxy → PgBouncer"
	case innerName:
		return "PgBouncer → HAProxy"
	}
	return "Portero"
}

// plain is the label in ASCII, which is all that the plot's letters have.
func (k *kind) plain() string { return strings.ReplaceAll(k.label(), "→", "->") }

func kindByName(name string) *kind {
	for _, k := range kinds {
		if k.name == name {
			return k
		}
	}
	return nil
}

func kindNames() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// part is a program of a chain.
type part interface {
	Alive() error
	Close() error
}

// chain is a started kind: where role app reaches database app on the leader and on the
// replica.
type chain struct {
	leader, replica string // connection strings
	parts           []part // those next to the database first
}

// alive is an error when a program has ended.
func (c *chain) alive() error {
	for _, p := range c.parts {
		if err := p.Alive(); err != nil {
			return err
		}
	}
	return nil
}

// close ends all programs, those next to the clients first.
func (c *chain) close() (err error) {
	for i := len(c.parts) - 1; i >= 0; i-- {
		err = errors.Join(err, c.parts[i].Close())
	}
	return err
}

func dsn(address, database string) string {
	return fmt.Sprintf("postgres://app:app@%s/%s?sslmode=disable", address, database)
}

const porteroRoutes = `
[log]
connections = false

[[route]]
database = "app"
cluster = "main"
pool_size = %[1]d

[[route]]
database = "reader"
dbname = "app"
cluster = "main"
role = "replica"
pool_size = %[1]d
`

func startPortero(_ context.Context, s *stage) (*chain, error) {
	binary, err := filepath.Abs(s.options.portero)
	if err != nil {
		return nil, err
	}
	p, err := lab.StartPortero(lab.PorteroOptions{
		Program: binary,
		Config:  lab.PatroniConfig(s.etcd.Endpoints()) + fmt.Sprintf(porteroRoutes, poolSize),
		Host:    s.porteroHost(),
	})
	if err != nil {
		return nil, err
	}
	return &chain{leader: dsn(p.Address, "app"), replica: dsn(p.Address, "reader"), parts: []part{p}}, nil
}

// startHAProxyFirst puts a PgBouncer on each host, and HAProxy before them.
func startHAProxyFirst(ctx context.Context, s *stage) (*chain, error) {
	started := &chain{}
	var servers []lab.HAProxyServer
	for _, m := range s.group.Members {
		p, err := lab.StartPgBouncer(ctx, lab.PgBouncerOptions{
			Databases: map[string]string{"app": m.Address}, PoolSize: poolSize, Host: m.Host,
		})
		if err != nil {
			return nil, errors.Join(err, started.close())
		}
		started.parts = append(started.parts, p)
		servers = append(servers, lab.HAProxyServer{Name: m.Name, Address: p.Address, REST: m.REST})
	}
	h, err := lab.StartHAProxy(ctx, servers...)
	if err != nil {
		return nil, errors.Join(err, started.close())
	}
	started.parts = append(started.parts, h)
	started.leader, started.replica = dsn(h.Leader, "app"), dsn(h.Replica, "app")
	return started, nil
}

// startPgBouncerFirst puts HAProxy before the hosts, and one PgBouncer before it.
func startPgBouncerFirst(ctx context.Context, s *stage) (*chain, error) {
	var servers []lab.HAProxyServer
	for _, m := range s.group.Members {
		servers = append(servers, lab.HAProxyServer{Name: m.Name, Address: m.Address, REST: m.REST})
	}
	h, err := lab.StartHAProxy(ctx, servers...)
	if err != nil {
		return nil, err
	}
	p, err := lab.StartPgBouncer(ctx, lab.PgBouncerOptions{
		Databases: map[string]string{"app": h.Leader, "reader": h.Replica}, PoolSize: poolSize,
	})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &chain{leader: dsn(p.Address, "app"), replica: dsn(p.Address, "reader"), parts: []part{h, p}}, nil
}

// provings is how often in a row a chain leads to the right servers before it is used: HAProxy
// takes all servers for good until its first checks, which it spreads over 3 s.
const provings = 50

// waitReady waits until both ways lead where they should.
func (c *chain) waitReady(ctx context.Context) error {
	good := 0
	return lab.Poll(ctx, "wait for the chain", func() error {
		if err := c.alive(); err != nil {
			return err
		}
		for where, want := range map[string]string{c.leader: "f", c.replica: "t"} {
			if err := leadsTo(ctx, where, want); err != nil {
				good = 0
				return err
			}
		}
		if good++; good < provings {
			return fmt.Errorf("right only %d times", good)
		}
		return nil
	})
}

func leadsTo(ctx context.Context, where, recovery string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := lab.Dial(ctx, where)
	if err != nil {
		return err
	}
	defer c.HangUp()
	got, err := c.Ask(ctx, "select pg_is_in_recovery()")
	if err == nil && got != recovery {
		err = errors.New("it leads to the wrong server")
	}
	return err
}
