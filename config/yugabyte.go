package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxTopologyPriority is the last priority that a topology key may have, as in
// YugabyteDB's drivers.
const MaxTopologyPriority = 10

// TopologyKey names the nodes of one zone, or of all zones of a region.
type TopologyKey struct {
	Cloud, Region, Zone string // Zone "*": all of the region
	Priority            int    // 1 comes first
}

// ParseTopologyKey reads cloud.region.zone or cloud.region.*, with :1 to :10 behind it
// as its priority; without that it is 1.
func ParseTopologyKey(text string) (TopologyKey, error) {
	place, priority, given := strings.Cut(text, ":")
	k := TopologyKey{Priority: 1}
	if given {
		n, err := strconv.Atoi(priority)
		if err != nil || n < 1 || n > MaxTopologyPriority {
			return k, fmt.Errorf("priority must be a whole number from 1 to %d, not %q", MaxTopologyPriority, priority)
		}
		k.Priority = n
	}
	parts := strings.Split(place, ".")
	if len(parts) != 3 || slices.ContainsFunc(parts, func(s string) bool { return strings.Trim(s, " ") != s || s == "" }) {
		return k, fmt.Errorf(`must be cloud.region.zone or cloud.region.*, and its priority behind a colon, not %q`, text)
	}
	if k.Cloud, k.Region, k.Zone = parts[0], parts[1], parts[2]; k.Cloud == anything || k.Region == anything {
		return k, errors.New("only the zone may be *")
	}
	return k, nil
}

// Matches reports whether a node at this place is one of those that the key names.
func (k TopologyKey) Matches(cloud, region, zone string) bool {
	return k.Cloud == cloud && k.Region == region && (k.Zone == anything || k.Zone == zone)
}

// Place is the key without its priority.
func (k TopologyKey) Place() string { return k.Cloud + "." + k.Region + "." + k.Zone }

func (c checker) checkYugabyte(key string, cl *Cluster) {
	hosts := childKey(key, "hosts")
	if len(cl.Hosts) == 0 {
		c.fault(hosts, "must be given with discovery yugabyte: at least one node that can be asked for the others")
	}
	c.checkHosts(hosts, cl.Hosts, checkHost)
	c.foreign(key, cl.Discovery, ofPatroni...)
	if refresh := childKey(key, "refresh"); cl.Refresh < shortestRefresh && !c.unread(refresh) {
		c.fault(refresh, "must be at least %s", shortestRefresh)
	}
	c.checkTopologyKeys(key, cl)
}

func (c checker) checkTopologyKeys(cluster string, cl *Cluster) {
	list, known := childKey(cluster, "topology_keys"), make(map[string]bool)
	for i, text := range cl.TopologyKeys {
		key := itemKey(list, i)
		if c.unread(key) {
			continue
		}
		k, err := ParseTopologyKey(text)
		switch {
		case err != nil:
			c.fault(key, "%s", err)
		case known[k.Place()]:
			c.fault(key, "%s is in the list already", k.Place())
		}
		known[k.Place()] = err == nil
	}
	only := childKey(cluster, "fallback_to_topology_keys_only")
	if cl.FallbackToTopologyKeysOnly && len(cl.TopologyKeys) == 0 && !c.unread(list) {
		c.fault(only, "needs topology_keys")
	}
}

// checkListenerRole checks a listener's role, and that the routes that take it over lead
// where there is such a role.
func (c checker) checkListenerRole(key string, l *Listener) {
	c.oneOf(key, l.Role, append(slices.Clone(roles), yugabyteRoles[1:]...)...)
	for i := range c.cfg.Routes {
		r, at := &c.cfg.Routes[i], itemKey("route", i)
		if c.given[childKey(at, "role")] || !covers(r.Listener, l.Address) || c.strangeRole(l.Role, r.Cluster) == "" {
			continue
		}
		if c.lines[at] == 0 { // a route of ours
			c.fault(key, "%s", c.strangeRole(l.Role, r.Cluster))
		} else {
			c.fault(key, "%s: give route[%d] a role of its own", c.strangeRole(l.Role, r.Cluster), i+1)
		}
		return
	}
}

func (c checker) checkRouteRole(key string, r *Route) {
	if strange := c.strangeRole(r.Role, r.Cluster); strange != "" {
		c.fault(key, "%s", strange)
		return
	}
	c.oneOf(key, r.Role, c.cfg.rolesAt(r.Cluster)...)
}

// strangeRole says that a role is one of another discovery than a cluster's; "": it is not.
func (c checker) strangeRole(role, cluster string) string {
	fit := c.cfg.rolesAt(cluster)
	known := slices.Contains(roles, role) || slices.Contains(yugabyteRoles, role)
	switch {
	case !known || slices.Contains(fit, role):
		return ""
	case c.cfg.isYugabyte(cluster):
		return fmt.Sprintf("%s is no role in cluster %q, where every node takes writes (discovery yugabyte): must be one of %s", role, cluster, strings.Join(fit, ", "))
	}
	return fmt.Sprintf("%s is a role with discovery yugabyte only, which cluster %q has not: must be one of %s", role, cluster, strings.Join(fit, ", "))
}

// fillLags leaves the bound of [pool] to those of whose replicas a lag is known.
func (c *Config) fillLags(given map[string]bool) {
	for i := range c.Routes {
		if r := &c.Routes[i]; c.isYugabyte(r.Cluster) && !given[childKey(itemKey("route", i), "max_lag")] {
			r.MaxLag = 0
		}
	}
}
