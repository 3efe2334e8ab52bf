package main

import (
	"fmt"
	"io"
	"net"
	"strings"
)

// poolinfo prints the SQL for pg_dist_poolinfo. Where no route leads to a group it prints what
// proxy.toml lacks instead, to stderr: half of the table is no use.
func poolinfo(s *citusScene, stdout, stderr io.Writer) int {
	ways := s.ways()
	lacks := false
	for _, w := range ways {
		if w.dbname != "" {
			continue
		}
		if !lacks {
			fmt.Fprintf(stderr, "portero citus poolinfo: not all groups of cluster %s have a route by which nodes get to their leaders, in database %q, by listener %s.\n"+
				"These lines are missing in proxy.toml, before routes that take all databases:\n", s.cluster.Name, s.database, s.listener.Address)
			lacks = true
		}
		fmt.Fprintln(stderr)
		if w.asOne != "" {
			fmt.Fprintf(stderr, "# database %s leads to group %d with server_user: nodes come as each user that runs queries, and all would be that one\n", tomlText(w.asOne), w.group)
		}
		fmt.Fprintln(stderr, s.missingRoute(w.group))
	}
	if lacks {
		return 1
	}
	fmt.Fprint(stdout, s.poolinfoSQL(ways))
	return 0
}

// poolinfoSQL points the nodes at Portero. It may be run again: a node's ID stays when its group
// has another leader, as Patroni changes the row that there is (citus_update_node).
func (s *citusScene) poolinfoSQL(ways []nodeWay) string {
	var b strings.Builder
	fmt.Fprintf(&b, "-- Has the nodes of cluster %s reach each other through Portero at %s.\n", oneLine(s.cluster.Name), oneLine(net.JoinHostPort(s.host, s.port)))
	fmt.Fprintf(&b, "-- To be run as superuser in database %s on the leader of each group: Citus does not\n", sqlName(s.database))
	b.WriteString("-- copy this table from node to node; standbys have it from their leaders.\n")
	for _, w := range ways {
		leader, _ := s.view.Groups[w.group].Member(s.view.Groups[w.group].Holder())
		if leader.Name == "" {
			fmt.Fprintf(&b, "--   group %d has no leader now\n", w.group)
		} else {
			fmt.Fprintf(&b, "--   group %d: %s, %s\n", w.group, oneLine(leader.Name), oneLine(leader.Address))
		}
	}
	if isOfOneHost(s.host) {
		fmt.Fprintf(&b, "-- %s is each node's own host: there must be a Portero on each. Else give --host.\n", oneLine(s.host))
	}
	b.WriteString("BEGIN;\n")
	for _, w := range ways {
		fmt.Fprintf(&b, "INSERT INTO pg_catalog.pg_dist_poolinfo (nodeid, poolinfo)\n"+
			"SELECT nodeid, %s FROM pg_catalog.pg_dist_node WHERE groupid = %d AND noderole = 'primary'\n"+
			"ON CONFLICT (nodeid) DO UPDATE SET poolinfo = EXCLUDED.poolinfo;\n", sqlText(s.conninfo(w)), w.group)
	}
	b.WriteString("COMMIT;\n")
	return b.String()
}

// isOfOneHost reports whether a host means another machine on each.
func isOfOneHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || ip != nil && ip.IsLoopback()
}

// oneLine is fit for a comment: what is behind a line's end would be SQL.
func oneLine(text string) string { return visible(text) }

// sqlText is a text as SQL has it, whatever standard_conforming_strings says.
func sqlText(text string) string {
	text = strings.ReplaceAll(text, "'", "''")
	if strings.Contains(text, `\`) {
		return "E'" + strings.ReplaceAll(text, `\`, `\\`) + "'"
	}
	return "'" + text + "'"
}

// sqlName is a name as SQL has it, for a comment.
func sqlName(name string) string { return `"` + strings.ReplaceAll(oneLine(name), `"`, `""`) + `"` }
