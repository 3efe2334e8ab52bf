package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"portero/discovery"
)

// comparison holds what leaders say against what etcd says and poolinfo prints. It is pure.
type comparison struct {
	*citusScene
	all   []leaderSaid
	found []finding

	at *leaderSaid // of whom findings are
}

// compare is all that is not as it should be, in the order of groups.
func (s *citusScene) compare(all []leaderSaid) []finding {
	c := &comparison{citusScene: s, all: all}
	ways := s.ways()
	for i := range all {
		c.at = &all[i]
		switch l := c.at; {
		case l.leader.Name == "":
			c.add("nobody leads it", "look at patronictl list")
			continue
		case l.err != nil:
			c.notAsked(l.err)
			continue
		case l.said == nil: // whom askAll has passed over
			c.add("its leader has no address that can be read", "look at conn_url in its member key: etcdctl get --prefix "+c.cluster.Namespace+"/"+c.cluster.Scope+"/"+strconv.Itoa(l.group)+"/members/")
			continue
		}
		if l := c.at; l.group == 0 || c.hasMetadata(l.group) { // else it has none, as has been said of the coordinator's
			c.compareNodes()
			c.comparePoolinfo(ways)
		}
		c.compareSettings()
		c.tellLeftovers()
	}
	return c.found
}

func (c *comparison) add(found, toDo string) {
	c.found = append(c.found, finding{Group: c.at.group, Member: c.at.leader.Name, Found: found, ToDo: toDo})
}

func (c *comparison) note(found, toDo string) {
	c.add(found, toDo)
	c.found[len(c.found)-1].Note = true
}

// notAsked says why a leader could not be asked.
func (c *comparison) notAsked(err error) {
	why := reasonOf(err)
	_, inLogin := errors.AsType[loginError](err)
	leader, database := "its leader at "+c.at.leader.Address, sqlName(c.database)
	switch state := code(err); {
	case state == "":
		c.add(leader+" cannot be asked: "+why, "see whether it is reached from here, as Portero has to reach it too")
	case inLogin:
		c.add(leader+" does not let "+sqlName(c.at.user)+" in: "+why, "give a --user who may log in to database "+database+", and the password")
	case state == "42P01": // undefined table
		c.add("there is no Citus in database "+database+": "+why, "CREATE EXTENSION citus there, or name its database with --database")
	case state == "42501": // insufficient privilege
		c.add(leader+" does not show Citus' tables to "+sqlName(c.at.user)+": "+why,
			"there, as superuser in database "+database+": GRANT SELECT ON pg_catalog.pg_dist_node, pg_catalog.pg_dist_poolinfo TO "+sqlName(c.at.user)+"; or give another --user")
	default:
		c.add(leader+" refuses what it is asked: "+why, "look at its log")
	}
}

// coordinator is what that says, nil if it could not be asked.
func (c *comparison) coordinator() *nodeSaid {
	if len(c.all) > 0 && c.all[0].group == 0 {
		return c.all[0].said
	}
	return nil
}

// hasMetadata reports whether a worker has tables to compare, by the coordinator's word.
func (c *comparison) hasMetadata(group int) bool {
	said := c.coordinator()
	if said == nil {
		return true
	}
	n, ok := said.primary(group)
	return ok && n.hasMetadata
}

// primary is a group's row in pg_dist_node that other nodes connect to.
func (n *nodeSaid) primary(group int) (distNode, bool) {
	i := slices.IndexFunc(n.nodes, func(d distNode) bool { return d.group == group && d.role == "primary" })
	if i < 0 {
		return distNode{}, false
	}
	return n.nodes[i], true
}

// compareNodes compares pg_dist_node with the leader keys.
func (c *comparison) compareNodes() {
	said := c.at.said
	for _, l := range c.all {
		if l.leader.Address == "" {
			continue
		}
		n, there := said.primary(l.group)
		switch {
		case !there:
			c.add(fmt.Sprintf("pg_dist_node has no primary of group %d", l.group), c.remedy("citus_add_node", l, n))
			continue
		case !discovery.SamePlace(l.leader.Address, n.host, n.port):
			c.add(fmt.Sprintf("pg_dist_node has group %d at %s, and its leader %s is at %s", l.group, discovery.Address(n.host, n.port), l.leader.Name, l.leader.Address),
				c.remedy("citus_update_node", l, n))
		}
		if c.at.group == 0 {
			c.compareFlags(l, n)
		}
	}
	for _, n := range said.nodes {
		if c.view.Groups[n.group] == nil {
			c.add(fmt.Sprintf("pg_dist_node has a node of group %d at %s, and etcd has no such group", n.group, discovery.Address(n.host, n.port)),
				fmt.Sprintf("have Patroni run there with citus.group = %d, or on the coordinator: SELECT citus_remove_node(%s, %d)", n.group, sqlText(n.host), n.port))
		}
	}
}

// remedy is what to do if a row is missing or wrong.
func (c *comparison) remedy(function string, l leaderSaid, n distNode) string {
	if c.at.group > 0 {
		host, port, _ := net.SplitHostPort(c.at.leader.Address)
		return fmt.Sprintf("once the coordinator's is right, there: SELECT start_metadata_sync_to_node(%s, %s)", sqlText(host), port)
	}
	host, port, _ := net.SplitHostPort(l.leader.Address)
	call := fmt.Sprintf("SELECT citus_update_node(%d, %s, %s)", n.id, sqlText(host), port)
	if function == "citus_add_node" {
		call = fmt.Sprintf("SELECT citus_add_node(%s, %s, %d)", sqlText(host), port, l.group)
	}
	return "Patroni on the coordinator does it within loop_wait; if not, look at its log, or there: " + call
}

// compareFlags says what a node is not used for.
func (c *comparison) compareFlags(l leaderSaid, n distNode) {
	where := fmt.Sprintf("(%s, %d)", sqlText(n.host), n.port)
	switch {
	case !n.active:
		c.add(fmt.Sprintf("group %d is not active: its shards are not used", l.group), "SELECT citus_activate_node"+where)
	case l.group > 0 && !n.hasMetadata:
		c.add(fmt.Sprintf("group %d has no metadata: clients of routes with group = \"any\" cannot be served there", l.group), "SELECT start_metadata_sync_to_node"+where)
	case l.group > 0 && !n.synced:
		c.add(fmt.Sprintf("the metadata of group %d is out of date", l.group), "SELECT start_metadata_sync_to_node"+where)
	}
	if l.group > 0 && !n.shouldHaveData {
		c.note(fmt.Sprintf("group %d is to have no shards", l.group),
			fmt.Sprintf("if it is not being drained: SELECT citus_set_node_property(%s, %d, 'shouldhaveshards', true)", sqlText(n.host), n.port))
	}
}

// comparePoolinfo compares pg_dist_poolinfo with what poolinfo prints.
func (c *comparison) comparePoolinfo(ways []nodeWay) {
	said, run := c.at.said, "run there what portero citus poolinfo prints"
	if len(said.poolinfo) == 0 {
		c.add("pg_dist_poolinfo is empty: its connections to other nodes do not go through Portero", run)
		return
	}
	for _, w := range ways {
		n, there := said.primary(w.group)
		if !there {
			continue // which has been said
		}
		has, there := said.poolinfo[n.id]
		want := c.conninfo(w)
		switch {
		case w.dbname == "" && w.asOne != "":
			c.add(fmt.Sprintf("the only route to group %d for the nodes, database %s, has server_user: all their users would be that one", w.group, sqlName(w.asOne)), "portero citus poolinfo prints the lines that are missing in proxy.toml")
		case w.dbname == "":
			c.add(fmt.Sprintf("no route leads to group %d for the nodes", w.group), "portero citus poolinfo prints the lines that are missing in proxy.toml")
		case !there:
			c.add(fmt.Sprintf("pg_dist_poolinfo has nothing for group %d", w.group), run)
		case !sameConninfo(has, want):
			c.add(fmt.Sprintf("pg_dist_poolinfo has %q for group %d, and not %q", has, w.group, want), run+", with --host and --port if nodes see Portero elsewhere")
		}
	}
}

// sameConninfo compares two connection strings by what is in them.
func sameConninfo(a, b string) bool {
	left, ok := parseConninfo(a)
	right, also := parseConninfo(b)
	return ok && also && maps.Equal(left, right)
}

// compareSettings knows the traps of connections between nodes.
func (c *comparison) compareSettings() {
	all := c.at.said.settings
	if all["max_prepared_transactions"] == "0" {
		c.add("max_prepared_transactions is 0: no transaction can write on two nodes", "set it to at least max_connections, and restart PostgreSQL")
	}
	c.compareTLS(all)
	local := cmp.Or(all["citus.local_hostname"], "localhost") // Citus' own default
	if listens, seen := all["listen_addresses"]; seen && isOfOneHost(local) && !listensAtHome(listens) {
		c.add(fmt.Sprintf("citus.local_hostname is %s, and PostgreSQL listens at %s alone: a node does not reach itself", local, listens),
			"ALTER SYSTEM SET citus.local_hostname = "+sqlText(firstAddress(listens))+", and SELECT pg_reload_conf()")
	}
}

// compareTLS looks at what nodes ask of who they connect to: of Portero, and of themselves, past it.
func (c *comparison) compareTLS(all map[string]string) {
	conninfo, seen := all["citus.node_conninfo"]
	if !seen {
		c.note("citus.node_conninfo cannot be seen", "grant pg_read_all_settings to who asks: with sslmode=require, Citus' default, Portero's listener needs a certificate")
		return
	}
	options, _ := parseConninfo(conninfo)
	mode := options["sslmode"]
	if mode != "require" && !strings.HasPrefix(mode, "verify-") {
		return
	}
	const prefer = "ALTER SYSTEM SET citus.node_conninfo = 'sslmode=prefer', and SELECT pg_reload_conf()"
	if t := c.listener.TLS; c.isListeners() && !strings.HasPrefix(c.host, "/") && (t.Cert == "" || t.Mode == "disable") {
		c.add(fmt.Sprintf("citus.node_conninfo has sslmode=%s, and listener %s has no certificate: nodes refuse to come", mode, c.listener.Address),
			"give the listener cert and key in its tls, or "+prefer)
	}
	if all["ssl"] == "off" {
		c.add(fmt.Sprintf("citus.node_conninfo has sslmode=%s, and ssl is off: a node does not reach itself", mode), "turn ssl on, or "+prefer)
	}
}

// listensAtHome reports whether listen_addresses has a way by localhost.
func listensAtHome(addresses string) bool {
	return slices.ContainsFunc(strings.Split(addresses, ","), func(a string) bool {
		a = strings.TrimSpace(a)
		ip := net.ParseIP(a)
		return a == "*" || a == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
	})
}

func firstAddress(addresses string) string {
	first, _, _ := strings.Cut(addresses, ",")
	return strings.TrimSpace(first)
}

// tellLeftovers tells of transactions that are prepared and that nobody ends.
func (c *comparison) tellLeftovers() {
	for _, l := range c.at.said.leftovers {
		c.add(fmt.Sprintf("transaction %s has been prepared for %s, and keeps its locks", l.gid, l.age.Round(time.Second)),
			"see that the nodes reach each other: Citus ends it within citus.recover_2pc_interval, or on the coordinator: SELECT recover_prepared_transactions()")
	}
}
