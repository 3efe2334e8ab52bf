package translate

import (
	"net/url"
	"strings"
)

// healthCheck is how HAProxy asks Patroni whether a server is one to use.
type healthCheck struct {
	path  string
	extra string // of it that has no counterpart
	asked bool
}

func (c *healthCheck) line(l words) {
	var rest []string
	switch {
	case l.is("option", "httpchk"):
		c.path, rest = "/", l.w[2:]
	case l.is("http-check", "send"):
		for i, w := range l.w[:len(l.w)-1] {
			if w == "uri" {
				rest = l.w[i+1 : i+2]
			}
		}
	default:
		return
	}
	c.asked = true
	for _, w := range rest {
		if strings.HasPrefix(w, "/") {
			c.path = w
			return
		}
	}
}

// role is which servers Patroni says yes for, at the path that is asked.
func (c *healthCheck) role() (role, why string) {
	if !c.asked {
		return "", "no option httpchk tells which server is meant"
	}
	u, err := url.Parse(c.path)
	if err != nil {
		return "", "the check's path cannot be read"
	}
	why = "the check asks Patroni for " + c.path
	if u.RawQuery != "" {
		c.extra = "?" + u.RawQuery + " behind the check's path: see max_lag, which is a time, and not bytes; tags have no counterpart"
	}
	switch strings.TrimSuffix(u.Path, "/") {
	case "", "/primary", "/master", "/leader", "/read-write":
		return "leader", why
	case "/replica", "/replication", "/async", "/asynchronous", "/sync", "/synchronous", "/read-only-sync", "/read-only-quorum", "/quorum":
		if u.Path != "/replica" {
			c.extra = why + ": Portero tells replicas apart by max_lag only"
		}
		return "replica", why
	case "/read-only", "/health", "/readiness", "/liveness":
		return "any", why
	}
	return "", why + ", which Portero does not know"
}
