package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// idleClient connects before there is a database, asks one question, and then does nothing
// until the end.
type idleClient struct {
	dsn    string
	client *client
	held   time.Duration // from its first byte to its answer
	err    error
}

// idlers are all idle clients.
type idlers struct {
	clients []*idleClient
	ready   sync.WaitGroup
}

// startIdlers sends n clients to Portero, in turn to each of dsns.
func startIdlers(ctx context.Context, n int, dsns ...string) *idlers {
	all := &idlers{}
	for i := range n {
		c := &idleClient{dsn: dsns[i%len(dsns)]}
		all.clients = append(all.clients, c)
		all.ready.Go(func() { c.arrive(ctx) })
	}
	return all
}

func (c *idleClient) arrive(ctx context.Context) {
	began := time.Now()
	if c.client, c.err = dial(ctx, c.dsn); c.err == nil {
		c.err = c.ask(ctx)
	}
	c.held = time.Since(began)
}

func (c *idleClient) ask(ctx context.Context) error {
	value, _, err := c.client.exec(ctx, "select 42")
	if err == nil && value != "42" {
		err = fmt.Errorf("select 42 answered %q", value)
	}
	return err
}

// wait waits until all have had their answer, and tells how long the slowest was held.
func (all *idlers) wait() (time.Duration, error) {
	all.ready.Wait()
	var longest time.Duration
	for _, c := range all.clients {
		if c.err != nil {
			return 0, fmt.Errorf("a client that came before the database was not held: %w", c.err)
		}
		longest = max(longest, c.held)
	}
	return longest, nil
}

// survivors asks each client again, on the connection that it opened at the beginning.
func (all *idlers) survivors(ctx context.Context) int {
	n := 0
	for _, c := range all.clients {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		if c.ask(ctx) == nil {
			n++
		}
		cancel()
	}
	return n
}

func (all *idlers) hangUp() {
	all.ready.Wait()
	for _, c := range all.clients {
		if c.client != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			_ = c.client.Close(ctx)
			cancel()
		}
	}
}
