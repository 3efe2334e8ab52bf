package pool

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"portero/config"
)

// Unready says why clients of a route cannot be served, a reason each; empty means that they
// can. They are by who leads, whatever role the route has, so that replicas which are away
// are no reason; with byRole by who serves that role. Where hosts have to be asked nobody asks
// before the first client comes: such a group is ready until clients wait for its leader in
// vain. Any goroutine.
func (ps *Pools) Unready(r *config.Route, byRole bool) (why []string) {
	role := "leader"
	if byRole && r.Role != "" {
		role = r.Role
	}
	if text := ps.unserved(r, role); text != "" {
		why = append(why, fmt.Sprintf("cluster %s, group %d: %s", r.Cluster, r.Group, text))
	}
	for _, name := range slices.Sorted(maps.Keys(ps.orders.stand.Load().paused)) {
		if ps.isFor(r, name) {
			why = append(why, fmt.Sprintf("database %s: %s", name, HoldPaused))
		}
	}
	return why
}

// unserved says in words why nobody serves a role where a route leads; "" if somebody does.
func (ps *Pools) unserved(r *config.Route, role string) string {
	cl := ps.clusters()[r.Cluster]
	if cl == nil {
		return HoldUnknown.String() // a reload has taken it away
	}
	if role == "prefer-replica" {
		if ps.unserved(r, "replica") == "" {
			return ""
		}
		role = "leader"
	}
	d := ps.forLeader()
	d.role, d.maxLag = role, r.RouteMaxLag(role)
	pl := newPlan(cl.discovery.View(), r.Group, d, cl.lags.of(r.Group), time.Now())
	switch {
	case pl.hold == HoldSwitchover: // planned, and short
		return ""
	case pl.hold == HoldUnmeasured: // nobody has come for whom they would be
		return ""
	case pl.hold != NotHeld:
		return pl.words()
	case !pl.known:
		return HoldUnknown.String()
	case pl.group.AllWrite && len(pl.targets) == 0:
		return pl.nobody()
	case pl.group.AllWrite && ps.inVain(r, true):
		return "no node can be used"
	case pl.group.AllWrite:
		return ""
	case role == "leader" && pl.leads == "" && ps.inVain(r, false):
		return HoldUnknown.String()
	case role == "any" && len(pl.targets) == 0:
		return "no member"
	case role != "leader" && len(pl.targets) == 0:
		return "no " + pl.as
	}
	return ""
}

// isFor reports whether clients who call a database so come by a route.
func (ps *Pools) isFor(r *config.Route, name string) bool {
	if r.Database != "*" {
		return r.Database == name
	}
	return !slices.ContainsFunc(ps.settings.Load().Routes, func(other config.Route) bool { return other.Database == name })
}

// inVain reports whether clients wait for the leader of a route's group, or for any
// member of it, and no pool of theirs has a server.
func (ps *Pools) inVain(r *config.Route, anybody bool) bool {
	waiting, servers := 0, 0
	for _, p := range ps.all() {
		if p.Key.Cluster != r.Cluster || p.Key.Group != r.Group || !anybody && p.Key.Role != "leader" {
			continue
		}
		p.mu.Lock()
		waiting += p.queuedLocked()
		servers += len(p.servers)
		p.mu.Unlock()
	}
	return waiting > 0 && servers == 0
}
