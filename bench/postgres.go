package main

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"

	"portero/internal/lab"
)

// The role and database of all measurements; initdb makes both.
const (
	dbUser = "postgres"
	dbName = "postgres"
)

// maxConnections has room for 256 clients without a proxy while the pools of all proxies
// (20 each) keep their servers.
const maxConnections = 400

// startPostgres starts a server with pgbench's tables; the caller closes it. Nothing is
// flushed to disk: disks are not what is measured.
func startPostgres(ctx context.Context, t tools) (*lab.Postgres, error) {
	progress("PostgreSQL: new cluster, pgbench tables of scale 10")
	server, err := lab.StartPostgres(ctx, lab.PostgresOptions{
		MaxConnections: maxConnections,
		Settings: map[string]string{
			"shared_buffers":     "128MB",
			"synchronous_commit": "off",
			"autovacuum":         "off", // nothing is written while we measure, and it would only disturb
		},
	})
	if err != nil {
		return nil, err
	}
	_, err = runTool(ctx, "", nil, t.pgbench, "--initialize", "--scale=10", "--quiet",
		"--host=127.0.0.1", "--port="+strconv.Itoa(server.Port()), "--username="+dbUser, dbName)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return server, nil
}

// findPostgres looks for PostgreSQL's programs where the lab does, not in PATH: what Debian
// has there is a Perl wrapper, whose start would be measured too.
func (t *tools) findPostgres() error {
	bin, err := lab.PostgresBin()
	t.postgres, t.pgbench = filepath.Join(bin, "postgres"), filepath.Join(bin, "pgbench")
	return err
}
