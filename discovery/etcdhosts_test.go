package discovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"portero/internal/lab"
)

func TestAMemberOfEtcdIsWhereItsPeersReachIt(t *testing.T) {
	for _, c := range []struct {
		peers, clients []string
		want           string
	}{
		{[]string{"http://10.0.0.1:2380"}, []string{"http://localhost:2379"}, "10.0.0.1"},
		{nil, []string{"https://etcd-1.example:2379"}, "etcd-1.example"},
		{[]string{"http://[fd00::1]:2380"}, nil, "fd00::1"},
		{[]string{"::"}, []string{"unix"}, ""},
	} {
		if got := etcdHost(&clientv3.Member{PeerURLs: c.peers, ClientURLs: c.clients}); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.peers, c.clients, got, c.want)
		}
	}
}

func TestEndpointsTellOfEtcdsMembersIfThereAreSeveral(t *testing.T) {
	for _, c := range []struct{ endpoints, want string }{
		{"10.0.0.1:2379", "[]"},
		{"10.0.0.2:2379 http://10.0.0.1:2379 https://[fd00::1]:2379", "[10.0.0.1 10.0.0.2 fd00::1]"},
	} {
		var all []endpoint
		for text := range strings.FieldsSeq(c.endpoints) {
			e, err := parseEndpoint(text, false)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		if got := fmt.Sprint(hostsOf(all)); got != c.want {
			t.Errorf("%s: %s, want %s", c.endpoints, got, c.want)
		}
	}
}

// TestTheLayoutIsWarnedOfWhereItIsLoggedAndInTheView writes the keys of two groups, and looks
// at what a real etcd tells of itself.
func TestTheLayoutIsWarnedOfWhereItIsLoggedAndInTheView(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{Username: "portero", Password: "secret"})
	cfg := demo(e.Endpoints()...)
	cfg.Etcd.Username, cfg.Etcd.Password, cfg.Citus = "portero", "secret", true
	put := func(key, value string) {
		t.Helper()
		if _, err := e.Client.Put(t.Context(), "/service/demo/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	member := func(key, host string) {
		put(key, `{"conn_url":"postgres://`+host+`:5432/postgres","state":"running"}`)
	}
	put("0/config", `{"synchronous_mode":true}`)
	put("0/leader", "c1")
	put("0/sync", `{"leader":"c1","sync_standby":"c2"}`)
	member("0/members/c1", "10.0.0.1")
	member("0/members/c2", "10.0.0.2")
	member("0/members/c3", "10.0.0.1")
	put("1/config", `{"ttl":30}`)
	put("1/leader", "w1")
	member("1/members/w1", "10.0.0.2")
	member("1/members/w2", "10.0.0.2")
	log := &lockedBuffer{}
	c, err := Open(cfg, textLog(log))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	warns := func(what string, want ...string) {
		t.Helper()
		await(t, c, what, func(v *View) bool {
			if len(v.Warnings) != len(want) {
				return false
			}
			for i, w := range v.Warnings {
				if !strings.HasPrefix(w.String(), want[i]) {
					return false
				}
			}
			return true
		})
	}
	etcd, worker, undecided := "all members of etcd (1) run on host 127.0.0.1", "group 1 is lost with host 10.0.0.2", "group 1 replicates asynchronously"
	warns("worker, etcd, replication", worker, etcd, undecided)
	if hosts := c.View().Etcd; !slices.Equal(hosts, []string{"127.0.0.1"}) {
		t.Errorf("etcd on %v", hosts)
	}
	put("0/sync", `{"leader":"c1","sync_standby":"c3"}`)
	warns("the coordinator too", "group 0 is lost with host 10.0.0.1", worker, etcd, undecided)
	member("1/members/w2", "10.0.0.3")
	put("1/config", `{"synchronous_mode":false}`)
	warns("the worker is well", "group 0 is lost with host 10.0.0.1", etcd)
	lab.Eventually(t, "all is logged", func() error {
		if strings.Count(log.String(), "topology is better") != 2 {
			return errors.New(log.String())
		}
		return nil
	})
	for _, once := range []string{worker, etcd, undecided, "group 0 is lost", `kind="group on one host" host=10.0.0.2 groups=[1]`, `kind="asynchronous replication" host="" groups=[1]`} {
		if n := strings.Count(log.String(), once); n != 1 {
			t.Errorf("%d times %q in\n%s", n, once, log)
		}
	}
}
