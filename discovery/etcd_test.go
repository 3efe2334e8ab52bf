package discovery

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"portero/config"
	"portero/internal/lab"
)

func TestAChangeInEtcdIsPublishedAtOnce(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{})
	c := open(t, demo(e.Endpoints()...))
	w := newWriter(t, e.Endpoints()[0])
	await(t, c, "first read", fresh)
	var delays []time.Duration
	for i := range 101 {
		name := fmt.Sprintf("m%d", i)
		began := time.Now()
		w.put(t, "leader", name)
		await(t, c, name, leads(name))
		delays = append(delays, c.View().Changed.Sub(began))
	}
	slices.Sort(delays)
	t.Logf("from put to View: median %v, worst %v", delays[50], delays[100])
	if delays[50] > rereadEvery/4 { // what only re-reads bring takes half of rereadEvery
		t.Errorf("the median is %v", delays[50])
	}
	if g := c.View().Groups[0]; g.Epoch != 101 {
		t.Errorf("epoch %d after 101 leaders", g.Epoch)
	}
}

// late is what no busy machine makes of rereadEvery and firstTimeout.
const late = 8 * (rereadEvery + firstTimeout)

func TestDeathOfTheFollowedMemberLeavesNoGap(t *testing.T) {
	e := startEtcd(t, 3, lab.EtcdOptions{})
	c := open(t, demo(e.Endpoints()...))
	await(t, c, "first read", fresh)
	stop := neverStale(t, c)
	w := newWriter(t, another(t, c, e))
	w.put(t, "leader", "m1")
	await(t, c, "m1", leads("m1"))
	dead := followed(t, c, e)
	loseLeadership(t, e, dead)
	e.KillMember(dead)
	w.put(t, "leader", "m2")
	t.Logf("m2 seen %v after its put", await(t, c, "m2", leads("m2")))
	stop()
	if err := e.RestartMember(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	e.KillMember(followed(t, c, e))
	other := newWriter(t, e.Endpoints()[dead])
	other.put(t, "leader", "m3")
	await(t, c, "m3", leads("m3"))
}

func TestASilentMemberIsLeft(t *testing.T) {
	e := startEtcd(t, 3, lab.EtcdOptions{})
	c := open(t, demo(e.Endpoints()...))
	await(t, c, "first read", fresh)
	mute := followed(t, c, e)
	w := newWriter(t, another(t, c, e))
	w.put(t, "leader", "m1")
	await(t, c, "m1", leads("m1"))
	loseLeadership(t, e, mute)
	e.SuspendMember(mute)
	w.put(t, "leader", "m2")
	delay := await(t, c, "m2", leads("m2"))
	t.Logf("m2 seen %v after its put", delay)
	if delay > late {
		t.Error("that is late")
	}
	// A thread of it that had not stopped yet may have passed on even that.
	lab.Eventually(t, "the silent member is left", func() error {
		if now := c.Stats().Endpoint; now == "" || now == e.Endpoints()[mute] {
			return fmt.Errorf("it follows %q", now)
		}
		return nil
	})
	// what it missed and forgets while it was stopped does not come back with it
	revision := w.put(t, "leader", "m3")
	if _, err := w.client.Compact(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	e.ResumeMember(mute)
	e.KillMember(followed(t, c, e))
	await(t, c, "m3", leads("m3"))
	if g := c.View().Groups[0]; g.Epoch != 3 {
		t.Errorf("epoch %d after three leaders", g.Epoch)
	}
}

func TestWithoutQuorumTheLastViewStaysAndIsStale(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, 3, lab.EtcdOptions{})
	c := open(t, demo(e.Endpoints()...))
	newWriter(t, e.Endpoints()[0]).put(t, "leader", "m1")
	await(t, c, "m1", leads("m1"))
	e.KillMember(1)
	e.KillMember(2)
	t.Logf("stale after %v", await(t, c, "stale", stale))
	g := c.View().Groups[0]
	if s := c.Stats(); g.Leader != "m1" || g.Epoch != 1 || time.Since(s.LastRead) < staleAfter {
		t.Errorf("got %+v, %+v", g, s)
	}
	c.Observe(Proof{Member: "m1", Timeline: 4})
	c.Observe(Proof{Member: "m1", Timeline: 5})
	if v := c.View(); !v.Stale || v.Groups[0].Epoch != 2 {
		t.Errorf("what a server proves is not heard without etcd: %+v", v.Groups[0])
	}
	if err := e.RestartMember(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	t.Logf("fresh %v after the second member listens", await(t, c, "fresh", fresh))
	newWriter(t, e.Endpoints()[1]).put(t, "leader", "m2")
	await(t, c, "m2", leads("m2"))
}

func TestTheWatchSurvivesARestartOfTheOnlyMember(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, 1, lab.EtcdOptions{})
	c := open(t, demo(e.Endpoints()...))
	await(t, c, "first read", fresh)
	for i := range 2 {
		e.StopMember(0)
		if err := e.RestartMember(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("m%d", i)
		newWriter(t, e.Endpoints()[0]).put(t, "leader", name)
		t.Logf("%s seen after %v", name, await(t, c, name, leads(name)))
	}
}

func TestEtcdThatIsDownAtStartIsFoundWhenItComes(t *testing.T) {
	if testing.Short() {
		t.Skip("needs etcd")
	}
	ports, err := lab.ReservePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", ports[0])
	c := open(t, demo(address))
	if v := c.View(); !v.Stale || len(v.Groups) != 0 || c.Stats().Connected {
		t.Errorf("before etcd: %+v", v)
	}
	e := startEtcd(t, 1, lab.EtcdOptions{Ports: ports})
	newWriter(t, e.Endpoints()[0]).put(t, "leader", "m1")
	await(t, c, "m1", leads("m1"))
	if s := c.Stats(); !s.Connected || s.Endpoint != address || s.Revision == 0 {
		t.Errorf("got %+v", s)
	}
}

func TestADeadEndpointIsLeftForTheNext(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{})
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for about, endpoint := range map[string]string{"refuses": "127.0.0.1:1", "never answers": silent.Addr().String()} {
		t.Run(about, func(t *testing.T) {
			c := open(t, demo(endpoint, e.Endpoints()[0]))
			delay := await(t, c, "first read", fresh)
			t.Logf("first read after %v", delay)
			if delay > late {
				t.Error("that is late")
			}
		})
	}
}

func TestEtcdIsReachedWithUserAndPassword(t *testing.T) {
	t.Parallel()
	e := startEtcd(t, 1, lab.EtcdOptions{Username: "portero", Password: "secret"})
	if _, err := e.Client.Put(t.Context(), "/service/demo/leader", "m1"); err != nil {
		t.Fatal(err)
	}
	cfg := demo(e.Endpoints()...)
	cfg.Etcd.Username, cfg.Etcd.Password = "portero", "secret"
	c := open(t, cfg)
	await(t, c, "m1", leads("m1"))
	e.StopMember(0) // and with it all tokens
	if err := e.RestartMember(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: e.Endpoints(), Username: "portero", Password: "secret", Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	writer{client}.put(t, "leader", "m2")
	await(t, c, "m2", leads("m2"))
	cfg.Etcd.Password = "wrong"
	expectReason(t, cfg, "authentication failed")
}

func TestEtcdIsReachedWithTLS(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{TLS: true})
	if _, err := e.Client.Put(t.Context(), "/service/demo/leader", "m1"); err != nil {
		t.Fatal(err)
	}
	secure := demo("https://" + e.Endpoints()[0])
	secure.Etcd.TLS.CA = e.Certificate.CA
	await(t, open(t, secure), "m1", leads("m1"))
	bare := demo(e.Endpoints()[0]) // no scheme: TLS because it is configured
	bare.Etcd.TLS = config.ClientTLS{CA: e.Certificate.CA, ServerName: "localhost"}
	await(t, open(t, bare), "m1", leads("m1"))
	expectReason(t, demo("https://"+e.Endpoints()[0]), "unknown authority")
	bare.Etcd.TLS.ServerName = "elsewhere"
	expectReason(t, bare, "not elsewhere")
}

// TestMembersThatAreMissedAreToldOf is of a scope that has none, or none any more.
func TestMembersThatAreMissedAreToldOf(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{})
	log := &lockedBuffer{}
	c, err := Open(demo(e.Endpoints()...), textLog(log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w := newWriter(t, e.Endpoints()[0])
	for _, want := range []int{1, 2} { // at first, and when they have gone
		await(t, c, "no leader", leads(""))
		w.put(t, "status", "1") // another revision says nothing new
		if got := strings.Count(log.String(), "are namespace, scope and citus right?"); got != want {
			t.Errorf("told %d times, not %d, in\n%s", got, want, log)
		}
		w.put(t, "members/m1", "{}")
		w.put(t, "leader", "m1")
		await(t, c, "m1", leads("m1"))
		if _, err := w.client.Delete(t.Context(), "/service/demo/", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenRefusesWhatCanNeverWork(t *testing.T) {
	bad := t.TempDir() + "/bad.pem"
	if err := os.WriteFile(bad, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*config.Cluster)) config.Cluster {
		cfg := demo("https://127.0.0.1:2379")
		change(&cfg)
		return cfg
	}
	tests := map[string]config.Cluster{
		"topology key":           {Discovery: "yugabyte", Hosts: []string{"a:5433"}, TopologyKeys: []string{"a.b"}},
		"is not known":           {Discovery: "guess"},
		"no hosts":               {Discovery: "static"},
		"want host:port":         {Discovery: "static", Hosts: []string{"a:b:c"}},
		"no etcd endpoints":      with(func(c *config.Cluster) { c.Etcd.Endpoints = nil }),
		"no scope":               with(func(c *config.Cluster) { c.Scope = "" }),
		"want http or https":     with(func(c *config.Cluster) { c.Etcd.Endpoints = []string{"ftp://a:1"} }),
		"missing port":           with(func(c *config.Cluster) { c.Etcd.Endpoints = []string{"https://a"} }),
		"no such file":           with(func(c *config.Cluster) { c.Etcd.TLS.CA = bad + "x" }),
		"no certificate in":      with(func(c *config.Cluster) { c.Etcd.TLS.CA = bad }),
		"etcd: tls cert and key": with(func(c *config.Cluster) { c.Etcd.TLS.Cert = bad }),
	}
	for want, cfg := range tests {
		if _, err := Open(cfg, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	e := startEtcd(t, 1, lab.EtcdOptions{})
	before := runtime.NumGoroutine()
	for _, endpoint := range []string{e.Endpoints()[0], "127.0.0.1:1"} {
		c, err := Open(demo(endpoint), nil)
		if err != nil {
			t.Fatal(err)
		}
		if endpoint != "127.0.0.1:1" {
			await(t, c, "first read", fresh)
		}
		c.Close()
		c.Close()
	}
	lab.Eventually(t, "the end of gRPC's goroutines", func() error {
		if n := runtime.NumGoroutine(); n > before {
			stacks := make([]byte, 1<<16)
			return fmt.Errorf("%d goroutines, %d before\n%s", n, before, stacks[:runtime.Stack(stacks, true)])
		}
		return nil
	})
}
