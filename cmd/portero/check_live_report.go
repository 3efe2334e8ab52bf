package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portero/discovery"
)

// report is what is to be said of a cluster: lines for whoever reads, and the faults for which
// clients could not be served.
func (s *sight) report() (lines, faults []string) {
	lines = []string{"cluster " + s.cluster.Name + ": " + s.source()}
	switch {
	case s.view == nil:
		return lines, []string{s.err.Error()}
	case s.view.Stale:
		return lines, []string{s.reasons.told("etcd does not answer")}
	}
	var warnings []string
	for _, id := range slices.Sorted(maps.Keys(s.view.Groups)) {
		g := s.view.Groups[id]
		lines = append(lines, "  "+groupInWords(g))
		for _, m := range g.Members {
			lines = append(lines, "    "+s.memberInWords(m))
			if err := s.silent[m.Address]; err != nil && m.Name != g.Leader {
				warnings = append(warnings, fmt.Sprintf("%s of group %d does not answer at %s", m.Name, id, m.Address))
			}
		}
	}
	for _, w := range s.view.Warnings {
		warnings = append(warnings, w.String())
	}
	for _, id := range slices.Sorted(maps.Keys(s.groups)) {
		if fault := s.unserved(id); fault != "" {
			faults = append(faults, fault)
		}
	}
	missed, fault := s.spreadsInWords()
	if fault != "" {
		faults = append(faults, fault)
	}
	for _, w := range append(warnings, missed...) {
		lines = append(lines, "  warning: "+w)
	}
	return lines, faults
}

// spreadsInWords says of routes to any node which groups their clients would not be spread over,
// and, as a fault, if there were none left.
func (s *sight) spreadsInWords() (missed []string, fault string) {
	for _, groups := range s.spreads {
		if len(groups) == 0 {
			groups = slices.Sorted(maps.Keys(s.view.Groups))
		}
		var out []string
		for _, id := range groups {
			if why := s.unserved(id); why != "" {
				out = append(out, why)
			}
		}
		if len(out) == len(groups) {
			fault = cmp.Or(fault, strings.Join(append([]string{`none of the groups of a route with group = "any" is served`}, out...), "; "))
			continue
		}
		for _, why := range out {
			if !slices.Contains(missed, why) {
				missed = append(missed, why)
			}
		}
	}
	return missed, fault
}

// source is where it is known from.
func (s *sight) source() string {
	if s.cluster.Discovery != "patroni" {
		return s.cluster.Discovery
	}
	if s.view == nil || s.view.Stale || len(s.view.Etcd) == 0 {
		return "patroni, etcd at " + strings.Join(s.cluster.Etcd.Endpoints, ", ")
	}
	return "patroni, etcd on " + strings.Join(s.view.Etcd, ", ")
}

func groupInWords(g *discovery.Group) string {
	words := fmt.Sprintf("group %d: ", g.ID)
	switch {
	case g.AskHosts:
		return words + "hosts, which are asked who leads once it is served"
	case g.AllWrite:
		return words + "every node takes writes"
	case g.Leader == "":
		words += "nobody leads"
	default:
		words += "leader " + g.Leader
	}
	if g.Timeline > 0 {
		words += fmt.Sprintf(", timeline %d", g.Timeline)
	}
	if g.Standby {
		words += ", a standby cluster, which takes no writes"
	}
	if g.Paused {
		words += ", Patroni is paused"
	}
	return words
}

func (s *sight) memberInWords(m discovery.Member) string {
	words := m.Name
	if m.Name != m.Address {
		words += " " + cmp.Or(m.Address, "without an address")
	}
	for _, more := range []string{m.Role, m.State} {
		if more != "" {
			words += ", " + more
		}
	}
	if m.Zone != "" {
		words += ", zone " + m.Zone
	}
	if err := s.silent[m.Address]; err != nil {
		return words + ": " + err.Error()
	}
	return words + ": answers"
}

// someAnswer reports whether a PostgreSQL answers at the address of a member.
func (s *sight) someAnswer(g *discovery.Group) bool {
	return slices.ContainsFunc(g.Members, func(m discovery.Member) bool { return s.silent[m.Address] == nil })
}

// unserved says why clients of a group could not be served; "" if they could.
func (s *sight) unserved(id int) string {
	g := s.view.Groups[id]
	if g == nil || len(g.Members) == 0 {
		return fmt.Sprintf("group %d, to which a route leads, is not known: are namespace, scope and citus right?", id)
	}
	switch {
	case g.AskHosts && !s.someAnswer(g):
		return "none of its hosts answers"
	case g.AllWrite && !s.someAnswer(g):
		return "none of its nodes answers"
	case g.AskHosts, g.AllWrite:
		return ""
	}
	m, ok := g.Member(g.Holder())
	switch err := s.silent[m.Address]; {
	case !ok:
		return fmt.Sprintf("group %d has no leader", id)
	case err != nil:
		return fmt.Sprintf("the leader of group %d, %s, does not answer at %s: %v", id, m.Name, m.Address, err)
	}
	return ""
}
