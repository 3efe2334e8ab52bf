package admin

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

func TestATimelineIsAcceptedAsItIsAskedFor(t *testing.T) {
	var got string
	s := start(t, Options{AcceptTimeline: func(cluster string, group int, timeline int64) error {
		got = fmt.Sprint(cluster, " ", group, " ", timeline)
		switch {
		case cluster != "main":
			return fmt.Errorf("cluster %s: %w", cluster, ErrUnknown)
		case timeline != 4:
			return errors.New("group 1: its leader is held for timeline 4, not 5")
		}
		return nil
	}})
	for _, test := range []struct {
		method, query string
		code          int
		body, asked   string
	}{
		{"POST", "?cluster=main&group=1&timeline=4", 200, "accepted\n", "main 1 4"},
		{"POST", "?cluster=other&group=1&timeline=4", 404, "cluster other: no such cluster or group\n", "other 1 4"},
		{"POST", "?cluster=main&group=1&timeline=5", 409, "group 1: its leader is held for timeline 4, not 5\n", "main 1 5"},
		{"POST", "", 400, errAsked.Error() + "\n", ""},
		{"POST", "?cluster=main&group=1", 400, errAsked.Error() + "\n", ""},
		{"POST", "?cluster=main&group=one&timeline=4", 400, errAsked.Error() + "\n", ""},
		{"POST", "?cluster=main&group=1&timeline=4th", 400, errAsked.Error() + "\n", ""},
		{"POST", "?cluster=main&group=1&group=2&timeline=4", 400, errAsked.Error() + "\n", ""},
		{"POST", "?cluster=main&group=1&timeline=4&force=1", 400, errAsked.Error() + "\n", ""},
		{"GET", "?cluster=main&group=1&timeline=4", 405, "Method Not Allowed\n", ""},
		{"HEAD", "?cluster=main&group=1&timeline=4", 405, "", ""},
		{"PUT", "?cluster=main&group=1&timeline=4", 405, "Method Not Allowed\n", ""},
	} {
		got = ""
		response, body := ask(t, s, test.method, "/accept-timeline"+test.query)
		if response.StatusCode != test.code || body != test.body || got != test.asked {
			t.Errorf("%s %s: %d %q, asked for %q", test.method, test.query, response.StatusCode, body, got)
		}
	}
	request, _ := http.NewRequest("POST", "http://"+s.Addr()+"/accept-timeline?cluster=main&group=1&timeline=4", nil)
	request.Header.Set("Origin", "http://elsewhere.example")
	got = ""
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden || got != "" {
		t.Errorf("of a page elsewhere: %d, asked for %q", response.StatusCode, got)
	}
}

func TestNoTimelineIsAcceptedWhereNobodyTakesIt(t *testing.T) {
	if response, _ := ask(t, start(t, Options{}), "POST", "/accept-timeline?cluster=main&group=1&timeline=4"); response.StatusCode != 404 {
		t.Errorf("%d", response.StatusCode)
	}
}
