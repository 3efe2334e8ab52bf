package pool

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"portero/config"
)

// Ready says of each cluster and group that routes name whether its leader is
// known and serves, and of each database that an operator has paused that it is; empty means that all are. Where hosts have to be asked nobody asks
// before the first client comes: such a group is ready until clients wait for
// it in vain.
func (ps *Pools) Ready(routes []config.Route) (missing []string) {
	for _, r := range routes {
		pl := newPlan(ps.clusters()[r.Cluster].discovery.View(), r.Group, ps.forLeader(), nil, time.Now())
		switch {
		case pl.hold == HoldSwitchover: // planned, and short
			continue
		case pl.hold == NotHeld && pl.leads == "" && ps.inVain(r.Cluster, r.Group):
			pl.hold = HoldUnknown
		case pl.hold == NotHeld:
			continue
		}
		text := fmt.Sprintf("cluster %s, group %d: %s", r.Cluster, r.Group, pl.words())
		if !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(ps.orders.stand.Load().paused)) {
		missing = append(missing, fmt.Sprintf("database %s: %s", name, HoldPaused))
	}
	return missing
}

// inVain reports whether clients wait for the leader of a group and no pool of
// it has a server.
func (ps *Pools) inVain(cluster string, group int) bool {
	waiting, servers := 0, 0
	for _, p := range ps.all() {
		if p.Key.Cluster != cluster || p.Key.Group != group || p.Key.Role != "leader" {
			continue
		}
		p.mu.Lock()
		waiting += p.queuedLocked()
		servers += len(p.servers)
		p.mu.Unlock()
	}
	return waiting > 0 && servers == 0
}
