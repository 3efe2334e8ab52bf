package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portero/proxy"
)

func TestExplainHandsTheQuestionOn(t *testing.T) {
	var asked proxy.Newcomer
	find := func(q proxy.Newcomer) (proxy.Explanation, error) {
		if asked = q; q.User == "" {
			return proxy.Explanation{}, errors.New("no user is given")
		}
		return proxy.Explanation{Newcomer: q, Config: "proxy.toml"}, nil
	}
	handler := routes(Options{Explain: find}, nil, nil)
	for _, c := range []struct {
		method, query string
		status        int
	}{
		{"GET", "?user=bob&database=app&from=10.1.2.3&listener=%3A6432&tls=yes&application_name=x", http.StatusOK},
		{"GET", "?database=app", http.StatusBadRequest},
		{"POST", "?user=bob", http.StatusMethodNotAllowed},
	} {
		answer := httptest.NewRecorder()
		request := httptest.NewRequest(c.method, "/explain"+c.query, nil)
		request.RemoteAddr = "127.0.0.1:40000"
		handler.ServeHTTP(answer, request)
		if answer.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.query, answer.Code, c.status)
		}
		if c.status != http.StatusOK {
			continue
		}
		var found proxy.Explanation
		want := proxy.Newcomer{User: "bob", Database: "app", From: "10.1.2.3", Listener: ":6432", TLS: "yes", Application: "x"}
		if err := json.Unmarshal(answer.Body.Bytes(), &found); err != nil || asked != want || found.Newcomer != want || found.Config != "proxy.toml" {
			t.Errorf("%v: asked for %+v, answered %s", err, asked, answer.Body)
		}
	}
}

// What the rules are and who has a secret is told to no other host, whatever the address is.
func TestExplainAnswersThisHostOnly(t *testing.T) {
	asked := 0
	handler := routes(Options{Explain: func(proxy.Newcomer) (proxy.Explanation, error) { asked++; return proxy.Explanation{}, nil }}, nil, nil)
	for _, c := range []struct {
		from, at string
		own      bool
	}{
		{"127.0.0.1:40000", "127.0.0.1:9632", true},
		{"127.0.0.9:40000", "127.0.0.1:9632", true},
		{"[::1]:40000", "[::1]:9632", true},
		{"[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:9632", true},
		{"10.1.2.3:40000", "10.1.2.3:9632", true},
		{"[fd00::3]:40000", "[fd00::3]:9632", true},
		{"10.1.2.4:40000", "10.1.2.3:9632", false},
		{"[::ffff:10.1.2.4]:40000", "[::ffff:10.1.2.3]:9632", false},
		{"[fd00::4]:40000", "[fd00::3]:9632", false},
		{"10.1.2.4:40000", "", false},
		{"", "127.0.0.1:9632", false},
	} {
		before := asked
		request := httptest.NewRequest("GET", "/explain?user=bob", nil)
		request.RemoteAddr = c.from
		if at, err := net.ResolveTCPAddr("tcp", c.at); err == nil && c.at != "" {
			request = request.WithContext(context.WithValue(request.Context(), http.LocalAddrContextKey, net.Addr(at)))
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		body := answer.Body.String()
		switch {
		case c.own && (answer.Code != http.StatusOK || asked == before):
			t.Errorf("from %s at %s: %d %s", c.from, c.at, answer.Code, body)
		case !c.own && (answer.Code != http.StatusForbidden || asked != before || !strings.Contains(body, "run portero explain where this Portero runs")):
			t.Errorf("from %s at %s: %d %s", c.from, c.at, answer.Code, body)
		}
	}
}
