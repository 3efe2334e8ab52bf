package discovery

import (
	"context"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"portero/config"
	"portero/internal/lab"
)

func TestALeaderIsBoundByTheTimeSinceItWasConfirmed(t *testing.T) {
	const limit = 20 * time.Second
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	tests := map[string]struct {
		c     confirmations
		limit time.Duration
		want  bool
	}{
		"just now":                {confirmations{byEtcd: now}, limit, false},
		"before the limit":        {confirmations{byEtcd: ago(limit - 2*ageEvery)}, limit, false},
		"at the next look it is":  {confirmations{byEtcd: ago(limit - ageEvery/2)}, limit, true},
		"after it":                {confirmations{byEtcd: ago(time.Hour)}, limit, true},
		"by Patroni since":        {confirmations{ago(time.Hour), map[int]time.Time{0: ago(time.Second)}}, limit, false},
		"by Patroni, long ago":    {confirmations{ago(time.Hour), map[int]time.Time{0: ago(time.Minute)}}, limit, true},
		"of another group":        {confirmations{ago(time.Hour), map[int]time.Time{1: ago(time.Second)}}, limit, true},
		"by etcd after Patroni":   {confirmations{ago(time.Second), map[int]time.Time{0: ago(time.Minute)}}, limit, false},
		"never, which is no case": {confirmations{}, limit, true},
		"without a limit":         {confirmations{}, 0, false},
	}
	for about, test := range tests {
		g := &Group{StaleLimit: test.limit}
		test.c.mark(map[int]*Group{0: g}, now)
		if g.Unconfirmed != test.want {
			t.Errorf("%s: %v", about, g.Unconfirmed)
		}
	}
}

func TestAConfirmationIsOldFromItsQuestionOn(t *testing.T) {
	var c confirmations
	now := time.Now()
	c.read(now)
	c.answered(3, now.Add(2*time.Second))
	c.answered(3, now.Add(time.Second)) // the answer to an earlier one
	if got := c.byPatroni[3].Sub(now); got != 2*time.Second {
		t.Errorf("confirmed at %v", got)
	}
	if c.read(now.Add(time.Hour)); len(c.byPatroni) != 0 {
		t.Error("what Patroni said before etcd was read again is kept")
	}
}

func TestTheLimitIsPatronisOwnUnlessItIsSet(t *testing.T) {
	tests := map[string]struct {
		config string
		set    time.Duration
		want   time.Duration
	}{
		"as Patroni has it":         {`{"ttl":30,"loop_wait":5}`, 0, 25 * time.Second},
		"where it does not say":     {`{}`, 0, 20 * time.Second},
		"as it is set":              {`{"ttl":30,"loop_wait":5}`, 7 * time.Second, 7 * time.Second},
		"of a cluster that pauses":  {`{"ttl":30,"loop_wait":5,"pause":true}`, 7 * time.Second, 0},
		"without any configuration": {``, 0, 20 * time.Second},
	}
	for about, test := range tests {
		p := newPatroni()
		p.limit = test.set
		p.follow(map[int]picture{0: newPicture(map[string]string{keyConfig: test.config}, time.Now())}, time.Now())
		if got := p.groups()[0].StaleLimit; got != test.want {
			t.Errorf("%s: %v, want %v", about, got, test.want)
		}
	}
}

// patroniSays is a REST interface that answers /primary with a status.
func patroniSays(status *atomic.Int32, asked *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/primary" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
	})
}

func TestOnlyAPlainYesOfPatroniConfirms(t *testing.T) {
	var status, asked atomic.Int32
	server := httptest.NewServer(patroniSays(&status, &asked))
	defer server.Close()
	secured := httptest.NewUnstartedServer(patroniSays(&status, &asked))
	secured.Config.ErrorLog = log.New(io.Discard, "", 0)
	secured.StartTLS()
	defer secured.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secured.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	plain := &asker{}
	trusting := &asker{tls: config.ClientTLS{CA: ca, ServerName: "example.com"}}
	for about, test := range map[string]struct {
		asker   *asker
		address string
		status  int32
		yes     bool
	}{
		"yes":                  {plain, server.URL, 200, true},
		"no":                   {plain, server.URL, 503, false},
		"another kind of yes":  {plain, server.URL, 204, false},
		"a redirect":           {plain, server.URL, 302, false},
		"by TLS":               {trusting, secured.URL, 200, true},
		"by TLS, no":           {trusting, secured.URL, 503, false},
		"of whom nobody knows": {plain, secured.URL, 200, false},
		"nobody there":         {plain, "http://" + lab.AddressForTest(t), 200, false},
	} {
		status.Store(test.status)
		if err := test.asker.primary(t.Context(), test.address); (err == nil) != test.yes {
			t.Errorf("%s: %v", about, err)
		}
	}
}

// mute accepts and never answers, as a Patroni that hangs.
func mute(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return "http://" + l.Addr().String()
}

func TestOneThatDoesNotAnswerIsInNoOthersWay(t *testing.T) {
	var status, asked atomic.Int32
	status.Store(200)
	server := httptest.NewServer(patroniSays(&status, &asked))
	defer server.Close()
	known := newPatroni()
	known.follow(pictures(newLayout("/service", "demo", true), map[string]string{
		"/service/demo/0/leader":     "c1",
		"/service/demo/0/members/c1": `{"api_url":"` + mute(t) + `/patroni"}`,
		"/service/demo/1/leader":     "w1",
		"/service/demo/1/members/w1": `{"api_url":"` + server.URL + `/patroni"}`,
		"/service/demo/2/members/w2": `{"api_url":"` + server.URL + `/patroni"}`, // who does not lead
	}, time.Now()), time.Now())
	c := &Cluster{log: testLog(t), source: known, stale: true}
	c.view.Store(&View{Stale: true, Groups: known.groups(), replaced: make(chan struct{})})
	a := &asker{cluster: c}
	began := time.Now()
	a.askAll(t.Context(), c.View())
	if took := time.Since(began); took > askEvery {
		t.Errorf("it took %v", took)
	}
	if got := c.confirmed.byPatroni; len(got) != 1 || got[1].Before(began) {
		t.Errorf("confirmed: %v", got)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// who leads no more is not confirmed by an answer that comes late
	known.follow(pictures(newLayout("/service", "demo", true), map[string]string{"/service/demo/1/leader": "w2"}, time.Now()), time.Now())
	c.confirmed = confirmations{}
	m, _ := c.View().Groups[1].Member("w1")
	a.ask(t.Context(), 1, m)
	if got := c.confirmed.byPatroni; len(got) != 0 {
		t.Errorf("confirmed: %v", got)
	}
}

func unconfirmed(v *View) bool { return v.Stale && v.Groups[0].Unconfirmed }
func confirmed(v *View) bool   { return !v.Groups[0].Unconfirmed }

// TestALeaderIsConfirmedByPatroniWhileEtcdIsAway is the whole of it, with an etcd that dies.
func TestALeaderIsConfirmedByPatroniWhileEtcdIsAway(t *testing.T) {
	var status, asked atomic.Int32
	status.Store(200)
	server := httptest.NewServer(patroniSays(&status, &asked))
	defer server.Close()
	e := startEtcd(t, 1, lab.EtcdOptions{})
	w := newWriter(t, e.Endpoints()[0])
	w.put(t, "config", `{"ttl":5,"loop_wait":1}`)
	w.put(t, "members/m1", `{"role":"primary","timeline":1,"api_url":"`+server.URL+`/patroni"}`)
	w.put(t, "leader", "m1")
	c := open(t, demo(e.Endpoints()...))
	await(t, c, "m1 leads", leads("m1"))
	if n := asked.Load(); n != 0 {
		t.Errorf("Patroni was asked %d times beside an etcd that answers", n)
	}
	e.KillMember(0)
	await(t, c, "the view is stale", stale)
	lab.Eventually(t, "Patroni is asked again and again", func() error {
		if asked.Load() < 4 {
			return context.DeadlineExceeded
		}
		return nil
	})
	if unconfirmed(c.View()) {
		t.Fatal("Patroni says yes, and the leader is unconfirmed")
	}
	status.Store(503)
	await(t, c, "unconfirmed", unconfirmed)
	c.mu.Lock()
	since := time.Since(c.confirmed.byPatroni[0])
	c.mu.Unlock()
	if since > 4*time.Second || since < 4*time.Second-4*ageEvery {
		t.Errorf("unconfirmed %v after it was confirmed last, not 4 s", since)
	}
	status.Store(200)
	await(t, c, "confirmed by Patroni", confirmed)
	status.Store(503)
	await(t, c, "unconfirmed again", unconfirmed)
	if err := e.RestartMember(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	await(t, c, "confirmed by etcd", leads("m1"))
	if !confirmed(c.View()) {
		t.Error("the view is current, and the leader is not confirmed")
	}
	n := asked.Load()
	w.put(t, "leader", "m2")
	await(t, c, "m2 leads", leads("m2"))
	if now := asked.Load(); now > n+1 { // one may have been on its way
		t.Errorf("Patroni was asked %d times by a view that is current", now-n)
	}
}

func TestAcceptingATimelineIsPublishedAndLogged(t *testing.T) {
	log := &lockedBuffer{}
	known := newPatroni()
	known.follow(map[int]picture{0: newPicture(map[string]string{
		keyLeader: "m1", keyHistory: `[[6,1,"x"]]`, "members/m1": `{"role":"primary","timeline":5}`,
	}, time.Now())}, time.Now())
	c := &Cluster{log: textLog(log), source: known}
	c.view.Store(&View{Groups: known.groups(), replaced: make(chan struct{})})
	if err := c.AcceptTimeline(0, 5); err == nil {
		t.Error("it was accepted before it was proved")
	}
	c.Observe(Proof{Member: "m1", Timeline: 5})
	if g := c.View().Groups[0]; g.Behind != 5 || g.Timeline != 7 || g.Epoch != 1 {
		t.Fatalf("got %+v", g)
	}
	if err := c.AcceptTimeline(1, 5); err == nil {
		t.Error("it was accepted for a group that is not there")
	}
	if err := c.AcceptTimeline(0, 5); err != nil {
		t.Fatal(err)
	}
	if g := c.View().Groups[0]; g.Behind != 0 || g.Timeline != 5 || g.Epoch != 2 {
		t.Errorf("got %+v", g)
	}
	expectLine(t, log, `level=WARN msg="leader is on an older timeline, clients are held" group=0 leader=m1 timeline=5 newest=7`)
	expectLine(t, log, `level=WARN msg="older timeline accepted: what was written on the newer is given up" group=0 leader=m1 timeline=5 newest=7`)
	if err := openStatic(t, "a").AcceptTimeline(0, 5); err == nil {
		t.Error("it was accepted for a list of hosts")
	}
}
