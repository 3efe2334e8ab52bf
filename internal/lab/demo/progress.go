package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"portero/internal/lab"
)

const (
	barWidth      = 36
	callItWaiting = 200 * time.Millisecond
)

// progress prints a line each second.
type progress struct {
	began   time.Time
	writers *lab.Writers
	group   *lab.Group
	most    int // writes in a second so far
	done    sync.WaitGroup
}

func startProgress(ctx context.Context, writers *lab.Writers, g *lab.Group) *progress {
	p := &progress{began: time.Now(), writers: writers, group: g, most: 100}
	fmt.Printf("\n%7s  %9s  %-*s  %7s  %s\n", "second", "writes/s", barWidth, "", "waiting", "leader key")
	p.done.Go(func() { p.print(ctx) })
	return p
}

func (p *progress) print(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := 0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			written := p.writers.Ledger().Acknowledged()
			p.line(ctx, now, written-before, p.writers.Waiting(now, callItWaiting))
			before = written
		}
	}
}

func (p *progress) line(ctx context.Context, now time.Time, writes, waiting int) {
	p.most = max(p.most, writes)
	bar := strings.Repeat("█", writes*barWidth/p.most)
	held := "."
	if waiting > 0 {
		held = fmt.Sprint(waiting)
	}
	fmt.Printf("%7.0f  %9d  %-*s  %7s  %s\n",
		now.Sub(p.began).Seconds(), writes, barWidth, bar, held, p.leader(ctx))
}

func (p *progress) leader(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	m, err := p.group.Leader(ctx)
	if err != nil {
		return "none"
	}
	return m.Name
}

// say prints a line between the others.
func (p *progress) say(text string) {
	fmt.Printf("%7.0f  ── %s\n", time.Since(p.began).Seconds(), text)
}
