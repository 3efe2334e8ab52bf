package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"portero/metrics"
)

// start returns a server with o on a port of its own, closed with the test.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	s := New("127.0.0.1:0", o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// ask sends one request and returns the answer with its body read.
func ask(t *testing.T, s *Server, method, path string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func emptyRegistry() *metrics.Collector {
	return metrics.NewCollector(new(metrics.Process),
		func() []metrics.PoolState { return nil },
		func() metrics.CandidatesState { return metrics.CandidatesState{} },
		func() []metrics.GroupState { return nil },
		func() int { return 42 },
		func() []metrics.RouteState { return nil })
}

func TestEveryPathAnswers(t *testing.T) {
	s := start(t, Options{
		Gatherer: metrics.NewRegistry("1.0", emptyRegistry()),
		Snapshot: busy,
		Clients:  func(context.Context) []metrics.ClientState { return nil },
		Servers:  func(context.Context) []metrics.ServerState { return nil },
	})
	tests := []struct {
		method, path string
		code         int
		body         string // part of it
	}{
		{"GET", "/", 200, "<title>Portero</title>"},
		{"GET", "/page/main.js", 200, "new Model()"},
		{"GET", "/state", 200, `"version":"1.2.3"`},
		{"GET", "/clients", 200, `"rows":[]`},
		{"GET", "/servers", 200, `"rows":[]`},
		{"GET", "/metrics", 200, "\nportero_clients 42\n"},
		{"GET", "/livez", 200, "ok\n"},
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"HEAD", "/", 200, ""},
		{"HEAD", "/page/main.js", 200, ""},
		{"HEAD", "/state", 200, ""},
		{"HEAD", "/events", 200, ""},
		{"HEAD", "/clients", 200, ""},
		{"HEAD", "/metrics", 200, ""},
		{"HEAD", "/healthz", 200, ""},
		{"HEAD", "/readyz", 200, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "/metrics/more", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"GET", "/page/", 404, ""},
		{"GET", "/page/nothing.js", 404, ""},
		{"GET", "/page/..%2fpage.go", 404, ""},
		{"POST", "/", 405, ""},
		{"POST", "/state", 405, ""},
		{"POST", "/events", 405, ""},
		{"POST", "/clients", 405, ""},
		{"POST", "/healthz", 405, ""},
		{"DELETE", "/metrics", 405, ""},
		{"OPTIONS", "/readyz", 405, ""},
	}
	for _, test := range tests {
		t.Run(test.method+test.path, func(t *testing.T) {
			response, body := ask(t, s, test.method, test.path)
			if response.StatusCode != test.code || !strings.Contains(body, test.body) {
				t.Errorf("%d %q, want %d with %q", response.StatusCode, body, test.code, test.body)
			}
			if test.method == "HEAD" && body != "" {
				t.Errorf("HEAD has a body: %q", body)
			}
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

func TestNotReadyAnswersEachReasonOnItsLine(t *testing.T) {
	var reasons []string
	s := start(t, Options{Ready: func([]string) ([]Check, error) { return []Check{{"x", reasons, false}}, nil }})
	if response, _ := ask(t, s, "GET", "/readyz"); response.StatusCode != 200 {
		t.Errorf("without reasons: %d", response.StatusCode)
	}
	reasons = []string{"cluster main has no leader", "dial etcd:\nrefused"}
	response, body := ask(t, s, "GET", "/readyz")
	if response.StatusCode != 503 || body != "cluster main has no leader\ndial etcd: refused\n" {
		t.Errorf("%d %q", response.StatusCode, body)
	}
	if response, _ := ask(t, s, "GET", "/livez"); response.StatusCode != 200 {
		t.Errorf("not ready is not dead: %d", response.StatusCode)
	}
}

func TestWhatIsNotGivenIsNotFound(t *testing.T) {
	s := start(t, Options{})
	for _, path := range []string{"/", "/metrics", "/state", "/events", "/clients", "/servers", "/page/main.js"} {
		if response, _ := ask(t, s, "GET", path); response.StatusCode != 404 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

func TestAPanicBelowTheStateLeavesTheOthers(t *testing.T) {
	log := &lines{}
	s := start(t, Options{Snapshot: func() Snapshot { panic("a bug") }, Log: slog.New(slog.NewTextHandler(log, nil))})
	for _, path := range []string{"/state", "/events"} {
		if response, body := ask(t, s, "GET", path); response.StatusCode != 500 || strings.Contains(body, "a bug") {
			t.Errorf("%s: %d %q", path, response.StatusCode, body)
		}
	}
	if !log.has("a bug") {
		t.Error("the log does not tell")
	}
	if response, _ := ask(t, s, "GET", "/healthz"); response.StatusCode != 200 {
		t.Errorf("healthz: %d", response.StatusCode)
	}
}

func TestScrapeWithABrokenPartShowsTheRest(t *testing.T) {
	c := metrics.NewCollector(new(metrics.Process),
		func() []metrics.PoolState { panic("a bug") },
		func() metrics.CandidatesState { return metrics.CandidatesState{} },
		func() []metrics.GroupState { return nil },
		func() int { return 7 },
		func() []metrics.RouteState { return nil })
	s := start(t, Options{Gatherer: metrics.NewRegistry("1.0", c)})
	response, body := ask(t, s, "GET", "/metrics")
	if response.StatusCode != 200 || !strings.Contains(body, "portero_clients 7\n") {
		t.Errorf("%d %q", response.StatusCode, body)
	}
}

func TestStartTellsWhichAddressIsTaken(t *testing.T) {
	taken := start(t, Options{})
	err := New(taken.Addr(), Options{}).Start()
	var failed *net.OpError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), taken.Addr()) {
		t.Errorf("error = %v", err)
	}
}

func TestCloseBeforeStartIsNothing(t *testing.T) {
	if err := New("127.0.0.1:0", Options{}).Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestCloseLetsARequestFinish(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := start(t, Options{Ready: func([]string) ([]Check, error) {
		close(asked)
		<-answer
		return nil, nil
	}})
	got := make(chan int, 1)
	go func() {
		response, _ := ask(t, s, "GET", "/readyz")
		got <- response.StatusCode
	}()
	<-asked
	closed := make(chan error, 1)
	go func() { closed <- s.Close(context.Background()) }()
	close(answer)
	if code := <-got; code != 200 {
		t.Errorf("answered %d", code)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("still listening")
	}
}

func TestCloseCutsWhatOutlivesItsContext(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := start(t, Options{Ready: func([]string) ([]Check, error) {
		close(asked)
		<-answer
		return nil, nil
	}})
	cut := make(chan error, 1)
	go func() {
		response, err := http.Get("http://" + s.Addr() + "/readyz")
		if err == nil {
			response.Body.Close()
		}
		cut <- err
	}()
	<-asked
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v", err)
	}
	if err := <-cut; err == nil {
		t.Error("the request was answered")
	}
	close(answer)
}

func TestWhoIsNotAliveSaysWhyByBothNames(t *testing.T) {
	s := start(t, Options{Live: func() error { return errors.New("event loop 3 has not turned for 12s") }})
	for _, path := range []string{"/livez", "/healthz"} {
		if response, body := ask(t, s, "GET", path); response.StatusCode != 503 || body != "event loop 3 has not turned for 12s\n" {
			t.Errorf("%s: %d %q", path, response.StatusCode, body)
		}
	}
}
