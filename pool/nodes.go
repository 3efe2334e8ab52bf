package pool

import (
	"slices"
	"time"

	"portero/config"
	"portero/discovery"
	"portero/loop"
)

// Where every member takes writes (YugabyteDB) nobody leads: a role says which of the
// nodes serve, and topology keys which of these come first.

// failedNodeRests is for how long a node that could not be reached is passed over, as in
// YugabyteDB's drivers (failed_host_reconnect_delay_secs).
const failedNodeRests = 5 * time.Second

// spread has all nodes serve that fit a role. Nothing is held while one of them is gone.
// A pool that has no node, and is not let in yet, may ask any: who is let in can ask for
// the nodes again.
func (pl *plan) spread(d demand) {
	pl.as = "any"
	for _, m := range pl.group.Members {
		if unsuitedNode(pl.group, m, d.role) == suits {
			pl.targets = append(pl.targets, m)
		}
	}
	if d.candidate && len(pl.targets) == 0 {
		pl.targets = pl.group.Members
	}
	pl.choice = len(pl.targets) > 1
}

// unsuitedNode says why a node does not serve a role. Of contacts nothing is known yet:
// who is opened there asks for the nodes before it serves anybody (cluster.learn).
func unsuitedNode(g *discovery.Group, m discovery.Member, role string) unsuited {
	switch {
	case !g.Listed:
		return suits
	case g.KeysOnly && m.Priority == 0:
		return unsuitedPlace
	case role == "only-primary" && isReadReplica(m):
		return unsuitedReads
	case role == "only-rr" && !isReadReplica(m):
		return unsuitedVotes
	}
	return suits
}

func isReadReplica(m discovery.Member) bool { return m.Role == discovery.RoleReadReplica }

// The distances of nodes that no topology key matches, and of those that are not of the
// kind that is preferred. Of the latter the keys say nothing, as in the drivers.
const (
	distanceElsewhere = config.MaxTopologyPriority
	distanceOtherKind = distanceElsewhere + 1
)

// distance is how far a target is: the next server is opened, and lent, at the nearest
// that nothing is held against. 0 is nearest.
func (pl *plan) distance(m discovery.Member) int {
	switch {
	case pl.group == nil || !pl.group.AllWrite || !pl.group.Listed:
		return 0
	case pl.role == "prefer-primary" && isReadReplica(m), pl.role == "prefer-rr" && !isReadReplica(m):
		return distanceOtherKind
	case m.Priority == 0:
		return distanceElsewhere
	}
	return m.Priority - 1
}

// distanceOf is distance by a member's name; that of one that is no target is without
// meaning, as nothing that is there is kept.
func (pl *plan) distanceOf(name string) int {
	for _, m := range pl.targets {
		if m.Name == name {
			return pl.distance(m)
		}
	}
	return 0
}

// isNearest reports whether no target is nearer than the one called name.
func (pl *plan) isNearest(name string) bool {
	is := pl.distanceOf(name)
	return !slices.ContainsFunc(pl.targets, func(t discovery.Member) bool { return pl.distance(t) < is })
}

// measureLocked gives the places their distances by the plan that is in force.
func (p *Pool) measureLocked() {
	for _, at := range p.places {
		at.distance = p.now.distanceOf(at.member)
	}
}

// nearestLocked is the least distance of the targets that nothing is held against; false:
// there is none.
func (p *Pool) nearestLocked(pl *plan, now int64) (least int, ok bool) {
	for _, m := range pl.targets {
		if p.faultLocked(pl.group, m, now) != faultless {
			continue
		}
		if d := pl.distance(m); !ok || d < least {
			least, ok = d, true
		}
	}
	return least, ok
}

// farLocked is a place whose servers are to be given up for nearer ones: there is a
// server that is nearer already, or no room for one. nil: all are where they should be.
func (p *Pool) farLocked() *place {
	nearest, ok := p.nearestLocked(&p.now, loop.Clock())
	if !ok || p.opening > 0 {
		return nil
	}
	var far *place
	near := len(p.servers) >= p.terms().Size
	for _, at := range p.places {
		switch {
		case at.servers == 0:
		case at.distance <= nearest:
			near = true
		case far == nil || at.distance > far.distance:
			far = at
		}
	}
	if !near {
		return nil
	}
	return far
}

// nobody says why a role has no node, for clients that wait for one.
func (pl *plan) nobody() string {
	switch {
	case pl.role == "only-rr":
		return "no node of this cluster that may serve is a read replica"
	case pl.role == "only-primary":
		return "no node of this cluster that may serve is a primary one"
	}
	return "no node of this cluster is where topology_keys has them"
}
