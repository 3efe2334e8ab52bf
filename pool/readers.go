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
		_, known := heard[m.Name].lag(now)
		measured = measured || known
		ends, fresh := pl.freshUntil(m, d, heard, now)
		if !fresh {
			continue
		}
		if !ends.IsZero() && (pl.until.IsZero() || ends.Before(pl.until)) {
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

// freshUntil says whether a member is near enough to its leader, and until when if nothing
// more is heard of it; zero: as long as it leads.
func (pl *plan) freshUntil(m discovery.Member, d demand, heard readings, now time.Time) (ends time.Time, fresh bool) {
	if d.role == "any" && m.Name == pl.leads {
		return time.Time{}, true
	}
	ends = heard[m.Name].ends(d.maxLag)
	return ends, now.Before(ends)
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
		if unsuitedToRead(g, m, role) == suits {
			fit = append(fit, m)
		}
	}
	return fit
}

// unsuited is why a member does not serve a role.
type unsuited byte

const (
	suits unsuited = iota
	unsuitedTag
	unsuitedState
	unsuitedLeads
	unsuitedRole
	unsuitedPlace // no topology key matches
	unsuitedReads // it is a read replica
	unsuitedVotes // it is none
)

// unsuitedToRead says why a member may not serve role replica or any.
func unsuitedToRead(g *discovery.Group, m discovery.Member, role string) unsuited {
	switch {
	case g.AskHosts && role != "any" && m.Name == g.Leader:
		return unsuitedLeads
	case g.AskHosts:
		return suits
	case noLoadBalance(m):
		return unsuitedTag
	case m.State != "running":
		return unsuitedState
	case role == "any" || m.Role == "standby_leader":
		return suits
	case m.Name == g.Leader:
		return unsuitedLeads
	case m.Role != "replica":
		return unsuitedRole
	}
	return suits
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
