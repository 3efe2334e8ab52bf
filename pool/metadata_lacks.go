package pool

import (
	"maps"
	"slices"

	"portero/config"
	"portero/discovery"
)

// A worker takes what any node takes once it has Citus' metadata, which the coordinator knows: it
// has a leader key before. Where the coordinator is asked, such a group is left out of what is
// spread over all. Where it is not, or has not answered yet, nothing is known against a group.

// lackOf says why a group cannot serve what any node can; "" = it can. metadatasynced counts only
// until it was set once: Citus takes it back from all nodes when one of them moves, and brings them
// in line behind that (UnsetMetadataSyncedForAllWorkers in its metadata/node_metadata.c). known:
// this is not the first answer, by which one that is behind may have been in line before.
func (p *placement) lackOf(n node, there, known bool) string {
	switch {
	case !there:
		return "it is not in pg_dist_node"
	case n.Lacks:
		return "pg_dist_node has it without isactive or hasmetadata"
	case n.Behind && known && !p.serves:
		return "pg_dist_node has it without metadatasynced"
	}
	return ""
}

// publishLocked makes known which groups of a view are to be left out. One that has appeared since
// pg_dist_node was read waits for the next answer.
func (m *metadata) publishLocked(v *discovery.View) {
	out := make(map[int]string)
	for id := range v.Groups {
		switch p := m.groups[id]; {
		case !m.read || id == coordinator:
		case p == nil || !p.heard:
			out[id] = "pg_dist_node has not been read since it appeared"
		case p.lacks != "":
			out[id] = p.lacks
		}
	}
	if !maps.Equal(out, m.leftOut()) {
		m.out.Store(&out)
	}
}

// leftOut is the groups that cannot serve what any node can, and why. What is returned is never
// changed. Any goroutine.
func (m *metadata) leftOut() map[int]string {
	if out := m.out.Load(); out != nil {
		return *out
	}
	return nil
}

// LeftOut is the groups that would be among those that a route spreads its clients over, and are
// left out, and why. Any goroutine.
func (ps *Pools) LeftOut(r *config.Route) map[int]string {
	cl := ps.clusters()[r.Cluster]
	if cl == nil || !r.IsSpread() {
		return nil
	}
	of, named := make(map[int]string), r.Shares()
	for g, why := range cl.metadata.leftOut() {
		if len(named) == 0 || slices.ContainsFunc(named, func(s config.Share) bool { return s.Group == g }) {
			of[g] = why
		}
	}
	return of
}

// isSpreadOver reports whether a route spreads its clients over the groups of a cluster.
func (ps *Pools) isSpreadOver(cluster string) bool {
	return slices.ContainsFunc(ps.settings.Load().Routes, func(r config.Route) bool { return r.IsSpread() && r.Cluster == cluster })
}

// leftOutWords is what an operator is to know of a group that is left out; "" = it is not, or nobody
// would notice.
func (ps *Pools) leftOutWords(cl *cluster, group int) string {
	why := cl.metadata.leftOut()[group]
	if why == "" || !ps.isSpreadOver(cl.name) {
		return ""
	}
	return "left out of routes to any node: " + why
}

// tellLeftOut tells the log which groups are left out from now on, and which are not any more.
func (ps *Pools) tellLeftOut(cl *cluster, before map[int]string) {
	if !ps.isSpreadOver(cl.name) {
		return
	}
	now := cl.metadata.leftOut()
	for id, why := range now {
		if before[id] != why {
			ps.log.Warn("group is left out of routes to any node", "cluster", cl.name, "group", id, "why", why)
		}
	}
	for id := range before {
		if now[id] == "" {
			ps.log.Info("group is in routes to any node", "cluster", cl.name, "group", id)
		}
	}
}
