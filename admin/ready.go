package admin

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Check is one part of what readiness is made of.
type Check struct {
	Name    string   // "process", or route and its name
	Why     []string // why clients are not to be sent here, in lines; empty: they are
	LeftOut bool     // it is told of only, and decides nothing
}

// ErrNoRoute is wrapped by what Ready says of the name of a route that there is not.
var ErrNoRoute = errors.New("there is no such route")

// readyz answers in lines: ready, or why not. With ?verbose it has a line for each check, in the
// form that Kubernetes' own servers have for theirs. ?route= asks for single routes.
func readyz(ready func(routes []string) ([]Check, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var checks []Check
		query, err := readinessQuery(r.URL.RawQuery)
		if err != nil {
			plain(w, http.StatusBadRequest, err.Error())
			return
		}
		if ready != nil {
			if checks, err = ready(query["route"]); err != nil {
				code := http.StatusInternalServerError
				if errors.Is(err, ErrNoRoute) {
					code = http.StatusNotFound
				}
				plain(w, code, err.Error())
				return
			}
		}
		code, lines := http.StatusOK, Reasons(checks)
		if len(lines) > 0 {
			code = http.StatusServiceUnavailable
		}
		switch {
		case query.Has("verbose"):
			lines = verbose(checks, code == http.StatusOK)
		case len(lines) == 0:
			lines = []string{"ready"}
		}
		plain(w, code, lines...)
	}
}

// readinessQuery refuses what it does not know: a probe that is misspelt would always pass.
func readinessQuery(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	for name := range query {
		if name != "route" && name != "verbose" {
			err = fmt.Errorf("unknown parameter %q: there are route=NAME and verbose", name)
		}
	}
	return query, err
}

// Reasons are those of all checks that decide, each once; empty: clients are to be sent here.
func Reasons(checks []Check) (lines []string) {
	for _, c := range checks {
		for _, why := range c.Why {
			if !c.LeftOut && !slices.Contains(lines, why) {
				lines = append(lines, why)
			}
		}
	}
	return lines
}

func verbose(checks []Check, ready bool) (lines []string) {
	for _, c := range checks {
		fine, failed := "[+]"+c.Name+" ok", "[-]"+c.Name+" failed: "
		if c.LeftOut {
			fine, failed = "[+]"+c.Name+" left out: ok", "[+]"+c.Name+" left out: "
		}
		for _, why := range c.Why {
			lines = append(lines, failed+why)
		}
		if len(c.Why) == 0 {
			lines = append(lines, fine)
		}
	}
	if ready {
		return append(lines, "readyz check passed")
	}
	return append(lines, "readyz check failed")
}
