package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"portero/proxy"
)

func TestExplainHandsTheQuestionOn(t *testing.T) {
	var asked proxy.Question
	find := func(q proxy.Question) (proxy.Explanation, error) {
		if asked = q; q.User == "" {
			return proxy.Explanation{}, errors.New("no user is given")
		}
		return proxy.Explanation{Question: q, Config: "proxy.toml"}, nil
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
		handler.ServeHTTP(answer, httptest.NewRequest(c.method, "/explain"+c.query, nil))
		if answer.Code != c.status {
			t.Errorf("%s %s: status %d, want %d", c.method, c.query, answer.Code, c.status)
		}
		if c.status != http.StatusOK {
			continue
		}
		var found proxy.Explanation
		want := proxy.Question{User: "bob", Database: "app", From: "10.1.2.3", Listener: ":6432", TLS: "yes", Application: "x"}
		if err := json.Unmarshal(answer.Body.Bytes(), &found); err != nil || asked != want || found.Question != want || found.Config != "proxy.toml" {
			t.Errorf("%v: asked for %+v, answered %s", err, asked, answer.Body)
		}
	}
}
