package pool

import (
	"time"

	"portero/discovery"
)

// read has those serve who may be read from and fit, or says why nobody does.
func (pl *plan) read(d demand, heard readings, now time.Time) {
	readers := readersOf(pl.group, pl.as)
	pl.choice = len(pl.group.Members) > 1
	if !d.measures() {
		pl.targets = readers
		return
	}
	measured := false
	for _, m := range readers {
		ends := heard[m.Name].ends(d.maxLag)
		_, known := heard[m.Name].lag(now)
		measured = measured || known
		switch {
		case d.role == "any" && m.Name == pl.leads:
		case !now.Before(ends):
			continue
		case pl.until.IsZero() || ends.Before(pl.until):
			pl.until = ends
		}
		pl.targets = append(pl.targets, m)
	}
	switch {
	case len(pl.targets) > 0 || len(readers) == 0 || d.role == "prefer-replica":
	case measured:
		pl.hold = HoldLagging
	default:
		pl.hold = HoldUnmeasured
	}
}

// readAs is what those prove themselves to be who are read from in a role.
func readAs(role string) string {
	if role == "prefer-replica" {
		return "replica"
	}
	return role
}

// readersOf are the members that may serve role replica or any.
func readersOf(g *discovery.Group, role string) []discovery.Member {
	var fit []discovery.Member
	for _, m := range g.Members {
		if reads(g, m, role) {
			fit = append(fit, m)
		}
	}
	return fit
}

func reads(g *discovery.Group, m discovery.Member, role string) bool {
	switch {
	case g.AskHosts:
		return role == "any" || m.Name != g.Leader
	case noLoadBalance(m) || m.State != "running":
		return false
	case role == "any" || m.Role == "standby_leader":
		return true
	}
	return m.Name != g.Leader && m.Role == "replica"
}

// noLoadBalance is Patroni's tag that takes a member out of /replica.
func noLoadBalance(m discovery.Member) bool {
	v, ok := m.Tags["noloadbalance"]
	if !ok {
		return false
	}
	b, isBool := v.(bool)
	return !isBool || b
}
