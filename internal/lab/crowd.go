package lab

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Crowd is a number of clients that connect, ask one question, and are idle from then on.
type Crowd struct {
	clients  []*idler
	arriving sync.WaitGroup
	answered atomic.Int32
}

type idler struct {
	dsn    string
	client *Client
	held   time.Duration // from its first byte to its answer
	err    error
}

// StartCrowd sends n clients off, in turn to each of dsns, and returns at once. Those that
// have not been answered when ctx ends give up.
func StartCrowd(ctx context.Context, n int, dsns ...string) *Crowd {
	c := &Crowd{}
	for i := range n {
		one := &idler{dsn: dsns[i%len(dsns)]}
		c.clients = append(c.clients, one)
		c.arriving.Go(func() { c.arrive(ctx, one) })
	}
	return c
}

func (c *Crowd) arrive(ctx context.Context, one *idler) {
	began := time.Now()
	if one.client, one.err = Dial(ctx, one.dsn); one.err == nil {
		one.err = one.ask(ctx)
	}
	one.held = time.Since(began)
	c.answered.Add(1)
}

func (one *idler) ask(ctx context.Context) error {
	value, err := one.client.Ask(ctx, "select 42")
	if err == nil && value != "42" {
		err = fmt.Errorf("select 42 answered %q", value)
	}
	return err
}

// Answered is how many have their answer, or have failed.
func (c *Crowd) Answered() int { return int(c.answered.Load()) }

// Wait waits until all have had their answer, and tells how long the slowest was held; the
// error is one client's.
func (c *Crowd) Wait() (time.Duration, error) {
	c.arriving.Wait()
	var longest time.Duration
	for _, one := range c.clients {
		if one.err != nil {
			return 0, one.err
		}
		longest = max(longest, one.held)
	}
	return longest, nil
}

// Survivors asks each client again, on the connection that it has had since the beginning,
// and counts those that are answered; the error is the last that failed.
func (c *Crowd) Survivors(ctx context.Context) (n int, err error) {
	c.arriving.Wait()
	for _, one := range c.clients {
		soon, cancel := limit(ctx, startLimit)
		failed := one.err
		if failed == nil {
			failed = one.ask(soon)
		}
		cancel()
		if failed == nil {
			n++
		} else {
			err = failed
		}
	}
	return n, err
}

// HangUp waits until all have arrived, and ends them.
func (c *Crowd) HangUp() {
	c.arriving.Wait()
	for _, one := range c.clients {
		if one.client != nil {
			one.client.HangUp()
		}
	}
}
