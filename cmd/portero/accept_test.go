package main

import (
	"errors"
	"log/slog"
	"testing"

	"portero/admin"
	"portero/config"
	"portero/discovery"
	"portero/loop"
	"portero/pool"
)

func TestATimelineIsAcceptedOnlyForAGroupThatIsThere(t *testing.T) {
	d, err := discovery.Open(config.Cluster{Name: "local", Discovery: "static", Hosts: []string{"127.0.0.1:1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, err := loop.New(0)
	if err != nil {
		t.Fatal(err)
	}
	go l.Run()
	defer l.Stop()
	pools, err := pool.New(config.Default(), 1, map[string]*discovery.Cluster{"local": d}, []*loop.Loop{l}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer pools.Close()
	in := &instance{pools: pools}
	for _, c := range []struct {
		cluster string
		group   int
		unknown bool
	}{
		{"other", 0, true},
		{"local", 1, true},
		{"local", 0, false}, // and is not held for a timeline
	} {
		if err := in.acceptTimeline(c.cluster, c.group, 4); err == nil || errors.Is(err, admin.ErrUnknown) != c.unknown {
			t.Errorf("%s, %d: %v", c.cluster, c.group, err)
		}
	}
}
