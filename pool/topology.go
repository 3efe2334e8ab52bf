package pool

import (
	"slices"

	"portero/discovery"
	"portero/metrics"
)

// warn fills in what discovery warns of that concerns a group.
func warn(s *metrics.GroupState, g *discovery.Group, v *discovery.View) {
	for _, w := range v.Warnings {
		concerns := slices.Contains(w.Groups, g.ID)
		switch {
		case w.Kind == discovery.EtcdQuorum:
			s.EtcdHost, concerns = w.Host, true
		case !concerns:
		case w.Kind == discovery.SingleHost:
			s.SingleHost = w.Host
		case w.Kind == discovery.Undecided:
			s.Undecided = true
		}
		if concerns {
			s.Warnings = append(s.Warnings, w.String())
		}
	}
}

// memberKey names a member.
type memberKey struct {
	groupKey
	member string
}

// serversByMember counts the servers that are open at each member, of all pools.
func (ps *Pools) serversByMember() map[memberKey]int {
	open := make(map[memberKey]int)
	for _, p := range ps.all() {
		p.mu.Lock()
		for _, at := range p.places {
			open[memberKey{p.group(), at.member}] += at.servers
		}
		p.mu.Unlock()
	}
	return open
}
