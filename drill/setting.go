package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portero/internal/lab"
)

// setting is a set of what decides how long the database itself pauses.
type setting struct {
	name                        string // on the command line and in the tables
	ttl, loopWait, retryTimeout time.Duration
	startTimeout                time.Duration     // primary_start_timeout, or lab.FailoverAtOnce
	postgres                    map[string]string // postgresql.conf
}

// quickSenders have a leader miss a standby that has fallen silent soon. Until then a commit
// waits for it; PostgreSQL's own default is a minute.
var quickSenders = map[string]string{"wal_sender_timeout": "5s", "wal_receiver_timeout": "5s"}

// settings are in the order of the tables.
var settings = []*setting{
	{name: "default", ttl: 30 * time.Second, loopWait: 10 * time.Second, retryTimeout: 10 * time.Second, startTimeout: 300 * time.Second},
	// The least ttl and loop_wait that newer versions of Patroni take. The longest retry_timeout
	// that goes with them costs nothing where a server is lost, and keeps a leader that is well
	// from stepping down while etcd elects a leader of its own; with 3 s, the least, it did.
	{name: "short", ttl: 20 * time.Second, loopWait: time.Second, retryTimeout: 9 * time.Second,
		startTimeout: lab.FailoverAtOnce, postgres: quickSenders},
	// Patroni 3.0 takes a shorter ttl too.
	{name: "least", ttl: 6 * time.Second, loopWait: time.Second, retryTimeout: 2 * time.Second,
		startTimeout: lab.FailoverAtOnce, postgres: quickSenders},
}

func (s *setting) what() string {
	text := fmt.Sprintf("ttl %v, loop_wait %v, retry_timeout %v, primary_start_timeout %v",
		s.ttl, s.loopWait, s.retryTimeout, max(0, s.startTimeout))
	for _, name := range slices.Sorted(maps.Keys(s.postgres)) {
		text += ", " + name + " " + s.postgres[name]
	}
	return text
}

// byName finds what has a name; nil: nothing.
func byName[T any](all []*T, name string, of func(*T) string) *T {
	for _, one := range all {
		if of(one) == name {
			return one
		}
	}
	return nil
}

// chosen are those of a list of names with commas, or an error that says which there are.
func chosen[T any](all []*T, list string, of func(*T) string) ([]*T, error) {
	var found []*T
	for _, name := range strings.Split(list, ",") {
		one := byName(all, name, of)
		if one == nil {
			return nil, fmt.Errorf("there is no %q; there are %s", name, names(all, of))
		}
		found = append(found, one)
	}
	return found, nil
}

func names[T any](all []*T, of func(*T) string) string {
	var list []string
	for _, one := range all {
		list = append(list, of(one))
	}
	return strings.Join(list, ",")
}

func layoutName(l *layout) string   { return l.name }
func settingName(s *setting) string { return s.name }
func eventName(e *event) string     { return e.name }
