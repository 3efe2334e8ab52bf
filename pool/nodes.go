package pool

import (
	"time"

	"portero/config"
	"portero/discovery"
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

// nodeDistance is distance where every member takes writes.
func (pl *plan) nodeDistance(m discovery.Member) int {
	switch {
	case !pl.group.Listed:
		return 0
	case pl.role == "prefer-primary" && isReadReplica(m), pl.role == "prefer-rr" && !isReadReplica(m):
		return distanceOtherKind
	case m.Priority == 0:
		return distanceElsewhere
	}
	return m.Priority - 1
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
