package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/discovery"
)

// allWell is what leaders say where everything is as it should be.
func allWell(s *citusScene) (all []leaderSaid) {
	for id := range 3 {
		g := s.view.Groups[id]
		leader, _ := g.Member(g.Leader)
		said := &nodeSaid{poolinfo: make(map[int]string), settings: map[string]string{
			"citus.node_conninfo": "sslmode=prefer", "citus.local_hostname": "localhost", "listen_addresses": "*", "ssl": "on", "max_prepared_transactions": "200",
		}}
		for _, w := range s.ways() {
			said.nodes = append(said.nodes, distNode{w.group + 4, w.group, "10.0.0.1", 5432 + w.group, "primary", true, true, true, true})
			said.poolinfo[w.group+4] = s.conninfo(w)
		}
		all = append(all, leaderSaid{group: id, leader: leader, said: said})
	}
	return all
}

func TestCheckFindsWhatIsNotAsItShouldBe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *citusScene, all []leaderSaid)
		want   string // lines
	}{
		"all is well": {func(s *citusScene, all []leaderSaid) {}, ""},
		"the order and the quotes of pg_dist_poolinfo do not matter": {func(s *citusScene, all []leaderSaid) {
			all[1].said.poolinfo[4] = "dbname='app'  host = 127.0.0.1 port=6432"
		}, ""},
		"a failover that Patroni has not told of": {func(s *citusScene, all []leaderSaid) {
			all[2].leader = discovery.Member{Name: "g2m1", Address: "10.0.0.2:5434"}
		}, `group 0 (g0m0): pg_dist_node has group 2 at 10.0.0.1:5434, and its leader g2m1 is at 10.0.0.2:5434: Patroni on the coordinator does it within loop_wait; if not, look at its log, or there: SELECT citus_update_node(6, '10.0.0.2', 5434)
group 1 (g1m0): pg_dist_node has group 2 at 10.0.0.1:5434, and its leader g2m1 is at 10.0.0.2:5434: once the coordinator's is right, there: SELECT start_metadata_sync_to_node('10.0.0.1', 5433)
group 2 (g2m1): pg_dist_node has group 2 at 10.0.0.1:5434, and its leader g2m1 is at 10.0.0.2:5434: once the coordinator's is right, there: SELECT start_metadata_sync_to_node('10.0.0.2', 5434)`},
		"a group that was never added": {func(s *citusScene, all []leaderSaid) {
			all[0].said.nodes = all[0].said.nodes[:2]
		}, `group 0 (g0m0): pg_dist_node has no primary of group 2: Patroni on the coordinator does it within loop_wait; if not, look at its log, or there: SELECT citus_add_node('10.0.0.1', 5434, 2)`},
		"a secondary is not the leader's row": {func(s *citusScene, all []leaderSaid) {
			all[0].said.nodes[1].role = "secondary"
			all[0].said.nodes = append(all[0].said.nodes, distNode{9, 1, "10.0.0.1", 5433, "primary", true, true, true, true})
			all[0].said.poolinfo[9] = all[0].said.poolinfo[5]
		}, ""},
		"a group that has gone": {func(s *citusScene, all []leaderSaid) {
			all[0].said.nodes = append(all[0].said.nodes, distNode{7, 3, "10.0.0.3", 5432, "primary", true, true, true, true})
		}, `group 0 (g0m0): pg_dist_node has a node of group 3 at 10.0.0.3:5432, and etcd has no such group: have Patroni run there with citus.group = 3, or on the coordinator: SELECT citus_remove_node('10.0.0.3', 5432)`},
		"flags": {func(s *citusScene, all []leaderSaid) {
			all[0].said.nodes[0].shouldHaveData = false // a coordinator need not have shards
			all[0].said.nodes[1].active = false
			all[0].said.nodes[2].synced = false
			all[0].said.nodes[2].shouldHaveData = false
		}, `group 0 (g0m0): group 1 is not active: its shards are not used: SELECT citus_activate_node('10.0.0.1', 5433)
group 0 (g0m0): the metadata of group 2 is out of date: SELECT start_metadata_sync_to_node('10.0.0.1', 5434)
group 0 (g0m0): note: group 2 is to have no shards: if it is not being drained: SELECT citus_set_node_property('10.0.0.1', 5434, 'shouldhaveshards', true)`},
		"a worker without metadata has no tables to compare": {func(s *citusScene, all []leaderSaid) {
			all[0].said.nodes[1].hasMetadata = false
			all[1].said.nodes, all[1].said.poolinfo = nil, nil
			all[1].said.settings["max_prepared_transactions"] = "0"
		}, `group 0 (g0m0): group 1 has no metadata: clients of routes with group = "any" cannot be served there: SELECT start_metadata_sync_to_node('10.0.0.1', 5433)
group 1 (g1m0): max_prepared_transactions is 0: no transaction can write on two nodes: set it to at least max_connections, and restart PostgreSQL`},
		"pg_dist_poolinfo": {func(s *citusScene, all []leaderSaid) {
			all[0].said.poolinfo = nil
			delete(all[1].said.poolinfo, 6)
			all[2].said.poolinfo[5] = "host=127.0.0.1 port=6432 dbname=app_w2"
		}, `group 0 (g0m0): pg_dist_poolinfo is empty: its connections to other nodes do not go through Portero: run there what portero citus poolinfo prints
group 1 (g1m0): pg_dist_poolinfo has nothing for group 2: run there what portero citus poolinfo prints
group 2 (g2m0): pg_dist_poolinfo has "host=127.0.0.1 port=6432 dbname=app_w2" for group 1, and not "host=127.0.0.1 port=6432 dbname=app_w1": run there what portero citus poolinfo prints, with --host and --port if nodes see Portero elsewhere`},
		"a route that is missing": {func(s *citusScene, all []leaderSaid) {
			s.cfg.Routes[1].Group = 1
			all[1].err, all[2].err = errors.New("no"), errors.New("no")
		}, `group 0 (g0m0): no route leads to group 2 for the nodes: portero citus poolinfo prints the lines that are missing in proxy.toml
group 1 (g1m0): its leader at 10.0.0.1:5433 cannot be asked: no: see whether it is reached from here, as Portero has to reach it too
group 2 (g2m0): its leader at 10.0.0.1:5434 cannot be asked: no: see whether it is reached from here, as Portero has to reach it too`},
		"a route that would have the nodes' users be one": {func(s *citusScene, all []leaderSaid) {
			s.cfg.Routes[1].ServerUser = "b"
			all[1].said.poolinfo, all[2].said.poolinfo = nil, nil
		}, `group 0 (g0m0): the only route to group 2 for the nodes, database "app_w2", has server_user: all their users would be that one: portero citus poolinfo prints the lines that are missing in proxy.toml
group 1 (g1m0): pg_dist_poolinfo is empty: its connections to other nodes do not go through Portero: run there what portero citus poolinfo prints
group 2 (g2m0): pg_dist_poolinfo is empty: its connections to other nodes do not go through Portero: run there what portero citus poolinfo prints`},
		"who cannot be asked": {func(s *citusScene, all []leaderSaid) {
			refused := loginError{fmt.Errorf("failed to connect: %w", &pgconn.PgError{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})}
			all[0].user, all[0].said, all[0].err = "bob", nil, refused
			all[1].said, all[1].err = nil, &pgconn.PgError{Severity: "ERROR", Code: "42P01", Message: "relation does not exist"}
			all[2].leader, all[2].said = discovery.Member{}, nil
		}, `group 0 (g0m0): its leader at 10.0.0.1:5432 does not let "bob" in: FATAL: password authentication failed (SQLSTATE 28P01): give a --user who may log in to database "app", and the password
group 1 (g1m0): there is no Citus in database "app": ERROR: relation does not exist (SQLSTATE 42P01): CREATE EXTENSION citus there, or name its database with --database
group 2: nobody leads it: look at patronictl list`},
		"who does not answer": {func(s *citusScene, all []leaderSaid) {
			all[1].user, all[1].said, all[1].err = "bob", nil, &pgconn.PgError{Severity: "ERROR", Code: "42501", Message: "permission denied for table pg_dist_node"}
			all[2].user, all[2].said, all[2].err = "bob", nil, &pgconn.PgError{Severity: "FATAL", Code: "57P01", Message: "terminating connection"}
		}, `group 1 (g1m0): its leader at 10.0.0.1:5433 does not show Citus' tables to "bob": ERROR: permission denied for table pg_dist_node (SQLSTATE 42501): there, as superuser in database "app": GRANT SELECT ON pg_catalog.pg_dist_node, pg_catalog.pg_dist_poolinfo TO "bob"; or give another --user
group 2 (g2m0): its leader at 10.0.0.1:5434 refuses what it is asked: FATAL: terminating connection (SQLSTATE 57P01): look at its log`},
		"a leader whose key cannot be read": {func(s *citusScene, all []leaderSaid) {
			all[1].leader, all[1].said = discovery.Member{Name: "g1m0"}, nil
		}, `group 1 (g1m0): its leader has no address that can be read: look at conn_url in its member key: etcdctl get --prefix /service/demo/1/members/`},
		"TLS that nodes ask for and nobody has": {func(s *citusScene, all []leaderSaid) {
			all[0].said.settings["citus.node_conninfo"] = "sslmode=require"
			all[1].said.settings["citus.node_conninfo"] = "sslmode=verify-full sslrootcert=/ca.crt"
			all[1].said.settings["ssl"] = "off"
			delete(all[2].said.settings, "citus.node_conninfo")
		}, `group 0 (g0m0): citus.node_conninfo has sslmode=require, and listener :6432 has no certificate: nodes refuse to come: give the listener cert and key in its tls, or ALTER SYSTEM SET citus.node_conninfo = 'sslmode=prefer', and SELECT pg_reload_conf()
group 1 (g1m0): citus.node_conninfo has sslmode=verify-full, and listener :6432 has no certificate: nodes refuse to come: give the listener cert and key in its tls, or ALTER SYSTEM SET citus.node_conninfo = 'sslmode=prefer', and SELECT pg_reload_conf()
group 1 (g1m0): citus.node_conninfo has sslmode=verify-full, and ssl is off: a node does not reach itself: turn ssl on, or ALTER SYSTEM SET citus.node_conninfo = 'sslmode=prefer', and SELECT pg_reload_conf()
group 2 (g2m0): note: citus.node_conninfo cannot be seen: grant pg_read_all_settings to who asks: with sslmode=require, Citus' default, Portero's listener needs a certificate`},
		"TLS by a listener that has a certificate, and by one that is not of the file": {func(s *citusScene, all []leaderSaid) {
			all[0].said.settings["citus.node_conninfo"] = "sslmode=require"
			s.listener.TLS.Cert = "a.crt"
		}, ""},
		"a node that does not reach itself": {func(s *citusScene, all []leaderSaid) {
			all[0].said.settings["listen_addresses"] = "10.0.0.1, 10.1.0.1"
			all[1].said.settings["listen_addresses"] = "10.0.0.1,127.0.0.1"
			all[2].said.settings["listen_addresses"], all[2].said.settings["citus.local_hostname"] = "10.0.0.1", "10.0.0.1"
		}, `group 0 (g0m0): citus.local_hostname is localhost, and PostgreSQL listens at 10.0.0.1, 10.1.0.1 alone: a node does not reach itself: ALTER SYSTEM SET citus.local_hostname = '10.0.0.1', and SELECT pg_reload_conf()`},
		"prepared transactions that nobody ends": {func(s *citusScene, all []leaderSaid) {
			all[1].said.leftovers = []leftover{{"citus_0_12_3_4\n", 32 * time.Minute}}
		}, `group 1 (g1m0): transaction citus_0_12_3_4  has been prepared for 32m0s, and keeps its locks: see that the nodes reach each other: Citus ends it within citus.recover_2pc_interval, or on the coordinator: SELECT recover_prepared_transactions()`},
	} {
		s := sceneOf(t, citusFile+wholeRoute, citusOrder{})
		all := allWell(s)
		c.change(s, all)
		var lines []string
		for _, f := range s.compare(all) {
			lines = append(lines, f.String())
		}
		if got := strings.Join(lines, "\n"); got != c.want {
			t.Errorf("%s:\n%s", name, firstDifference(got, c.want))
		}
	}
}
