package main

import (
	"errors"
	"testing"

	"portero/admin"
	"portero/config"
	"portero/discovery"
)

func TestATimelineIsAcceptedOnlyForAGroupThatIsThere(t *testing.T) {
	d, err := discovery.Open(config.Cluster{Name: "local", Discovery: "static", Hosts: []string{"127.0.0.1:1"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	in := &instance{clusters: map[string]*discovery.Cluster{"local": d}}
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
