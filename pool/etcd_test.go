package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
)

var (
	// sharedEtcd is for all tests; each writes below a scope of its own.
	sharedEtcd = lab.Share(func(ctx context.Context) (*lab.Etcd, error) {
		return lab.StartEtcd(ctx, 1, lab.EtcdOptions{})
	})
	// sharedPostgres is for the tests that leave it as it is.
	sharedPostgres = lab.Share(func(ctx context.Context) (*lab.Postgres, error) {
		return lab.StartPostgres(ctx, lab.PostgresOptions{SQL: []string{"create role app login", "create role nobody nologin", lab.PlayCitus}})
	})
)

func TestMain(m *testing.M) {
	lab.SideBySide(4)
	code := m.Run()
	if err := errors.Join(sharedEtcd.Close(), sharedPostgres.Close()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// keys writes what Patroni would.
type keys struct {
	t     testing.TB
	etcd  *lab.Etcd
	scope string
	rest  string // address of all members' REST interface; "" = they have none
}

func (k keys) put(name, value string) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	var err error
	if value == "" {
		_, err = k.etcd.Client.Delete(ctx, "/service/"+k.scope+"/"+name)
	} else {
		_, err = k.etcd.Client.Put(ctx, "/service/"+k.scope+"/"+name, value)
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k keys) member(name, address, role string, timeline int64, tags map[string]any) {
	k.t.Helper()
	m := map[string]any{
		"conn_url": "postgres://" + address + "/postgres", "state": "running", "role": role, "timeline": timeline,
		"api_url": k.rest + "/patroni",
	}
	if tags != nil {
		m["tags"] = tags
	}
	text, err := json.Marshal(m)
	if err != nil {
		k.t.Fatal(err)
	}
	k.put("members/"+name, string(text))
}

// reign is a cluster of two fakes under hand-written Patroni keys: a leads, b
// follows.
type reign struct {
	*stage
	keys keys
	a, b *fake
}

func startReign(t testing.TB, edit func(c *config.Pool)) *reign {
	t.Helper()
	return startReignIn(t, newKeys(t), config.Cluster{}, edit)
}

// startReignIn is startReign with an etcd, and with what a cluster's settings have
// beside the way to it.
func startReignIn(t testing.TB, k keys, cluster config.Cluster, edit func(c *config.Pool)) *reign {
	t.Helper()
	r := &reign{keys: k, a: startFake(t), b: startFake(t)}
	r.b.follow()
	k.put("initialize", "4711")
	k.member("a", r.a.addr, "primary", 1, nil)
	k.member("b", r.b.addr, "replica", 1, nil)
	k.put("leader", "a")
	cluster.Name, cluster.Discovery, cluster.Namespace, cluster.Scope = "main", "patroni", "/service", k.scope
	cluster.Etcd.Endpoints = k.etcd.Endpoints()
	r.stage = newStageOf(t, edit, cluster)
	r.sees("a leads", func() bool { return r.leader() == "a" })
	return r
}

var scopes atomic.Int32

func newKeys(t testing.TB) keys {
	t.Helper()
	if testing.Short() {
		t.Skip("needs etcd")
	}
	scope := scopes.Add(1)
	return keys{t: t, etcd: sharedEtcd.ForTest(t), scope: fmt.Sprint("s", scope, "-", time.Now().UnixNano())}
}

func (r *reign) leader() string {
	if g := r.cluster.View().Groups[0]; g != nil {
		return g.Leader
	}
	return ""
}

func (r *reign) sees(what string, ask func() bool) {
	r.t.Helper()
	wait(r.t, "the view: "+what, func() error { return until(ask()) })
}

// lives is how many servers a fake has now.
func (f *fake) lives() int { n, _, _ := f.count(); return n }
