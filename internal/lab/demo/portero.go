package main

import (
	"context"
	"path/filepath"
	"time"

	"portero/internal/lab"
)

// routes are what the demo adds to the way to the cluster.
const routes = `
[log]
connections = false

[[route]]
database = "app"
cluster = "main"
group = 0

[[route]]
database = "worker1"
cluster = "main"
group = 1
dbname = "app"
`

// startPortero starts the program that is shown, and returns once it accepts clients; etcd
// need not be there yet.
func startPortero(ctx context.Context, binary string, etcd []string) (*lab.Portero, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	p, err := lab.StartPortero(lab.PorteroOptions{Program: binary, Config: lab.PatroniConfig(etcd) + routes})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := p.WaitReady(ctx); err != nil {
		_ = p.Close() // it never was what it should be
		return nil, err
	}
	return p, nil
}
