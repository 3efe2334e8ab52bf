package pool

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/wire"
)

// aQuestion asks a server who it is: the secret has its port and the backend.
func aQuestion(name string) auth.Question {
	return auth.Question{Database: "postgres", As: "app", Name: name,
		SQL: "select $1::text, current_setting('port') || ' ' || pg_backend_pid()"}
}

// asks puts a question, and returns port and backend of who has answered.
func (s *stage) asks(q auth.Question) (port, pid int, err error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	a, err := s.pools.Ask(ctx, "main", 0, q)
	if err != nil {
		return 0, 0, err
	}
	if !a.Found || a.Name != q.Name {
		s.t.Errorf("%s", a)
	}
	_, err = fmt.Sscan(a.Secret, &port, &pid)
	return port, pid, err
}

func TestQuestionsShareAConnectionThatIsCountedAndLentToNobody(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	_, first, err := s.asks(aQuestion("it's"))
	if err != nil {
		t.Fatal(err)
	}
	if _, second, err := s.asks(aQuestion(`"`)); err != nil || second != first {
		t.Errorf("backend %d, then %d, %v", first, second, err)
	}
	if n := s.pools.quota.all.used; n != 1 {
		t.Errorf("%d servers are counted", n)
	}
	if pools := s.pools.States(); len(pools) != 0 {
		t.Errorf("a pool shows: %v", pools)
	}
	superuser(t, pg, fmt.Sprintf("select count(pg_terminate_backend(%d))", first))
	if _, third, err := s.asks(aQuestion("x")); err != nil || third == first {
		t.Errorf("once its backend has gone: %d, %v", third, err)
	}
	s.pools.Close()
	wait(t, "it is closed", func() error { return until(superuser(t, pg, appBackends) == 0) })
	if n := s.pools.quota.all.used; n != 0 {
		t.Errorf("%d servers are still counted", n)
	}
}

func TestWhoWaitsForAServerGetsTheRoomOfAnIdleAsker(t *testing.T) {
	pg := realServer(t)
	s := &stage{t: t, cfg: config.Default(), servers: 1, diary: &diary{}}
	s.open(nil, config.Cluster{Name: "main", Discovery: "static", Hosts: []string{pg.Address()}, TLS: config.ServerTLS{Mode: "disable"}})
	if _, _, err := s.asks(aQuestion("x")); err != nil {
		t.Fatal(err)
	}
	p := s.join(1, 0, "leader", "app")
	c := s.client(p, 0)
	c.get()
	c.release()
	if _, _, err := s.asks(aQuestion("x")); err != nil { // which has the client's closed
		t.Fatal(err)
	}
}

func TestAQuestionGoesToWhoeverLeads(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	a, b := ownServer(t), ownServer(t)
	k.member("a", a.Address(), "primary", 1, nil)
	k.member("b", b.Address(), "replica", 1, nil)
	initialized := func(by *lab.Postgres) { // as two that were set up one behind the other: neither was promoted
		k.put("initialize", strconv.Itoa(superuser(t, by, "select system_identifier from pg_control_system()")))
	}
	initialized(a)
	k.put("leader", "a")
	cluster := config.Cluster{Name: "main", Discovery: "patroni", Namespace: "/service", Scope: k.scope}
	cluster.Etcd.Endpoints = k.etcd.Endpoints()
	s := newStageOf(t, nil, cluster)
	if port, _, err := s.asks(aQuestion("x")); err != nil || port != a.Port() {
		t.Errorf("%d, %v", port, err)
	}
	k.put("leader", "")
	wait(t, "the connection to the old leader is closed", func() error { return until(superuser(t, a, appBackends) == 0) })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.pools.Ask(ctx, "main", 0, aQuestion("x"))
	var un *auth.Unanswered
	if !errors.As(err, &un) || un.Refused || un.Held != "no leader" {
		t.Errorf("without a leader: %v", err)
	}
	answered := make(chan int)
	go s.askLater(answered)
	initialized(b)
	k.put("leader", "b")
	if port := <-answered; port != b.Port() {
		t.Errorf("port %d, not the new leader's", port)
	}
}

func (s *stage) askLater(answered chan<- int) {
	port, _, err := s.asks(aQuestion("x"))
	if err != nil {
		s.t.Error(err)
	}
	answered <- port
}

func TestAQuestionEndsWithItsTimeAlthoughTheLeaderIsSilent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("needs PostgreSQL")
	}
	pg := ownServer(t)
	s := newStage(t, nil, pg.Address())
	if _, _, err := s.asks(aQuestion("x")); err != nil {
		t.Fatal(err)
	}
	pg.Suspend()
	defer pg.Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var un *auth.Unanswered
	if _, err := s.pools.Ask(ctx, "main", 0, aQuestion("x")); !errors.As(err, &un) || un.Refused {
		t.Errorf("%v", err)
	}
}

func TestWhatAServerRefusesForGoodIsToldFromWhatPasses(t *testing.T) {
	pg := realServer(t)
	s := newStage(t, nil, pg.Address())
	for _, c := range []struct {
		what       string
		change     func(*auth.Question)
		noDatabase bool
	}{
		{"a database that is not there", func(q *auth.Question) { q.Database = "missing" }, true},
		{"a role that is not there", func(q *auth.Question) { q.As = "stranger" }, false},
		{"a table that is not there", func(q *auth.Question) { q.SQL = "select $1, 1 from missing" }, false},
		{"three columns", func(q *auth.Question) { q.SQL = "select $1::text, 2, 3" }, false},
		{"two rows", func(q *auth.Question) { q.SQL = "select $1::text, n from generate_series(1, 2) n" }, false},
		{"a secret of a megabyte", func(q *auth.Question) { q.SQL = "select $1::text, repeat('x', 1000000)" }, false},
		{"two statements", func(q *auth.Question) { q.SQL = "select $1::text, 1; select 2" }, false},
	} {
		q := aQuestion("x")
		c.change(&q)
		var un *auth.Unanswered
		if _, _, err := s.asks(q); !errors.As(err, &un) || !un.Refused || un.NoDatabase != c.noDatabase {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, _, err := s.asks(aQuestion("x")); err != nil {
		t.Errorf("behind all that: %v", err)
	}
	for code, want := range map[string]bool{"57P01": true, "53300": true, "40001": true, "42P01": false, "22P02": false, "": false} {
		if got := passes(&wire.Error{Code: code}); got != want {
			t.Errorf("%q passes: %v", code, got)
		}
	}
}

func TestAskersAreBoundedInNumber(t *testing.T) {
	s := newStage(t, nil, startFake(t).addr)
	key := func(i int) Key {
		return Key{Cluster: "main", Role: "leader", Mode: "lookup", Database: fmt.Sprint(i), User: "app"}
	}
	var all []*asker
	for i := range maxAskers {
		a, err := s.pools.askerNow(forUsers, key(i))
		if a == nil || err != nil {
			t.Fatal(i, err)
		}
		all = append(all, a)
	}
	if a, _ := s.pools.askerNow(forUsers, key(maxAskers)); a != nil {
		t.Error("one more than there may be")
	}
	if a, _ := s.pools.askerNow(forUsers, key(0)); a != all[0] {
		t.Error("not the one that is there")
	}
	s.pools.leaveAsker(all[1])
	if a, _ := s.pools.askerNow(forUsers, key(maxAskers)); a == nil {
		t.Error("none, although one has gone")
	}
	s.pools.askers.mu.Lock()
	defer s.pools.askers.mu.Unlock()
	for _, a := range all {
		a.users = 0
	}
}
