package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"portero/internal/lab"
)

const (
	runLimit  = 7 * time.Minute // for one run, from a healthy cluster to a healthy cluster
	healLimit = time.Minute     // beside ttl, for Patroni to make the cluster healthy
)

// stage is a cluster and a chain before it.
type stage struct {
	options options
	kind    *kind
	network *lab.Network // nil: all is on loopback
	etcd    *lab.Etcd
	cluster *lab.Cluster
	group   *lab.Group
	chain   *chain

	failsafe bool // failsafe_mode is on
}

// members is the number of PostgreSQL servers. On a network each has a host, and there are one
// for Portero and one for the first member of etcd.
const members = 2

// porteroHost is where Portero runs; nil: on loopback.
func (s *stage) porteroHost() *lab.NetworkHost {
	if s.network == nil {
		return nil
	}
	return s.network.Hosts[members]
}

// startStage starts everything but clients, with hosts on a network or without. The caller
// closes it.
func startStage(ctx context.Context, o options, k *kind, hosts bool) (*stage, error) {
	s := &stage{options: o, kind: k}
	if err := s.start(ctx, hosts); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", k.name, err), s.close())
	}
	return s, nil
}

func (s *stage) start(ctx context.Context, hosts bool) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	var err error
	var where lab.EtcdOptions
	if hosts {
		if s.network, err = lab.StartNetwork(members + 2); err != nil {
			return err
		}
		where.Address, where.Host = s.network.EtcdAddress(), s.network.Hosts[members+1]
	}
	if s.etcd, err = lab.StartEtcd(ctx, 3, where); err != nil {
		return err
	}
	s.cluster, err = lab.StartCluster(ctx, lab.ClusterOptions{
		Members: members, Network: s.network, Etcd: s.etcd,
		TTL: s.options.ttl, LoopWait: s.options.loopWait, RetryTimeout: s.options.retryTimeout,
		Synchronous: true, Settings: settings(),
	})
	if err != nil {
		return err
	}
	return s.connect(ctx)
}

// settings are postgresql.conf's. pg_rewind wants whole pages.
func settings() map[string]string {
	all := maps.Clone(lab.WitnessSettings)
	all["full_page_writes"] = "on"
	return all
}

// connect makes the tables and starts the chain.
func (s *stage) connect(ctx context.Context) error {
	s.group = s.cluster.Groups[0]
	leader, err := s.group.Leader(ctx)
	if err != nil {
		return err
	}
	if err := lab.RunSQL(ctx, leader.SuperuserDSN("app"), slices.Concat(lab.WriterTable, lab.Witness)...); err != nil {
		return err
	}
	if s.chain, err = s.kind.start(ctx, s); err != nil {
		return err
	}
	return s.chain.waitReady(ctx)
}

// logs are what the members have logged last; of no stage, nothing.
func (s *stage) logs() (all string) {
	if s != nil {
		for _, m := range s.group.Members {
			all += m.Log() + "\n"
		}
	}
	return all
}

// close ends everything; of no stage, nothing.
func (s *stage) close() (err error) {
	if s == nil {
		return nil
	}
	if s.chain != nil {
		err = errors.Join(err, s.chain.close())
	}
	if s.cluster != nil {
		err = errors.Join(err, s.cluster.Close())
	}
	if s.etcd != nil {
		err = errors.Join(err, s.etcd.Close())
	}
	if s.network != nil {
		err = errors.Join(err, s.network.Close())
	}
	return err
}

// play makes one fault happen to a crew of its own, and returns what it found.
func (s *stage) play(ctx context.Context, f *fault) (*figures, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	if err := s.clear(ctx, f); err != nil {
		return nil, err
	}
	all, err := startCrew(ctx, s.kind, s.chain, s.group.Members)
	if err != nil {
		return nil, err
	}
	defer all.idle.HangUp()
	from, to, mended, err := s.disturb(ctx, f, all)
	all.stop(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.count(ctx, all, from, to)
	if err != nil {
		return nil, err
	}
	found.Mended = mended
	if !f.plot {
		found.Steps = nil
	}
	return found, nil
}

// clear brings the cluster into the state in which the fault is to find it.
func (s *stage) clear(ctx context.Context, f *fault) error {
	if err := s.group.WaitHealthy(ctx); err != nil {
		return err
	}
	leader, err := s.group.Leader(ctx)
	if err != nil {
		return err
	}
	if err := lab.RunSQL(ctx, leader.SuperuserDSN("app"), "truncate written"); err != nil {
		return err
	}
	if f.failsafe != s.failsafe {
		if err := s.group.SetFailsafe(ctx, f.failsafe); err != nil {
			return err
		}
		s.failsafe = f.failsafe
	}
	if f.before != nil {
		if err := f.before(ctx, s); err != nil {
			return err
		}
	}
	return s.group.ForgetWrites()
}

// disturb lets the crew work for a while, makes the fault happen, and waits until all is well.
func (s *stage) disturb(ctx context.Context, f *fault, all *crew) (from, to time.Time, mended bool, err error) {
	if err = all.settle(ctx); err != nil {
		return from, to, mended, err
	}
	leader, err := s.group.Leader(ctx)
	if err != nil {
		return from, to, mended, err
	}
	from = time.Now()
	if err = f.happen(ctx, s, leader); err != nil {
		return from, to, mended, err
	}
	if mended, err = s.heal(ctx); err != nil {
		return from, to, mended, err
	}
	err = all.settle(ctx)
	return from, time.Now(), mended, err
}

// heal waits for the cluster's health, and brings it about if Patroni does not.
func (s *stage) heal(ctx context.Context) (mended bool, err error) {
	return s.group.Heal(ctx, s.options.ttl+healLimit, func(why error) {
		progress("%v: the replica is made anew\n%s", why, s.logs())
	})
}
