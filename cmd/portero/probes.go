package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"portero/admin"
	"portero/config"
)

// hangs is how long an event loop may be silent: a turn of it takes milliseconds, and a
// processor that others use for so long is no reason for a restart.
const hangs = 10 * time.Second

// checks is what /readyz is made of: whether the process takes clients, and each route, of those
// that are named or of all.
func (in *instance) checks(names []string) (checks []admin.Check, err error) {
	routes := in.config().Routes
	for _, name := range names {
		if !slices.ContainsFunc(routes, func(r config.Route) bool { return r.Name == name }) {
			return nil, fmt.Errorf("%w: %s; there are: %s", admin.ErrNoRoute, name, namesOf(routes))
		}
	}
	checks = append(checks, in.checkProcess())
	for i := range routes {
		r := &routes[i]
		if named := slices.Contains(names, r.Name); named || len(names) == 0 {
			checks = append(checks, admin.Check{Name: "route " + r.Name, Why: in.pools.Unready(r, named), LeftOut: !named && !r.Readiness})
		}
	}
	return checks, nil
}

// checkProcess: operators may come before the listeners are open, and stay behind clients.
func (in *instance) checkProcess() admin.Check {
	c := admin.Check{Name: "process"}
	switch {
	case in.process.ShuttingDown.Load():
		c.Why = []string{"shutting down"}
	case len(in.inForce.Load().listening) == 0:
		c.Why = []string{"starting"}
	}
	return c
}

func namesOf(routes []config.Route) string {
	var names []string
	for i := range routes {
		names = append(names, routes[i].Name)
	}
	return strings.Join(names, ", ")
}

// notReady is why /readyz alone says no.
func (in *instance) notReady() []string {
	checks, _ := in.checks(nil) // it has an error for names only
	return admin.Reasons(checks)
}
