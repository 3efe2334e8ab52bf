package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"portero/config"
	"portero/internal/lab"
)

// nodes are three PostgreSQL servers that play a Citus cluster, with an etcd for Patroni's keys,
// which the tests write: group 0 is the coordinator, and the others refuse what Citus' workers do.
type nodes struct {
	etcd  *lab.Etcd
	nodes [3]*lab.Postgres
}

var citusNodes = lab.Share(func(ctx context.Context) (n *nodes, err error) {
	n = &nodes{}
	if n.etcd, err = lab.StartEtcd(ctx, 1, lab.EtcdOptions{}); err != nil {
		return nil, err
	}
	for i := range n.nodes {
		if n.nodes[i], err = startNode(ctx, i); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
})

// startNode starts the leader of a group.
func startNode(ctx context.Context, group int) (*lab.Postgres, error) {
	p, err := lab.StartPostgres(ctx, lab.PostgresOptions{
		Settings: map[string]string{"max_prepared_transactions": "5", "node.number": fmt.Sprint(group)},
		SQL:      []string{"create role app login replication", "create database app owner app"},
	})
	if err != nil {
		return nil, err
	}
	setUp := []string{
		"create function node() returns text language sql as $$ select current_setting('node.number') $$",
		// Citus' words (EnsureCoordinator).
		"create function ensure_coordinator() returns int language plpgsql as $$ begin if node() <> '0' then" +
			" raise exception 'operation is not allowed on this node' using errcode = '0A000', hint = 'Connect to the coordinator and run it again.'; end if; return 1; end $$",
		"create function ensure_ddl() returns event_trigger language plpgsql as $$ begin if current_setting('node.allows', true) is distinct from 'on' then perform ensure_coordinator(); end if; end $$",
		"create table rows (node text default node(), note text)", "grant all on rows to app", "grant create on schema public to app",
	}
	if group == 0 {
		setUp = append(setUp, lab.PlayCitus)
	} else {
		setUp = append(setUp, "create event trigger refuse on ddl_command_start execute function ensure_ddl()")
	}
	if err := lab.RunSQL(ctx, p.SuperuserDSN("app"), setUp...); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close ends those that have been started.
func (n *nodes) Close() error {
	err := n.etcd.Close()
	for _, p := range n.nodes {
		if p != nil {
			err = errors.Join(err, p.Close())
		}
	}
	return err
}

// spread is a world before the three nodes, whose route has group = "any".
type spread struct {
	*world
	nodes *nodes
	scope string
}

var spreadScopes int

// startSpread opens a Portero before the nodes. All groups have their leaders.
func startSpread(t *testing.T, edits ...func(*config.Config)) *spread {
	t.Helper()
	if testing.Short() {
		t.Skip("needs PostgreSQL and etcd")
	}
	s := &spread{nodes: citusNodes.ForTest(t)}
	spreadScopes++
	s.scope = fmt.Sprint("spread", spreadScopes)
	for group, p := range s.nodes.nodes {
		s.member(t, group, p.Address(), "")
		s.put(t, group, "leader", "m")
	}
	s.world = startBefore(t, "127.0.0.1:1", append([]func(*config.Config){s.configure}, edits...)...)
	s.awaitLeaders(t, 0, 1, 2)
	return s
}

func (s *spread) configure(c *config.Config) {
	cl := &c.Clusters[0]
	cl.Discovery, cl.Hosts, cl.Namespace, cl.Scope, cl.Citus = "patroni", nil, "/service", s.scope, true
	cl.Etcd.Endpoints = s.nodes.etcd.Endpoints()
	c.Routes[0].Group = config.AnyGroup
}

func over(groups ...int) func(*config.Config) {
	return func(c *config.Config) { c.Routes[0].Groups = groups }
}

// put writes a key of a group; "" deletes it.
func (s *spread) put(t *testing.T, group int, name, value string) {
	t.Helper()
	key := fmt.Sprintf("/service/%s/%d/%s", s.scope, group, name)
	var err error
	if value == "" {
		_, err = s.nodes.etcd.Client.Delete(bounded(t), key)
	} else {
		_, err = s.nodes.etcd.Client.Put(bounded(t), key, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// member writes the key of a group's member m, with a tag zone.
func (s *spread) member(t *testing.T, group int, address, zone string) {
	t.Helper()
	s.put(t, group, "members/m", fmt.Sprintf(`{"conn_url":"postgres://%s/postgres","state":"running","role":"primary","timeline":1,"xlog_location":1,"tags":{"zone":"%s"}}`, address, zone))
}

// awaitLeaders waits until exactly these groups have a leader.
func (s *spread) awaitLeaders(t *testing.T, groups ...int) {
	t.Helper()
	eventually(t, fmt.Sprint("leaders of ", groups), func() bool {
		led := 0
		v := s.clusters["local"].View()
		for _, g := range groups {
			if v.Groups[g] == nil || v.Groups[g].Leader == "" {
				return false
			}
		}
		for _, g := range v.Groups {
			if g.Leader != "" {
				led++
			}
		}
		return led == len(groups)
	})
}

// on runs statements as superuser on the node of a group.
func (s *spread) on(group int, sql ...string) {
	s.t.Helper()
	if err := lab.RunSQL(bounded(s.t), s.nodes.nodes[group].SuperuserDSN("app"), sql...); err != nil {
		s.t.Fatal(err)
	}
}

// waiting is how many clients wait for a server, in all groups.
func (s *spread) waiting() (n int) {
	for _, p := range s.pools.States() {
		n += p.ClientsWaiting
	}
	return n
}

// served is how many transactions were served, in all groups.
func (s *spread) served() (n uint64) {
	for _, p := range s.pools.States() {
		n += p.Totals().Transactions
	}
	return n
}

// heldUp asks where a transaction runs, and reports whether that waits in a queue. Else it has
// been answered.
func (s *spread) heldUp(r *raw) bool {
	s.t.Helper()
	before := s.served()
	r.send(q(whichNode))
	held := false
	eventually(s.t, "waits, or is answered", func() bool {
		held = s.waiting() > 0
		return held || s.served() > before
	})
	if s.served() > before {
		r.readToReady()
		return false
	}
	return held
}

// readToReady reads up to the next ReadyForQuery.
func (r *raw) readToReady() {
	r.t.Helper()
	for {
		if _, ready := r.receive().(*pgproto3.ReadyForQuery); ready {
			return
		}
	}
}
