package discovery

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"portero/config"
)

// RoleReadReplica is what yb_servers() calls a node that keeps copies and never votes.
// Every other node is a primary one.
const RoleReadReplica = "read_replica"

// Node is a row of YugabyteDB's yb_servers().
type Node struct {
	Host     string // the private address
	Port     int    // of YSQL; 0 = it tells none
	Type     string // primary | read_replica
	Cloud    string
	Region   string
	Zone     string
	PublicIP string // "" = it has none
}

// Nodes is what a node has answered to the question for all of them.
type Nodes struct {
	Asked string // where it was asked, host:port as it was dialled
	At    string // the IP address that this was
	List  []Node
}

// yugabyte is a cluster of YugabyteDB, as its nodes tell of each other. Every node
// takes writes, so nobody leads and no epoch moves. It has no I/O and no lock;
// Cluster.mu guards it.
type yugabyte struct {
	contacts []Member // from the configuration
	keys     []config.TopologyKey
	keysOnly bool

	nodes    []Member // sorted by name; none until a node has told
	public   bool     // they are reached by their public addresses
	portless []string // hosts of nodes that the last answer has no port for
	vacant   []string // topology keys that none of its nodes matches
}

func newYugabyte(cfg config.Cluster) (*yugabyte, error) {
	hosts, err := newStatic(cfg.Hosts)
	if err != nil {
		return nil, err
	}
	y := &yugabyte{contacts: hosts.members, keysOnly: cfg.FallbackToTopologyKeysOnly}
	for i := range y.contacts {
		y.contacts[i].Priority = 1 // where they are is not known yet
	}
	for _, text := range cfg.TopologyKeys {
		k, err := config.ParseTopologyKey(text)
		if err != nil {
			return nil, fmt.Errorf("topology key %q: %w", text, err)
		}
		y.keys = append(y.keys, k)
	}
	return y, nil
}

// errNoNodes is no answer: what was known stays.
var errNoNodes = errors.New("yb_servers() tells of no node that could be dialled")

// tell takes an answer. Nodes that it lacks are members no more.
func (y *yugabyte) tell(n Nodes) error {
	public := n.arePublic(y.public)
	var nodes []Member
	for _, node := range n.List {
		m, ok := y.member(node, public)
		same := func(o Member) bool { return o.Name == m.Name }
		if ok && !slices.ContainsFunc(nodes, same) {
			nodes = append(nodes, m)
		}
	}
	if len(nodes) == 0 {
		return errNoNodes
	}
	slices.SortFunc(nodes, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	y.nodes, y.public = nodes, public
	return nil
}

// hasPort reports whether a node could be dialled by its port.
func (n Node) hasPort() bool { return n.Port > 0 && n.Port <= math.MaxUint16 }

// oddities are warnings of what an answer has that cannot be meant, and the one before had not.
func (y *yugabyte) oddities(n Nodes) (warnings []string) {
	var portless, vacant []string
	for _, node := range n.List {
		if !node.hasPort() {
			portless = append(portless, node.Host)
		}
	}
	for _, k := range y.keys {
		there := func(node Node) bool { return k.Matches(node.Cloud, node.Region, node.Zone) }
		if !slices.ContainsFunc(n.List, there) {
			vacant = append(vacant, k.Place())
		}
	}
	warn := func(words string, now, before []string) {
		known := func(one string) bool { return slices.Contains(before, one) }
		if news := slices.DeleteFunc(slices.Clone(now), known); len(news) > 0 {
			warnings = append(warnings, words+": "+strings.Join(news, ", "))
		}
	}
	warn("yb_servers() has no port for nodes, which are left out", portless, y.portless)
	warn("no node is where topology_keys have one", vacant, y.vacant)
	y.portless, y.vacant = portless, vacant
	return warnings
}

// arePublic reports whether nodes are to be reached by their public addresses: so they
// are if the one that was asked was reached by its own. before is what holds if it is
// not in the list by either, as behind a load balancer.
func (n Nodes) arePublic(before bool) bool {
	host, _, _ := net.SplitHostPort(n.Asked)
	is := func(address string) bool {
		return address != "" && (strings.EqualFold(address, host) || sameIP(address, host) || sameIP(address, n.At))
	}
	switch {
	case slices.ContainsFunc(n.List, func(node Node) bool { return is(node.Host) }):
		return false
	case slices.ContainsFunc(n.List, func(node Node) bool { return is(node.PublicIP) }):
		return true
	}
	return before
}

func sameIP(a, b string) bool {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Unmap() == y.Unmap()
}

// member is false for a node without the address that is needed.
func (y *yugabyte) member(n Node, public bool) (m Member, ok bool) {
	host := n.Host
	if public {
		host = n.PublicIP
	}
	if n.hasPort() {
		m.Address = joinHostPort(host, strconv.Itoa(n.Port))
	}
	m.Name, m.Lag, m.Zone = m.Address, -1, n.Zone
	m.Host = hostOf(m)
	if m.Role = rolePrimary; n.Type == RoleReadReplica {
		m.Role = RoleReadReplica
	}
	m.Priority = y.priority(n)
	return m, m.Address != ""
}

// priority is the best of those of the topology keys that match; 0: none does.
func (y *yugabyte) priority(n Node) int {
	if len(y.keys) == 0 {
		return 1
	}
	best := 0
	for _, k := range y.keys {
		if k.Matches(n.Cloud, n.Region, n.Zone) && (best == 0 || k.Priority < best) {
			best = k.Priority
		}
	}
	return best
}

func (y *yugabyte) observe(Proof) bool { return false } // each is what the list says

func (y *yugabyte) doubt(int, string) bool { return false }

func (y *yugabyte) accept(group int, _ int64) error {
	return fmt.Errorf("group %d: every node takes writes, none leads", group)
}

func (y *yugabyte) groups() map[int]*Group {
	members := y.nodes
	if len(members) == 0 {
		members = y.contacts
	}
	return map[int]*Group{0: {AllWrite: true, Listed: len(y.nodes) > 0, KeysOnly: y.keysOnly, Members: slices.Clone(members)}}
}

// Tell takes what a node of YugabyteDB has answered to the question for all nodes. After
// an error what was known stays. When it returns, View shows the effect.
func (c *Cluster) Tell(n Nodes) (err error) {
	var odd []string
	c.change(func() bool {
		y, ok := c.source.(*yugabyte)
		if !ok {
			err = fmt.Errorf("cluster %s is not one of YugabyteDB", c.name)
			return false
		}
		odd = y.oddities(n)
		if err = y.tell(n); err != nil {
			return false
		}
		c.stale, c.stats.Connected, c.stats.Endpoint = false, true, n.Asked
		return true
	})
	for _, warning := range odd {
		c.log.Warn(warning)
	}
	return err
}

// Untold takes in that none of the nodes that were asked tells of the others: the View is
// stale until one does.
func (c *Cluster) Untold() {
	c.change(func() bool {
		c.stats.Losses++
		c.stats.Connected, c.stale = false, true
		return true
	})
}

// Contacts are the members to be asked for the list of all nodes, those of the View
// first; behind them those of the configuration, as all that were known may be gone.
func (c *Cluster) Contacts() []Member {
	var all []Member
	if g := c.View().Groups[0]; g != nil {
		all = slices.Clone(g.Members)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if y, ok := c.source.(*yugabyte); ok {
		for _, m := range y.contacts {
			if !slices.ContainsFunc(all, func(o Member) bool { return o.Address == m.Address }) {
				all = append(all, m)
			}
		}
	}
	return all
}

// reportNodes logs which nodes have joined and which have left.
func (c *Cluster) reportNodes(g, was *Group) {
	if !g.AllWrite || !g.Listed {
		return
	}
	missing := func(from, in *Group) (names []string) {
		for _, m := range from.Members {
			if _, there := in.Member(m.Name); !there {
				names = append(names, m.Name)
			}
		}
		return names
	}
	if joined, left := missing(g, was), missing(was, g); cmp.Or(len(joined), len(left)) > 0 {
		c.log.Info("nodes", "group", g.ID, "known", len(g.Members), "joined", joined, "left", left)
	}
}
