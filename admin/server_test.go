package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
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
		Status:   func(w io.Writer) { fmt.Fprint(w, "all is well") },
	})
	tests := []struct {
		method, path string
		code         int
		body         string // part of it
	}{
		{"GET", "/", 200, "all is well"},
		{"GET", "/metrics", 200, "\nportero_clients 42\n"},
		{"GET", "/livez", 200, "ok\n"},
		{"GET", "/healthz", 200, "ok\n"},
		{"GET", "/readyz", 200, "ready\n"},
		{"HEAD", "/", 200, ""},
		{"HEAD", "/metrics", 200, ""},
		{"HEAD", "/healthz", 200, ""},
		{"HEAD", "/readyz", 200, ""},
		{"GET", "/nothing", 404, ""},
		{"GET", "/metrics/more", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"POST", "/", 405, ""},
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
	for _, path := range []string{"/", "/metrics"} {
		if response, _ := ask(t, s, "GET", path); response.StatusCode != 404 {
			t.Errorf("%s: %d", path, response.StatusCode)
		}
	}
}

func TestStatusIsServedAsWhatItIs(t *testing.T) {
	for page, want := range map[string]string{
		"<!DOCTYPE html><title>x</title>": "text/html; charset=utf-8",
		"plain <words>":                   "text/plain; charset=utf-8",
	} {
		s := start(t, Options{Status: func(w io.Writer) { io.WriteString(w, page) }})
		response, _ := ask(t, s, "GET", "/")
		if got := response.Header.Get("Content-Type"); got != want {
			t.Errorf("%q is served as %q", page, got)
		}
	}
}

func TestPanicInOnePageLeavesTheOthers(t *testing.T) {
	s := start(t, Options{Status: func(io.Writer) { panic("a bug") }})
	if response, err := http.Get("http://" + s.Addr() + "/"); err == nil {
		response.Body.Close()
		t.Errorf("answered %d", response.StatusCode)
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
