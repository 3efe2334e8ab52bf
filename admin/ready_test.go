package admin

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestReadinessIsToldOfAllThatCountsOrOfRoutesByName(t *testing.T) {
	reports := []string{"cluster main, group 0: no replica"}
	s := start(t, Options{Ready: func(routes []string) ([]Check, error) {
		all := []Check{{Name: "process"}, {Name: "app/*"}, {Name: "reports", Why: append(reports, "database app: paused"), LeftOut: true}, {Name: "jobs", LeftOut: true}}
		switch {
		case len(routes) == 0:
			return all, nil
		case slices.Equal(routes, []string{"app/*", "reports"}):
			return []Check{all[0], all[1], {Name: "reports", Why: append(reports, reports[0], "database app: paused")}}, nil
		case slices.Equal(routes, []string{"broken"}):
			return nil, errors.New("it cannot be told")
		case slices.Equal(routes, []string{"app/*"}):
			return all[:2], nil
		}
		return nil, fmt.Errorf("%w: %s", ErrNoRoute, routes[0])
	}})
	for _, c := range []struct {
		path string
		code int
		body string
	}{
		{"/readyz", 200, "ready\n"},
		{"/readyz?verbose", 200, "[+]process ok\n[+]app/* ok\n[+]reports left out: cluster main, group 0: no replica\n[+]reports left out: database app: paused\n[+]jobs left out: ok\nreadyz check passed\n"},
		{"/readyz?route=app/*", 200, "ready\n"},
		{"/readyz?route=app%2F%2A&verbose", 200, "[+]process ok\n[+]app/* ok\nreadyz check passed\n"},
		{"/readyz?route=app/*&route=reports", 503, "cluster main, group 0: no replica\ndatabase app: paused\n"},
		{"/readyz?route=broken", 500, "it cannot be told\n"},
		{"/readyz?Route=app/*", 400, "unknown parameter \"Route\": there are route=NAME and verbose\n"},
		{"/readyz?route=%zz", 400, "invalid URL escape \"%zz\"\n"},
		{"/readyz?route=nosuch", 404, "there is no such route: nosuch\n"},
	} {
		if response, body := ask(t, s, "GET", c.path); response.StatusCode != c.code || body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.path, response.StatusCode, body, c.code, c.body)
		}
	}
}
