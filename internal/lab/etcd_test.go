package lab

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

func TestEtcdOfThreeSurvivesTheLossOfOne(t *testing.T) {
	ctx := needServers(t)
	e, err := StartEtcd(ctx, 3, EtcdOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if len(e.Endpoints()) != 3 {
		t.Errorf("endpoints %v", e.Endpoints())
	}
	put(ctx, t, e, "before")
	e.KillMember(0)
	put(ctx, t, e, "after one")
	e.KillMember(1)
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if _, err := e.Client.Get(short, "/k"); err == nil {
		t.Error("one of three members still makes a quorum")
	}
	for i := range 2 {
		if err := e.RestartMember(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	put(ctx, t, e, "after all")
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, e.site.dir)
}

func TestEtcdWithTLSWantsThePassword(t *testing.T) {
	ctx := needServers(t)
	e := EtcdForTest(t, 1, EtcdOptions{Username: "portero", Password: "secret", TLS: true})
	put(ctx, t, e, "as portero")
	if err := e.connect("", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Client.Get(ctx, "/k"); err == nil {
		t.Error("etcd answered somebody without a name")
	}
}

// TestAMemberOfEtcdThatIsCutOffServesWhatItKnew is what a stale read needs.
func TestAMemberOfEtcdThatIsCutOffServesWhatItKnew(t *testing.T) {
	ctx := needServers(t)
	w, err := StartNetwork(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	e := EtcdForTest(t, 3, EtcdOptions{Address: w.EtcdAddress(), Host: w.Hosts[0]})
	stale, err := clientv3.New(clientv3.Config{Endpoints: e.Endpoints()[:1], Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stale.Close() })
	knows := func(value string) {
		t.Helper()
		Eventually(t, "read "+value+" from the first member", func() error {
			ctx, cancel := limit(ctx, askLimit)
			defer cancel()
			answer, err := stale.Get(ctx, "/k", clientv3.WithSerializable())
			if err == nil && string(answer.Kvs[0].Value) != value {
				err = fmt.Errorf("it answers %s", answer.Kvs[0].Value)
			}
			return err
		})
	}
	put(ctx, t, e, "before")
	knows("before")
	if err := e.Isolate(); err != nil {
		t.Fatal(err)
	}
	put(ctx, t, e, "meanwhile")
	knows("before")
	if err := e.Rejoin(ctx); err != nil {
		t.Fatal(err)
	}
	knows("meanwhile")
}

// put writes and reads a key, however long an election takes.
func put(ctx context.Context, t *testing.T, e *Etcd, value string) {
	t.Helper()
	err := Poll(ctx, "put", func() error {
		ctx, cancel := limit(ctx, askLimit)
		defer cancel()
		_, err := e.Client.Put(ctx, "/k", value)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var answer *clientv3.GetResponse
	if answer, err = e.Client.Get(ctx, "/k"); err != nil || string(answer.Kvs[0].Value) != value {
		t.Fatalf("got %v, %v", answer, err)
	}
}
