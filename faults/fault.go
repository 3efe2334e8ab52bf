package main

import (
	"context"

	"portero/internal/lab"
)

// fault is something that happens to the cluster.
type fault struct {
	name string // on the command line
	what string // in the tables
	// before is done before there are clients; nil: nothing.
	before func(ctx context.Context, s *stage) error
	// happen makes it happen, and returns when nothing is left to do but to wait for health.
	happen func(ctx context.Context, s *stage, leader *lab.Member) error

	failsafe bool // it is to find Patroni in failsafe_mode
	plot     bool // it is drawn
	hosts    bool // it needs hosts of their own on a network
}

// faults are in the order of the tables, in which they also happen.
var faults = []*fault{
	{name: "switchover", what: "planned switchover (REST)", happen: switchover, plot: true},
	{name: "crash", what: "postgres killed, Patroni alive", happen: crash, plot: true},
	{name: "death", what: "leader's host dies", happen: death},
	{name: "shutdown", what: "leader's Patroni stopped in good order", happen: shutdown},
	{name: "freeze", what: "leader's host frozen, thawed when another leads", happen: freeze},
	{name: "hang", what: "leader's Patroni hangs, another is promoted", happen: hang},
	{name: "etcd-one", what: "one member of etcd dies, its leader", happen: oneEtcd},
	{name: "etcd-quorum-failsafe", what: "etcd loses its quorum, failsafe_mode", happen: quorum, failsafe: true},
	{name: "etcd-quorum", what: "etcd loses its quorum, no failsafe_mode", happen: quorumDemotes},
	{name: "etcd-all", what: "all of etcd restarted", happen: allEtcd},
	{name: "restart", what: "postgres restarted in place (REST)", happen: restartPostgres},
	{name: "patroni", what: "leader's Patroni killed and started", happen: restartPatroni},
	{name: "paused", what: "postgres killed in a paused cluster", before: pause, happen: crashPaused},
	{name: "replica", what: "replica's host dies and comes back", happen: replicaDeath},
	{name: "reinit", what: "replica made anew (patronictl reinit)", happen: reinit},
	{name: "noloadbalance", what: "replica restarted with noloadbalance, then without", happen: noLoadBalance},
	{name: "partition", what: "leader's host cut off from all", happen: partition, hosts: true},
	{name: "etcd-cut", what: "leader's host cut off from etcd alone", happen: etcdCut, hosts: true},
	{name: "replica-partition", what: "replica's host cut off from all", happen: replicaPartition, hosts: true},
	{name: "etcd-compacted", what: "switchover and compaction while Portero is cut off from etcd", happen: compacted, hosts: true},
	{name: "etcd-stale", what: "switchover while a member of etcd is cut off from the others", before: followFirst, happen: staleEtcd, hosts: true},
}

func faultByName(name string) *fault {
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	return nil
}

func faultNames() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}
