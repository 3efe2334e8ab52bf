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
// vain, or one has come and no node has told of the others. Clients that are spread over groups are served as long as one of these is. Any goroutine.
func (ps *Pools) Unready(r *config.Route, byRole bool) (why []string) {
	role := "leader"
	if byRole && r.Role != "" {
		role = r.Role
	}
	shares := ps.Shares(r)
	for _, s := range shares {
		if text := ps.unserved(r, s.Group, role); text != "" {
			why = append(why, fmt.Sprintf("cluster %s, group %d: %s", r.Cluster, s.Group, text))
		}
	}
	if len(why) < len(shares) {
		why = nil
	}
	for _, name := range slices.Sorted(maps.Keys(ps.orders.stand.Load().paused)) {
		if ps.isFor(r, name) {
			why = append(why, fmt.Sprintf("database %s: %s", name, HoldPaused))
		}
	}
	return why
}

// unserved says in words why nobody serves a role in a group that a route leads to; "" if somebody does.
func (ps *Pools) unserved(r *config.Route, group int, role string) string {
	cl := ps.clusters()[r.Cluster]
	if cl == nil {
		return HoldUnknown.String() // a reload has taken it away
	}
	if role == "prefer-replica" {
		if ps.unserved(r, group, "replica") == "" {
			return ""
		}
		role = "leader"
	}
	d := ps.forLeader()
	d.role, d.maxLag = role, r.RouteMaxLag(role)
	v := cl.discovery.View()
	pl := newPlan(v, group, d, cl.lags.of(group), time.Now())
	switch {
	case pl.hold == HoldSwitchover: // planned, and short
		return ""
	case pl.hold == HoldUnmeasured: // nobody has come for whom they would be
		return ""
	case pl.hold != NotHeld:
		return pl.words()
	case !pl.known:
		return HoldUnknown.String()
	case v.Stale && cl.isToLearn() && len(cl.inUse()) > 0:
		return "no node tells of the others"
	case pl.group.AllWrite && len(pl.targets) == 0:
		return pl.nobody()
	case pl.group.AllWrite && ps.inVain(r.Cluster, group, true):
		return "no node can be used"
	case pl.group.AllWrite:
		return ""
	case role == "leader" && pl.leads == "" && ps.inVain(r.Cluster, group, false):
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

// inVain reports whether clients wait for the leader of a group, or for any member of it,
// and no pool of theirs has a server.
func (ps *Pools) inVain(cluster string, group int, anybody bool) bool {
	waiting, servers := 0, 0
	for _, p := range ps.all() {
		if p.Key.Cluster != cluster || p.Key.Group != group || !anybody && p.Key.Role != "leader" {
			continue
		}
		p.mu.Lock()
		waiting += p.queuedLocked()
		servers += len(p.servers)
		p.mu.Unlock()
	}
	return waiting > 0 && servers == 0
}
