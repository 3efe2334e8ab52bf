package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portero/internal/lab"
)

const (
	startLimit = 4 * time.Minute  // for all servers
	runLimit   = 10 * time.Minute // for one run, from a healthy cluster to a healthy cluster
	healLimit  = time.Minute      // beside ttl, for Patroni to make a group healthy
)

// stage is the servers of one layout, and Portero before them.
type stage struct {
	program string // the portero to prove
	layout  *layout
	setting *setting
	network *lab.Network
	etcd    *lab.Etcd
	cluster *lab.Cluster
	portero *lab.Portero
}

// startStage starts everything but clients. The caller closes it.
func startStage(ctx context.Context, program string, l *layout, set *setting) (*stage, error) {
	s := &stage{program: program, layout: l, setting: set}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s, %s: %w", l.name, set.name, err), s.close())
	}
	return s, nil
}

func (s *stage) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var err error
	if s.network, err = lab.StartNetwork(servers + 1); err != nil {
		return err
	}
	hosts := s.network.Hosts[:servers]
	if s.etcd, err = lab.StartEtcd(ctx, servers, lab.EtcdOptions{Hosts: hosts}); err != nil {
		return err
	}
	s.cluster, err = lab.StartCluster(ctx, lab.ClusterOptions{
		Scopes: []string{"0", "1", "2"}, Network: s.network, Placement: s.layout.groups, Etcd: s.etcd,
		TTL: s.setting.ttl, LoopWait: s.setting.loopWait, RetryTimeout: s.setting.retryTimeout,
		PrimaryStartTimeout: s.setting.startTimeout, Synchronous: true, Settings: s.setting.all(),
	})
	if err != nil {
		return err
	}
	if err := s.makeTables(ctx); err != nil {
		return err
	}
	return s.startPortero(ctx)
}

// all are postgresql.conf's. pg_rewind wants whole pages.
func (s *setting) all() map[string]string {
	all := maps.Clone(lab.WitnessSettings)
	all["full_page_writes"] = "on"
	maps.Copy(all, s.postgres)
	return all
}

// makeTables makes what the writers write to, in each database of each group.
func (s *stage) makeTables(ctx context.Context) error {
	for _, g := range s.cluster.Groups {
		leader, err := g.Leader(ctx)
		if err != nil {
			return err
		}
		for _, database := range databases {
			if database != "app" {
				if err := lab.RunSQL(ctx, leader.SuperuserDSN("app"), "create database "+database+" owner app"); err != nil {
					return err
				}
			}
			if err := lab.RunSQL(ctx, leader.SuperuserDSN(database), slices.Concat(lab.WriterTable, lab.Witness)...); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stage) startPortero(ctx context.Context) error {
	binary, err := filepath.Abs(s.program)
	if err != nil {
		return err
	}
	s.portero, err = lab.StartPortero(lab.PorteroOptions{
		Program: binary, Host: s.network.Hosts[servers],
		Config: lab.PatroniConfig(s.etcd.Endpoints()) + "\n[log]\nconnections = false\n" + routes(),
	})
	if err != nil {
		return err
	}
	return s.portero.WaitReady(ctx)
}

func (s *stage) dsn(database string) string { return s.portero.DSN("app", "app", database) }

// logs are what the members have logged last; of no stage, nothing.
func (s *stage) logs() string {
	if s == nil || s.cluster == nil {
		return ""
	}
	var all strings.Builder
	for _, g := range s.cluster.Groups {
		for _, m := range g.Members {
			all.WriteString(m.Log() + "\n")
		}
	}
	return all.String()
}

// close ends everything; of no stage, nothing.
func (s *stage) close() (err error) {
	if s == nil {
		return nil
	}
	if s.portero != nil {
		err = errors.Join(err, s.portero.Close())
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

// play makes one event happen to a crew of its own, and returns what it found.
func (s *stage) play(ctx context.Context, e *event) (*figures, error) {
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	if err := s.clear(ctx, e); err != nil {
		return nil, err
	}
	all, err := s.startCrew(ctx)
	if err != nil {
		return nil, err
	}
	defer all.idle.HangUp()
	from, to, mended, err := s.disturb(ctx, e, all)
	all.stop(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.count(ctx, all, from, to)
	if err != nil {
		return nil, err
	}
	found.Mended = mended
	return found, nil
}

// clear brings the servers into the state in which the event is to find them.
func (s *stage) clear(ctx context.Context, e *event) error {
	if err := s.etcd.WaitHealthy(ctx); err != nil {
		return err
	}
	for _, g := range s.cluster.Groups {
		leader := g.Members[0]
		if err := g.LeadBy(ctx, leader); err != nil {
			return err
		}
		for _, database := range databases {
			if err := lab.RunSQL(ctx, leader.SuperuserDSN(database), "truncate written"); err != nil {
				return err
			}
		}
		if err := g.ForgetWrites(); err != nil {
			return err
		}
	}
	if e.servers == nil {
		return nil
	}
	return s.etcd.Lead(ctx, e.servers[0])
}

// disturb lets the crew work for a while, makes the event happen, and waits until all is well.
func (s *stage) disturb(ctx context.Context, e *event, all *crew) (from, to time.Time, mended []string, err error) {
	if err = all.settle(ctx); err != nil {
		return from, to, mended, err
	}
	from = time.Now()
	if err = e.happen(ctx, s, all); err != nil {
		return from, to, mended, err
	}
	if mended, err = s.heal(ctx); err != nil {
		return from, to, mended, err
	}
	err = all.settle(ctx)
	return from, time.Now(), mended, err
}

// heal waits for the health of all, and tells which groups Patroni did not bring there.
func (s *stage) heal(ctx context.Context) (mended []string, err error) {
	if err := s.etcd.WaitHealthy(ctx); err != nil {
		return nil, err
	}
	for i, g := range s.cluster.Groups {
		anew, err := g.Heal(ctx, s.setting.ttl+healLimit, func(why error) {
			progress("%v: the replica of %s is made anew", why, groupNames[i])
		})
		if anew {
			mended = append(mended, groupNames[i])
		}
		if err != nil {
			return mended, err
		}
	}
	return mended, nil
}
