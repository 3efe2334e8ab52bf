package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"portero/discovery"
)

// nodeSaid is what the leader of a group says of Citus.
type nodeSaid struct {
	nodes     []distNode     // pg_dist_node
	poolinfo  map[int]string // pg_dist_poolinfo, by nodeid
	leftovers []leftover
	settings  map[string]string // those that could be seen
}

// distNode is a row of pg_dist_node.
type distNode struct {
	id, group                                   int
	host                                        string
	port                                        int
	role                                        string
	active, hasMetadata, synced, shouldHaveData bool
}

// leftover is a prepared transaction of Citus' that nobody has ended.
type leftover struct {
	gid string
	age time.Duration
}

// leftoverAge is the age from which one is told of: Citus commits its own at once, and looks for
// those of nodes that have died every citus.recover_2pc_interval, which is a minute.
const leftoverAge = time.Minute

const (
	nodesQuery = "SELECT nodeid, groupid, nodename, nodeport, noderole, isactive, hasmetadata, metadatasynced, shouldhaveshards " +
		"FROM pg_catalog.pg_dist_node ORDER BY groupid, nodeid"
	poolinfoQuery  = "SELECT nodeid, poolinfo FROM pg_catalog.pg_dist_poolinfo"
	leftoversQuery = "SELECT gid, EXTRACT(epoch FROM pg_catalog.now() - prepared)::bigint FROM pg_catalog.pg_prepared_xacts " +
		`WHERE gid LIKE 'citus\_%' AND database = pg_catalog.current_database() ORDER BY prepared, gid`
)

// citusSettings are those that are looked at. citus.node_conninfo is for superusers and members of
// pg_read_all_settings.
var citusSettings = []string{"citus.node_conninfo", "citus.local_hostname", "listen_addresses", "ssl", "max_prepared_transactions"}

// dsn is how a leader is connected to: as Portero would, in the words of libpq, which cluster.tls
// has too.
func (o *citusOrder) dsn(s *citusScene, address string) (*pgconn.Config, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", address, err)
	}
	tls := s.cluster.TLS
	parts := []string{"application_name='portero citus check'", "connect_timeout=5"}
	for _, given := range [][2]string{
		{"host", host}, {"port", port}, {"dbname", s.database}, {"user", cmp.Or(o.user, s.cluster.Metadata.User)},
		{"sslmode", tls.Mode}, {"sslrootcert", tls.CA}, {"sslcert", tls.Cert}, {"sslkey", tls.Key},
	} {
		if given[1] != "" {
			parts = append(parts, given[0]+"="+quoted(given[1]))
		}
	}
	c, err := pgconn.ParseConfig(strings.Join(parts, " "))
	if err != nil {
		return nil, err
	}
	switch {
	case o.passwordFile != "":
		c.Password = s.password
	case s.cluster.Metadata.Password != "" && c.User == s.cluster.Metadata.User:
		c.Password = s.cluster.Metadata.Password
	}
	return c, nil
}

// askNode asks a leader for all of it, and says as whom. It blocks on the network, for 10 s at most.
func (o *citusOrder) askNode(s *citusScene, leader discovery.Member) (said *nodeSaid, user string, err error) {
	config, err := o.dsn(s, leader.Address)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*citusPatience)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, config.User, loginError{err}
	}
	defer conn.Close(ctx) //nolint:errcheck // a courtesy
	said, err = readNode(ctx, conn)
	return said, config.User, err
}

func readNode(ctx context.Context, conn *pgconn.PgConn) (*nodeSaid, error) {
	said := &nodeSaid{poolinfo: make(map[int]string), settings: make(map[string]string)}
	rows, err := query(ctx, conn, nodesQuery)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		said.nodes = append(said.nodes, distNode{number(r[0]), number(r[1]), r[2], number(r[3]), r[4], r[5] == "t", r[6] == "t", r[7] == "t", r[8] == "t"})
	}
	if rows, err = query(ctx, conn, poolinfoQuery); err != nil {
		return nil, err
	}
	for _, r := range rows {
		said.poolinfo[number(r[0])] = r[1]
	}
	if rows, err = query(ctx, conn, leftoversQuery); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if age := time.Duration(number(r[1])) * time.Second; age > leftoverAge {
			said.leftovers = append(said.leftovers, leftover{r[0], age})
		}
	}
	for _, name := range citusSettings {
		rows, err := query(ctx, conn, "SELECT pg_catalog.current_setting('"+name+"')")
		switch {
		case err == nil:
			said.settings[name] = rows[0][0]
		case code(err) == "": // the connection, not the setting
			return nil, err
		}
	}
	return said, nil
}

// query runs one that has a row of texts for each row of its answer.
func query(ctx context.Context, conn *pgconn.PgConn, sql string) (rows [][]string, err error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	for _, row := range results[0].Rows {
		var values []string
		for _, v := range row {
			values = append(values, string(v))
		}
		rows = append(rows, values)
	}
	return rows, nil
}

// code is the SQLSTATE of an error, "" if it is none of the server's.
func code(err error) string {
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		return said.Code
	}
	return ""
}

// loginError is one from before the first query.
type loginError struct{ error }

// Unwrap is for errors.As.
func (e loginError) Unwrap() error { return e.error }

// number reads an integer of the server's own.
func number(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
