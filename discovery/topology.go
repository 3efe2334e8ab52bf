package discovery

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Warning is something about the layout of a cluster that does no harm until a host is lost,
// and then more than it need.
type Warning struct {
	Kind   WarningKind
	Host   string // that must not be lost; "" with Undecided
	Groups []int  // that are concerned, sorted; none with EtcdQuorum

	members, of int // with EtcdQuorum: so many of etcd's members are there
}

// WarningKind is what a Warning is of.
type WarningKind byte

const (
	// SingleHost: the groups cannot go on when Host is lost; see Group.SingleHost.
	SingleHost WarningKind = iota
	// EtcdQuorum: so many of etcd's members are on Host that without it the rest has no
	// quorum: then nobody is promoted, and leaders without failsafe_mode step down.
	EtcdQuorum
	// Undecided: the groups replicate asynchronously, and nobody has said that they should;
	// see Group.Undecided.
	Undecided
)

// String is the warning in words, with what is to be done.
func (w Warning) String() string {
	switch w.Kind {
	case EtcdQuorum:
		if w.members == w.of {
			return fmt.Sprintf("all members of etcd (%d) run on host %s: without it nobody is promoted", w.of, w.Host)
		}
		return fmt.Sprintf("%d of %d members of etcd run on host %s: without it there is no quorum, and nobody is promoted", w.members, w.of, w.Host)
	case Undecided:
		return groupsInWords(w.Groups, "replicates", "replicate") + " asynchronously, and nobody has asked for that: a failover may lose commits; set synchronous_mode in Patroni's configuration, false if it is meant"
	}
	return groupsInWords(w.Groups, "is", "are") + " lost with host " + w.Host + ": no member elsewhere may be promoted without loss"
}

// groupsInWords is "group 2 is", "groups 0, 1 and 2 are".
func groupsInWords(groups []int, one, more string) string {
	var list []string
	for _, g := range groups {
		list = append(list, strconv.Itoa(g))
	}
	last := len(list) - 1
	if last == 0 {
		return "group " + list[0] + " " + one
	}
	return "groups " + strings.Join(list[:last], ", ") + " and " + list[last] + " " + more
}

// topology is what there is to warn of: a pure function of the groups, and of the hosts that
// etcd's members run on, one for each; none: they are not known. There is one warning for
// each host that groups are lost with, however many they are, so that a machine that holds
// everything, as a developer's does, has one line for that and no more.
func topology(groups map[int]*Group, etcd []string) (all []Warning) {
	undecided := Warning{Kind: Undecided}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		g := groups[id]
		if host := g.SingleHost(); host != "" {
			i := slices.IndexFunc(all, func(w Warning) bool { return hostKey(w.Host) == hostKey(host) })
			if i < 0 {
				i, all = len(all), append(all, Warning{Kind: SingleHost, Host: host})
			}
			all[i].Groups = append(all[i].Groups, id)
		}
		if g.Undecided && len(g.Members) > 1 {
			undecided.Groups = append(undecided.Groups, id)
		}
	}
	all = append(all, etcdHosts(etcd)...)
	if len(undecided.Groups) > 0 {
		all = append(all, undecided)
	}
	return all
}

// SingleHost is the host with which the group is lost: its leader runs there, and no member
// on another host may be promoted without loss. Of a group that replicates synchronously
// those may be whom Patroni's sync key names for this leader, as Patroni promotes nobody
// else; with a quorum there must be enough of them (patroni/ha.py, _is_healthiest_node). Of
// others, and while the key names nobody, all may that have no tag which forbids it. While
// nobody leads it is the host that all of them are on. "" where there is no such host; where
// one member at most may lead, as then nobody has meant to have another; of a list of hosts,
// which may be those of proxies; and where every node takes writes, as nobody is promoted there.
func (g *Group) SingleHost() string {
	if g.AskHosts || g.AllWrite {
		return ""
	}
	eligible := g.eligible()
	if len(eligible) < 2 {
		return ""
	}
	first := eligible[0]
	if i := slices.IndexFunc(eligible, func(m Member) bool { return m.Name == g.Leader }); i >= 0 {
		first = eligible[i]
	}
	heirs, needed := g.heirs(eligible, first)
	elsewhere := 0
	for _, m := range heirs {
		if m.Host == "" || hostKey(m.Host) != hostKey(first.Host) {
			elsewhere++
		}
	}
	if elsewhere >= needed {
		return ""
	}
	return first.Host
}

// eligible are the members that may lead, or do.
func (g *Group) eligible() (all []Member) {
	for _, m := range g.Members {
		if m.Name == g.Leader || !barred(m) {
			all = append(all, m)
		}
	}
	return all
}

// barred reports whether a tag keeps a member from being promoted (patroni/tags.py).
func barred(m Member) bool {
	if told, ok := m.Tags["nofailover"]; ok && told != nil {
		return truth(told)
	}
	priority, err := strconv.Atoi(tagText(m.Tags, "failover_priority"))
	return err == nil && priority <= 0
}

// heirs are those who may follow a leader without loss, and how many of them it takes for
// one to be promoted.
func (g *Group) heirs(eligible []Member, leader Member) (heirs []Member, needed int) {
	others := slices.DeleteFunc(slices.Clone(eligible), func(m Member) bool { return m.Name == leader.Name })
	inStep := slices.DeleteFunc(slices.Clone(others), func(m Member) bool { return !slices.Contains(g.SyncStandbys, m.Name) })
	if g.Synchronous && leader.Name == g.Leader && len(inStep) > 0 {
		return inStep, 1 + g.SyncQuorum
	}
	return others, 1
}

// etcdHosts warns of each host without which etcd's members have no quorum.
func etcdHosts(hosts []string) (all []Warning) {
	on := make(map[string]int)
	for _, host := range hosts {
		on[hostKey(host)]++
	}
	quorum := len(hosts)/2 + 1
	told := make(map[string]bool)
	for _, host := range hosts {
		k := hostKey(host)
		if n := on[k]; host != "" && !told[k] && len(hosts)-n < quorum {
			told[k] = true
			all = append(all, Warning{Kind: EtcdQuorum, Host: host, members: n, of: len(hosts)})
		}
	}
	return all
}

// hostKey is the same for all names of a host that can be known to be one: all that mean
// the machine itself are, and tags or names are compared as they stand but for the case.
func hostKey(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip = ip.Unmap(); !ip.IsLoopback() {
			return ip.String()
		}
		return "localhost"
	}
	if strings.HasSuffix(host, ".localhost") {
		return "localhost"
	}
	return host
}
