package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portero/internal/lab"
)

// kind is what events have in common that a promise is made about.
type kind int

const (
	serverKilled kind = iota
	serverPulled
	linkCut
	switchedOver
	crashed
)

var kinds = []kind{switchedOver, crashed, serverKilled, serverPulled, linkCut}

func (k kind) String() string {
	return [...]string{"server killed", "server's link pulled", "link between two servers cut", "planned switchover", "postgres killed"}[k]
}

// event is something that happens to the servers.
type event struct {
	name    string // on the command line
	what    string // in the tables
	kind    kind
	servers []int // whom it hits; the first leads etcd when it does, which is the worst case
	// happen makes it happen, and returns when nothing is left to do but to wait for health.
	happen func(ctx context.Context, s *stage, all *crew) error
}

// events are in the order of the tables, in which they also happen.
var events = allEvents()

func allEvents() []*event {
	all := []*event{
		{name: "switchover", what: "planned switchover of worker 1", kind: switchedOver, happen: switchover},
		{name: "crash", what: "postgres of worker 1's leader killed", kind: crashed, happen: crash},
	}
	for n := range servers {
		all = append(all, &event{name: fmt.Sprintf("kill-%d", n+1), what: fmt.Sprintf("server %d killed", n+1),
			kind: serverKilled, servers: []int{n}, happen: func(ctx context.Context, s *stage, all *crew) error {
				return s.outage(ctx, all, n, s.kill, s.revive)
			}})
	}
	for n := range servers {
		all = append(all, &event{name: fmt.Sprintf("pull-%d", n+1), what: fmt.Sprintf("server %d's link pulled", n+1),
			kind: serverPulled, servers: []int{n}, happen: func(ctx context.Context, s *stage, all *crew) error {
				return s.outage(ctx, all, n, s.pull, s.plug)
			}})
	}
	for _, pair := range [][]int{{0, 1}, {0, 2}, {1, 2}} {
		a, b := pair[0], pair[1]
		all = append(all, &event{name: fmt.Sprintf("cut-%d-%d", a+1, b+1), what: fmt.Sprintf("link between servers %d and %d cut", a+1, b+1),
			kind: linkCut, servers: pair, happen: func(ctx context.Context, s *stage, all *crew) error {
				return s.cutLink(ctx, all, a, b)
			}})
	}
	return all
}

// disturbed is the group to which happens what happens to one alone.
const disturbed = 1

func switchover(ctx context.Context, s *stage, _ *crew) error {
	return s.cluster.Groups[disturbed].Switchover(ctx)
}

func crash(ctx context.Context, s *stage, _ *crew) error {
	leader, err := s.cluster.Groups[disturbed].Leader(ctx)
	if err != nil {
		return err
	}
	leader.KillPostgres()
	return nil
}

// beyond is for how long a disturbance lasts beyond ttl, after which all leases have run out.
const beyond = 5 * time.Second

// outage takes a server away until all groups that have a member elsewhere take writes, and for
// as long as every lease lasts, and brings it back.
func (s *stage) outage(ctx context.Context, all *crew, server int, away, back func(ctx context.Context, server int) error) error {
	began := time.Now()
	if err := away(ctx, server); err != nil {
		return err
	}
	err := lab.Poll(ctx, "wait until what is left takes writes", func() error {
		for i := range s.cluster.Groups {
			if s.layout.wholeOn(i, server) {
				continue
			}
			if err := s.moved(ctx, i, server); err != nil {
				return err
			}
			if err := all.takesWrites(i, began); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.outlast(ctx, began)
	}
	return errors.Join(err, back(ctx, server))
}

// moved is an error while a group's leader is on a server.
func (s *stage) moved(ctx context.Context, group, server int) error {
	leader, err := s.cluster.Groups[group].Leader(ctx)
	if err == nil && leader.Host == s.network.Hosts[server] {
		err = fmt.Errorf("%s still leads", leader.Name)
	}
	return err
}

// outlast waits until all leases have run out that were renewed before a moment.
func (s *stage) outlast(ctx context.Context, began time.Time) error {
	return lab.Linger(ctx, time.Until(began.Add(s.setting.ttl+beyond)))
}

// on are the members of all groups on a server.
func (s *stage) on(server int) (found []*lab.Member) {
	for _, g := range s.cluster.Groups {
		for _, m := range g.Members {
			if m.Host == s.network.Hosts[server] {
				found = append(found, m)
			}
		}
	}
	return found
}

// kill ends all that runs on a server: postgres, Patroni, and etcd.
func (s *stage) kill(_ context.Context, server int) error {
	s.etcd.KillMember(server)
	for _, m := range s.on(server) {
		m.KillAll()
	}
	return nil
}

// revive starts what kill has ended, as a boot does.
func (s *stage) revive(ctx context.Context, server int) error {
	if err := s.etcd.RestartMember(ctx, server); err != nil {
		return err
	}
	for _, m := range s.on(server) {
		if err := m.Restart(); err != nil {
			return err
		}
	}
	return nil
}

// pull takes a server off the network without a word; all on it goes on.
func (s *stage) pull(_ context.Context, server int) error {
	s.etcd.LeaveOut(server)
	return s.network.Hosts[server].Cut()
}

// plug brings a server back. Of a group that is led from elsewhere meanwhile, the Patroni that led
// it is started anew before it hears of that: when version 3.0 finds the member of etcd beside it
// well again, it may put its old key over the new one (patroni/dcs/etcd3.py, _update_leader;
// mended by patroni#2689), promote its postgres again, and lose rows by itself.
func (s *stage) plug(ctx context.Context, server int) error {
	stale, err := s.superseded(ctx, server)
	for _, m := range stale {
		m.KillPatroni()
	}
	s.etcd.AskAll()
	err = errors.Join(err, s.network.Hosts[server].Join())
	for _, m := range stale {
		err = errors.Join(err, m.Restart())
	}
	return err
}

// superseded are the members on a server that led when the run began, and do no more.
func (s *stage) superseded(ctx context.Context, server int) (found []*lab.Member, err error) {
	for _, g := range s.cluster.Groups {
		first := g.Members[0]
		leader, unknown := g.Leader(ctx)
		switch {
		case first.Host != s.network.Hosts[server] || errors.Is(unknown, lab.ErrNoLeader):
		case unknown != nil:
			err = errors.Join(err, unknown)
		case leader != first:
			found = append(found, first)
		}
	}
	return found, err
}

// cutLink has two servers lose what they send to each other, until all groups take writes
// again; both reach the third, and Portero.
func (s *stage) cutLink(ctx context.Context, all *crew, a, b int) error {
	began := time.Now()
	one, other := s.network.Hosts[a], s.network.Hosts[b]
	if err := one.CutFrom(other); err != nil {
		return err
	}
	err := lab.Poll(ctx, "wait until all groups take writes", func() error {
		for i := range s.cluster.Groups {
			if err := all.takesWrites(i, began); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = s.outlast(ctx, began)
	}
	return errors.Join(err, one.JoinTo(other))
}
