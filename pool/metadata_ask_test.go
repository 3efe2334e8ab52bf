package pool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"portero/auth"
	"portero/config"
	"portero/internal/lab"
	"portero/metrics"
)

// citusStage is a coordinator that plays Citus, and a worker's group of which only the keys are
// there.
type citusStage struct {
	*stage
	keys        keys
	coordinator *lab.Postgres
}

func newCitusStage(t *testing.T, who config.Metadata) *citusStage {
	k := newKeys(t)
	s := &citusStage{keys: k, coordinator: realServer(t)}
	s.leads(0, "c", s.coordinator.Address())
	s.leads(1, "a", "10.0.0.1:5432")
	s.node(0, s.coordinator.Address())
	s.node(1, "10.0.0.1:5432")
	c := config.Cluster{Name: "main", Discovery: "patroni", Namespace: "/service", Scope: k.scope, Citus: true, Metadata: who}
	c.Etcd.Endpoints = k.etcd.Endpoints()
	s.stage = newStageOf(t, nil, c)
	return s
}

// leads has a member lead a group.
func (s *citusStage) leads(group int, name, address string) {
	k := s.keys
	k.scope = fmt.Sprint(k.scope, "/", group)
	k.member(name, address, "primary", 1, nil)
	k.put("leader", name)
}

// node has pg_dist_node say where a group's primary is.
func (s *citusStage) node(group int, address string) {
	host, port, _ := strings.Cut(address, ":")
	superuser(s.keys.t, s.coordinator, fmt.Sprintf(`insert into pg_dist_node (nodeid, groupid, nodename, nodeport) values (%d, %d, '%s', %s)
		on conflict (nodeid) do update set nodename = excluded.nodename, nodeport = excluded.nodeport returning nodeid`, group+1, group, host, port))
}

func (s *citusStage) state(group int) metrics.GroupState {
	for _, g := range s.pools.Groups() {
		if g.Group == group {
			return g
		}
	}
	return metrics.GroupState{}
}

// asked is how many connections ask the coordinator.
func (s *citusStage) asked() int { return superuser(s.t, s.coordinator, appBackends) }

func TestTheCoordinatorIsAskedWhileItsMetadataDiffersFromTheLeaders(t *testing.T) {
	t.Parallel()
	s := newCitusStage(t, config.Metadata{User: "app", Database: "postgres"})
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	wait(t, "both groups are found to be equal", func() error {
		return until(s.state(0).MetadataHeard && s.state(1).MetadataHeard && !s.state(1).MetadataDiffers)
	})
	if g := s.state(1); g.MetadataLagSeconds != 0 || g.MetadataLastLagSeconds != 0 {
		t.Errorf("%+v", g)
	}
	s.leads(1, "b", "10.0.0.2:5432")
	wait(t, "the worker's is found to differ", func() error { return until(s.diary.times("Citus looks for the leader elsewhere") == 1) })
	if g := s.state(1); !g.MetadataDiffers || g.MetadataLagSeconds <= 0 || s.state(0).MetadataDiffers {
		t.Errorf("%+v", g)
	}
	began := time.Now()
	s.node(1, "10.0.0.2:5432")
	wait(t, "Patroni has rewritten it", func() error { return until(s.diary.times("pg_dist_node points to the leader") == 1) })
	if g := s.state(1); g.MetadataDiffers || g.MetadataLastLagSeconds <= 0 || g.MetadataLagSeconds != g.MetadataLastLagSeconds {
		t.Errorf("%s later: %+v", time.Since(began), g)
	}
	if n := s.diary.times("group=0 leader="); n != 1 { // discovery's own line
		t.Errorf("%d lines of the coordinator", n)
	}
}

func TestWithoutAUserNobodyAsksTheCoordinator(t *testing.T) {
	s := newCitusStage(t, config.Metadata{})
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	wait(t, "the view", func() error { return until(s.state(1).Leader == "a") })
	s.leads(1, "b", "10.0.0.2:5432")
	wait(t, "the view", func() error { return until(s.state(1).Leader == "b") })
	if g := s.state(1); g.MetadataHeard || g.MetadataDiffers || s.asked() != 0 {
		t.Errorf("%+v, %d connections", g, s.asked())
	}
}

func TestAReloadHasTheCoordinatorAskedAndKeepsTheServers(t *testing.T) {
	s := newCitusStage(t, config.Metadata{})
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	home := s.pools.clusters()["main"]
	next := *s.cfg
	next.Clusters = []config.Cluster{next.Clusters[0]}
	next.Clusters[0].Metadata = config.Metadata{User: "app", Database: "postgres"}
	change, err := s.pools.Prepare(&next)
	if err != nil {
		t.Fatal(err)
	}
	change.Apply(s.servers)
	if s.pools.clusters()["main"] != home {
		t.Error("the cluster was opened anew")
	}
	wait(t, "the first answer", func() error { return until(s.state(1).MetadataHeard) })
}

func TestThatTheCoordinatorRefusesIsToldOnce(t *testing.T) {
	s := newCitusStage(t, config.Metadata{User: "nobody", Database: "postgres"})
	s.pools.KnowUsers(func(string) auth.Credentials { return auth.Credentials{} })
	wait(t, "the log", func() error { return until(s.diary.times("pg_dist_node cannot be read") == 1) })
	s.leads(1, "b", "10.0.0.2:5432") // it is asked again
	wait(t, "the view", func() error { return until(s.state(1).Leader == "b") })
	s.pools.Close()
	if n := s.diary.times("pg_dist_node cannot be read"); n != 1 || s.diary.times("the server does not let metadata.user in") == 0 {
		t.Errorf("told %d times", n)
	}
}
