package config

import (
	"slices"
	"strconv"
	"strings"
)

// AnyGroup is the Group of a route whose clients are spread over several groups of a Citus
// cluster: each transaction gets the leader of one of them. In a file it is "any".
const AnyGroup = -1

const anyGroup = "any"

// mostWeight keeps sums of weights small.
const mostWeight = 1000

// IsSpread reports whether the route's clients are spread over groups.
func (r *Route) IsSpread() bool { return r.Group == AnyGroup }

// HomeGroup is the group of the server that knows about all others: for a route with AnyGroup
// the coordinator, else the route's own.
func (r *Route) HomeGroup() int {
	if r.IsSpread() {
		return 0
	}
	return r.Group
}

// isRouteGroup tells the key of the one number for which there is a word.
func isRouteGroup(key string) bool {
	return strings.HasPrefix(key, "route[") && strings.HasSuffix(key, "].group")
}

// group is a number, or the word for AnyGroup.
func (d decoder) group(key string, raw any, to *int) {
	if raw == anyGroup {
		*to = AnyGroup
		return
	}
	switch v, ok := raw.(int64); {
	case !ok:
		d.unreadable(key, `must be the number of a group, or "any"`)
	case v < 0:
		d.unreadable(key, "must be at least 0")
	default:
		d.number(key, raw, to)
	}
}

// numbers leaves 0 in the place of what is no number, so that the other items keep theirs.
func (d decoder) numbers(key string, raw any, to *[]int) {
	items, ok := itemsOf(raw)
	if !ok {
		d.unreadable(key, "must be a list of whole numbers, not %s", kindOf(raw))
		return
	}
	*to = make([]int, len(items))
	for i, item := range items {
		d.number(itemKey(key, i), item, &(*to)[i])
	}
}

// rawNumbers is a list in the environment, with commas.
func rawNumbers(value string) (raw any, want string) {
	items := []any{}
	for _, item := range strings.Split(value, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(item), 10, 64)
		if err != nil {
			return nil, "whole numbers with commas between them"
		}
		items = append(items, n)
	}
	return items, ""
}

func numberTexts(all []int) []string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = strconv.Itoa(n)
	}
	return texts
}

// checkAnyGroup checks what a route says of the groups that its clients are spread over.
func (c checker) checkAnyGroup(key string, r *Route) {
	group, groups, weights := childKey(key, "group"), childKey(key, "groups"), childKey(key, "weights")
	if !r.IsSpread() {
		for _, name := range []string{groups, weights} {
			if c.given[name] && !c.unread(group) {
				c.fault(name, `has a meaning only with group = "any"`)
			}
		}
		return
	}
	cluster := slices.IndexFunc(c.cfg.Clusters, func(cl Cluster) bool { return cl.Name == r.Cluster })
	if cluster >= 0 && !c.cfg.Clusters[cluster].Citus && !c.unread(childKey(itemKey("cluster", cluster), "citus")) {
		c.fault(group, "must be 0, because cluster %q has no groups (citus = false)", r.Cluster)
	}
	for i, g := range r.Groups {
		switch item := itemKey(groups, i); {
		case c.unread(item):
		case g < 0:
			c.fault(item, "must be at least 0")
		case slices.Contains(r.Groups[:i], g):
			c.fault(item, "%d is in the list already", g)
		}
	}
	switch {
	case len(r.Weights) > 0 && len(r.Groups) == 0:
		c.fault(weights, "needs groups, of which each has one")
	case len(r.Weights) > 0 && len(r.Weights) != len(r.Groups):
		c.fault(weights, "must have as many items as groups, which has %d", len(r.Groups))
	}
	for i, w := range r.Weights {
		if item := itemKey(weights, i); (w < 1 || w > mostWeight) && !c.unread(item) {
			c.fault(item, "must be from 1 to %d", mostWeight)
		}
	}
	c.checkSpreadRole(key, r)
}

// checkSpreadRole says where a client would come to such a route who does not want a leader.
func (c checker) checkSpreadRole(key string, r *Route) {
	group := childKey(key, "group")
	if r.Role != "" {
		if r.Role != roleLeader {
			c.fault(group, `"any" spreads transactions over leaders: role must be leader, not %s`, r.Role)
		}
		return
	}
	for i := range c.cfg.Listeners {
		l := &c.cfg.Listeners[i]
		if role := c.cfg.RouteRole(r, l); covers(r.Listener, l.Address) && role != roleLeader {
			c.fault(group, `"any" spreads transactions over leaders, and clients of listener %s have role %s: give the route role = "leader"`, l.Address, role)
			return
		}
	}
}

// sharedGroups are the groups whose pools a route leads to, as far as the file names them.
func (c *Config) sharedGroups(r *Route) []int {
	if !r.IsSpread() {
		return []int{r.Group}
	}
	all := []int{AnyGroup, 0} // that of those who are named nowhere; and the coordinator, which each such route needs
	add := func(groups ...int) {
		for _, g := range groups {
			if !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	if len(r.Groups) > 0 {
		all = all[1:]
		add(r.Groups...)
		return all
	}
	for i := range c.Routes {
		if other := &c.Routes[i]; other.Cluster == r.Cluster {
			add(other.Group)
			add(other.Groups...)
		}
	}
	return all
}

// Share is a group that clients are spread over.
type Share struct{ Group, Weight int }

// Shares are the groups that a route names for its clients to be spread over; none: all that
// there are.
func (r *Route) Shares() []Share {
	all := make([]Share, len(r.Groups))
	for i, g := range r.Groups {
		all[i] = Share{g, 1}
		if i < len(r.Weights) {
			all[i].Weight = r.Weights[i]
		}
	}
	return all
}
