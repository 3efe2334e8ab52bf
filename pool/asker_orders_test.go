package pool

import (
	"slices"
	"testing"
)

func TestPauseEndsWhatAsksForUsersToo(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	if _, _, err := s.asks(aQuestion("x")); err != nil {
		t.Fatal(err)
	}
	s.mustEnd("PAUSE", s.pause(t.Context(), ""))
	wait(t, "its connection is closed", func() error { return until(superuser(t, pg, appBackends) == 0) })
	answered := beside(func() error {
		_, _, err := s.asks(aQuestion("x"))
		return err
	})
	wait(t, "somebody asks", func() error {
		s.pools.askers.mu.Lock()
		defer s.pools.askers.mu.Unlock()
		return until(len(s.pools.askers.all) > 0)
	})
	if n := superuser(t, pg, appBackends); n != 0 || len(answered) > 0 {
		t.Errorf("in a PAUSE there are %d backends, %d answers", n, len(answered))
	}
	if err := s.pools.Resume(""); err != nil {
		t.Fatal(err)
	}
	s.mustEnd("the question", answered)
}

func TestAClusterThatWasReplacedIsAskedNoMore(t *testing.T) {
	old, next := realServer(t), ownServer(t)
	s := newStage(t, nil, old.Address())
	before, _, err := s.asks(aQuestion("x"))
	if err != nil {
		t.Fatal(err)
	}
	inUse, err := s.pools.askerNow(forUsers, Key{Cluster: "main", Role: "leader", Mode: "lookup", Database: "postgres", User: "app"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := *s.cfg
	cfg.Clusters = slices.Clone(cfg.Clusters)
	cfg.Clusters[0].Hosts = []string{next.Address()}
	ch, err := s.pools.Prepare(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	ch.Apply(plenty)
	if after, _, err := s.asks(aQuestion("x")); err != nil || after == before {
		t.Errorf("port %d before, %d now: %v", before, after, err)
	}
	s.pools.leaveAsker(inUse)
}

func TestWhoWaitsForAWiderBoundIsServedWhenItComes(t *testing.T) {
	s := newStageWith(t, plenty, startFake(t).addr)
	one, two := s.joinOn("database", "one", bounded(5, 1, 0)), s.joinOn("database", "two", bounded(5, 1, 0))
	holder, waiter := s.client(one, 0), s.client(two, 1)
	holder.get()
	waiter.ask()
	wait(t, "it waits", func() error {
		two.mu.Lock()
		defer two.mu.Unlock()
		return until(two.queuedLocked() > 0)
	})
	one.Agree(bounded(5, 10, 0))
	two.Agree(bounded(5, 10, 0))
	within(t, "a server", waiter.granted)
	holder.release()
	waiter.release()
}
