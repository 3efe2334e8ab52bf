package translate

import (
	"slices"
	"strings"
)

// database is an entry of [databases].
type database struct {
	Place
	name   string // "*" = all others
	hosts  []string
	port   int
	params map[string]string // all but host and port
}

// databaseKeys is what a connection string of [databases] can have.
var databaseKeys = []string{"host", "port", "dbname", "user", "password", "auth_user", "auth_query", "auth_dbname", "pool_size",
	"min_pool_size", "reserve_pool_size", "reserve_pool", "connect_query", "pool_mode", "load_balance_hosts", "max_db_connections",
	"max_db_client_connections", "server_lifetime", "query_wait_timeout", "client_encoding", "datestyle", "timezone", "application_name"}

var userKeys = []string{"pool_size", "reserve_pool_size", "pool_mode", "max_user_connections", "max_user_client_connections",
	"query_timeout", "query_wait_timeout", "idle_transaction_timeout", "transaction_timeout", "client_idle_timeout"}

var peerKeys = []string{"host", "port", "pool_size"}

// readDatabases reads [databases]: the last entry of a name counts, and "*" comes
// behind all others, as in PgBouncer it is asked last.
func readDatabases(entries []entry, bad *faults) (list []database) {
	for _, e := range entries {
		if e.key == "pgbouncer" {
			bad.add(e.Place, "the name pgbouncer is the console's")
			continue
		}
		db := database{Place: e.Place, name: e.key, port: 5432, params: readParams(e, databaseKeys, bad)}
		db.takeAddress(bad)
		same := func(other database) bool { return other.name == db.name }
		list = append(slices.DeleteFunc(list, same), db)
	}
	slices.SortStableFunc(list, func(a, b database) int {
		return strings.Compare(starLast(a.name), starLast(b.name))
	})
	return list
}

func starLast(name string) string {
	if name == "*" {
		return "z"
	}
	return "a"
}

// readParams reads a connection string, in which the last value of a key counts.
func readParams(e entry, known []string, bad *faults) map[string]string {
	params := make(map[string]string)
	pairs, err := readPairs(e.value)
	if err != nil {
		bad.add(e.Place, "%s %s", e.key, err)
	}
	for _, p := range pairs {
		if !slices.Contains(known, p.key) {
			bad.add(e.Place, "%s: there is no %s=", e.key, p.key)
			continue
		}
		if p.key == "reserve_pool" {
			p.key = "reserve_pool_size"
		}
		if fault := checkParam(p); fault != "" {
			bad.add(e.Place, "%s: %s= %s", e.key, p.key, fault)
			continue
		}
		params[p.key] = p.value
	}
	return params
}

func checkParam(p pair) string {
	switch p.key {
	case "pool_mode":
		if !slices.Contains(poolModes, strings.ToLower(p.value)) {
			return "must be one of " + strings.Join(poolModes, ", ")
		}
	case "load_balance_hosts":
		if p.value != "round-robin" && p.value != "disable" {
			return "must be round-robin or disable"
		}
	case "port":
		if n, _ := leadingNumber(p.value); n < 1 || n > 65535 {
			return "must be a port, not " + p.value
		}
	case "server_lifetime", "query_timeout", "query_wait_timeout", "idle_transaction_timeout", "transaction_timeout", "client_idle_timeout":
		if _, ok := secondsOf(p.value); !ok {
			return "must be a number of seconds, not " + p.value
		}
	}
	return ""
}

func (db *database) takeAddress(bad *faults) {
	if port, ok := db.params["port"]; ok {
		db.port, _ = leadingNumber(port)
	}
	for host := range strings.SplitSeq(db.params["host"], ",") {
		if host = strings.Trim(host, " []"); host != "" {
			db.hosts = append(db.hosts, host)
		}
	}
	delete(db.params, "host")
	delete(db.params, "port")
	delete(db.params, "load_balance_hosts") // every server that the role allows is used, the least busy first
}

// addresses is where its servers are. PostgreSQL's own Unix socket is not among
// what Portero connects to, so that the same host by TCP takes its place.
func (db *database) addresses() (list []hostPort, bySocket bool) {
	for _, host := range db.hosts {
		if host[0] == '/' || host[0] == '@' {
			host, bySocket = "localhost", true
		}
		if h := (hostPort{host, db.port}); !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	if len(list) == 0 {
		return []hostPort{{"localhost", db.port}}, true
	}
	return list, bySocket
}

// number is a parameter that is a number; ok is false where it is not given, or
// negative, which is as if it were not.
func (db *database) number(key string) (n int, ok bool) {
	given, ok := db.params[key]
	n, _ = leadingNumber(given)
	return n, ok && n >= 0
}
