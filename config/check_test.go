package config

import (
	"os"
	"strings"
	"testing"
)

func TestLoadReportsWrongAddresses(t *testing.T) {
	inFolder(t)
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	write(t, "file", "")
	write(t, ".s.PGSQL.6432", "")
	checkFaults(t, []faultCase{
		{"that cannot be listened on", `
listener = [
	{address = "*:6432"},
	{address = "256.1.1.1:6432"},
	{address = "1.2.3:6432"},
	{address = "unix:` + dir + `/file"},
	{address = "unix:` + dir + `"},
	{address = "unix:` + dir + `/absent"},
	{address = ":6433", tls = {mode = "disable"}},
	{address = "unix:` + dir + `/other", tls = {mode = "require"}},
	{address = "[:::1]:6434"},
	{address = "[fe80::1%eth0]:6435"},
]
admin = {address = "*:7000"}
[[cluster]]
name = "s"
hosts = ["10.0.0.300:5432", "10.example:5432", "*:5432"]
[[cluster]]
name = "p"
discovery = "patroni"
scope = "p"
etcd = {endpoints = ["https://256.1.1.1:2379", "[1::2::3]:2379"]}
[[route]]
cluster = "s"
`, []string{
			`3: listener[1].address: host must be a name or an address, not "*"; :6432 alone listens on all`,
			`4: listener[2].address: "256.1.1.1" is no IPv4 address`,
			`5: listener[3].address: "1.2.3" is no IPv4 address`,
			`6: listener[4].address: ` + dir + `/file is no folder`,
			`7: listener[5].address: ` + dir + `/.s.PGSQL.6432 is there already, and is no socket`,
			`10: listener[8].tls.mode: has no use on a Unix socket, whose clients come without TLS`,
			`11: listener[9].address: ":::1" is no IPv6 address`,
			`14: admin.address: host must be a name or an address, not "*"; :7000 alone listens on all`,
			`17: cluster[1].hosts[1]: "10.0.0.300" is no IPv4 address`,
			`17: cluster[1].hosts[3]: host must be a name or an address, not "*"`,
			`22: cluster[2].etcd.endpoints[1]: "256.1.1.1" is no IPv4 address`,
			`22: cluster[2].etcd.endpoints[2]: "1::2::3" is no IPv6 address`,
		}},
		{"of listeners", `
[[listener]]
address = "6432"
[[listener]]
address = "localhost:0"
[[listener]]
address = "localhost:65536"
[[listener]]
address = "localhost:postgres"
[[listener]]
address = "unix:run/portero"
[[listener]]
address = "unix:/run/.s.PGSQL.x"
[[listener]]
address = ""
[[listener]]
address = "unix:/a12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012"
`, []string{
			`3: listener[1].address: must be host:port, not "6432"`,
			`5: listener[2].address: port must be a number from 1 to 65535, not "0"`,
			`7: listener[3].address: port must be a number from 1 to 65535, not "65536"`,
			`9: listener[4].address: port must be a number from 1 to 65535, not "postgres"`,
			`11: listener[5].address: path after unix: must be absolute`,
			`13: listener[6].address: must end in a port from 1 to 65535 after .s.PGSQL., not "x"`,
			`15: listener[7].address: must be host:port, not ""`,
			`17: listener[8].address: path of the socket must be at most 107 bytes, not 108`,
		}},
		{"of listeners that are fine", `
listener = [
	{address = ":5000"}, {address = "[::1]:5001"}, {address = "0.0.0.0:5002"}, {address = "db.example:5003"},
	{address = "unix:/run/portero"}, {address = "unix:/run/portero/.s.PGSQL.5432"},
]`, nil},
		{"two listeners in one place", `
admin.address = "0.0.0.0:7000"
listener = [
	{address = "localhost:7000"},
	{address = "LOCALHOST:7000"},
	{address = ":7000"},
	{address = "unix:/run/p"},
	{address = "unix:/run/p/.s.PGSQL.6432"},
]`, []string{
			`2: admin.address: collides with listener[1], localhost:7000`,
			`5: listener[2].address: collides with listener[1], localhost:7000`,
			`6: listener[3].address: collides with listener[1], localhost:7000`,
			`8: listener[5].address: collides with listener[4], unix:/run/p`,
		}},
		{"two listeners left to the default", "[[listener]]\n[[listener]]\n", []string{
			`2: listener[2].address: collides with listener[1], 127.0.0.1:6432`,
		}},
		{"of the admin side", `admin = {address = "unix:/run/admin"}`, []string{
			`1: admin.address: must be host:port, not "unix:/run/admin"`,
		}},
		{"no admin side at all", `admin = {address = ""}`, nil},
		{"of hosts and endpoints", `
cluster = [
	{name = "s", hosts = [":5432", "h:5432", "h:5432", "a b:1", "unix:/tmp"]},
	{name = "p", discovery = "patroni", scope = "p", etcd = {endpoints = ["ftp://h:1", "http://h", "https://h:2", "h:2"]}},
]`, []string{
			`3: cluster[1].hosts[1]: has no host before the port`,
			`3: cluster[1].hosts[3]: h:5432 is in the list already`,
			`3: cluster[1].hosts[4]: must be host:port, not "a b:1"`,
			`3: cluster[1].hosts[5]: port must be a number from 1 to 65535, not "/tmp"`,
			`4: cluster[2].etcd.endpoints[1]: must be host:port, http://host:port or https://host:port, not "ftp://h:1"`,
			`4: cluster[2].etcd.endpoints[2]: must be host:port, not "h"`,
		}},
	})
}

func TestLoadReportsWrongClusters(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"names", `
[[cluster]]
hosts = ["h:1"]
[[cluster]]
name = "a"
hosts = ["h:1"]
[[cluster]]
hosts = ["h:1"]
name = "a"
`, []string{
			`2: cluster[1].name: must be given`,
			`9: cluster[3].name: "a" is the name of cluster[2]`,
		}},
		{"discovery", `
[[cluster]]
name = "b"
discovery = "consul"
`, []string{
			`4: cluster[1].discovery: must be one of patroni, static, yugabyte, not "consul"`,
		}},
		{"static with Patroni's settings", `
[[cluster]]
name = "a"
namespace = "/service"
scope = "s"
citus = false
stale_leader_limit = "20s"
[cluster.etcd]
endpoints = ["h:1"]
[cluster.rest]
[cluster.metadata]
user = "u"
`, []string{
			`2: cluster[1].hosts: must be given with discovery static`,
			`4: cluster[1].namespace: has no meaning with discovery static`,
			`5: cluster[1].scope: has no meaning with discovery static`,
			`6: cluster[1].citus: has no meaning with discovery static`,
			`7: cluster[1].stale_leader_limit: has no meaning with discovery static`,
			`8: cluster[1].etcd: has no meaning with discovery static`,
			`10: cluster[1].rest: has no meaning with discovery static`,
			`11: cluster[1].metadata: has no meaning with discovery static`,
		}},
		{"patroni with a static list's settings", `
[[cluster]]
name = "a"
discovery = "patroni"
hosts = ["h:1"]
namespace = "/"
[[cluster]]
name = "b"
discovery = "patroni"
scope = "x/y"
etcd = {endpoints = [], username = "u"}
[[cluster]]
name = "c"
discovery = "patroni"
scope = "x"
etcd = {endpoints = ["http://h:1"], password = "p", tls = {server_name = "n"}}
`, []string{
			`2: cluster[1].scope: must be given with discovery patroni`,
			`2: cluster[1].etcd.endpoints: must be given with discovery patroni`,
			`5: cluster[1].hosts: has no meaning with discovery patroni`,
			`6: cluster[1].namespace: must not be empty`,
			`10: cluster[2].scope: must not have a slash in it`,
			`11: cluster[2].etcd.endpoints: must be given with discovery patroni`,
			`11: cluster[2].etcd.password: must be given, because username is`,
			`16: cluster[3].etcd.username: must be given, because password is`,
			`16: cluster[3].etcd.tls: cannot be used with http://h:1, which is not https`,
		}},
		{"questions to a coordinator", `
[[cluster]]
name = "a"
discovery = "patroni"
scope = "x"
etcd = {endpoints = ["h:1"]}
metadata = {user = "u", database = "app"}
[[cluster]]
name = "b"
discovery = "patroni"
scope = "x"
citus = true
etcd = {endpoints = ["h:1"]}
metadata = {user = "u"}
[[cluster]]
name = "c"
discovery = "patroni"
scope = "x"
citus = true
etcd = {endpoints = ["h:1"]}
metadata = {password = "p"}
`, []string{
			`7: cluster[1].metadata: has no use without citus = true: other clusters have no pg_dist_node`,
			`14: cluster[2].metadata.database: must be given with user: the database that Citus is in`,
			`21: cluster[3].metadata.password: has no use without user`,
		}},
	})
}

func TestLoadReportsWrongRoutes(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"match and target", `
[[route]]
listener = "127.0.0.1:1"
database = ""
cluster = "main"
role = "primary"
group = -1
[[route]]
user = ""
cluster = ""
group = 2
[[route]]
group = 2
`, []string{
			`3: route[1].listener: must be the address of a listener or "*", not "127.0.0.1:1"`,
			`4: route[1].database: must be a name or "*"`,
			`5: route[1].cluster: there is no cluster "main"`,
			`6: route[1].role: must be one of leader, replica, prefer-replica, any, not "primary"`,
			`7: route[1].group: must be at least 0`,
			`9: route[2].user: must be a name or "*"`,
			`10: route[2].cluster: must not be empty`,
			`13: route[3].group: must be 0, because cluster "local" has no groups (citus = false)`,
		}},
		{"cluster left out with several", `
cluster = [{name = "a", hosts = ["h:1"]}, {name = "b", hosts = ["h:2"]}]
[[route]]
`, []string{`3: route[1].cluster: must be given, because there are 2 clusters`}},
		{"role of a listener is reported where it stands", `
[[listener]]
role = "standby"
[[route]]
listener = "127.0.0.1:6432"
`, []string{`3: listener[1].role: must be one of leader, replica, prefer-replica, any, only-primary, only-rr, prefer-primary, prefer-rr, not "standby"`}},
		{"groups with citus", `
cluster = [{name = "a", discovery = "patroni", scope = "s", citus = true, etcd = {endpoints = ["h:1"]}}]
route = [{group = 3}]
`, nil},
		{"shadowed", `
listener = [{address = ":1"}, {address = ":2"}]
[[route]]
database = "a"
[[route]]
database = "a"
user = "u"
[[route]]
listener = ":1"
[[route]]
listener = ":2"
database = "b"
[[route]]
[[route]]
database = "c"
[[route]]
`, []string{
			`5: route[2]: can never match: shadowed by route[1]`,
			`14: route[6]: can never match: shadowed by route[5]`,
			`16: route[7]: can never match: shadowed by route[5]`,
		}},
		{"names of routes that are others'", `
[[route]]
name = "a"
database = "a"
[[route]]
name = "a"
database = "b"
[[route]]
name = "*/*"
database = "c"
[[route]]
`, []string{`6: route[2].name: must be unique: route[1] is called "a"`, `9: route[3].name: must be unique: route[4] is called "*/*"`}},
		{"a misspelt match is not a catch-all", `
[[route]]
databse = "a"
[[route]]
`, []string{`3: route[1].databse: unknown key`}},
	})
}

func TestLoadReportsWrongSizesAndTimes(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"of the pool section, not again of its routes", `
[[route]]
[pool]
pool_mode = "txn"
pool_size = 0
min_pool_size = -1
max_client_conn = 0
max_logins = 0
max_pools = 0
`, []string{
			`4: pool.pool_mode: must be one of session, transaction, statement, not "txn"`,
			`5: pool.pool_size: must be at least 1`,
			`6: pool.min_pool_size: must be at least 0`,
			`7: pool.max_client_conn: must be at least 1`,
			`8: pool.max_logins: must be at least 1`,
			`9: pool.max_pools: must be at least 1`,
		}},
		{"of routes", `
[pool]
min_pool_size = 5
[[route]]
database = "a"
pool_mode = ""
pool_size = 4
[[route]]
database = "b"
min_pool_size = 21
[[route]]
pool_size = 262144
`, []string{
			`6: route[1].pool_mode: must be one of session, transaction, statement, not ""`,
			`7: route[1].pool_size: must be at least min_pool_size, which is 5`,
			`10: route[2].min_pool_size: must be at most pool_size, which is 20`,
			`12: route[3].pool_size: must be at most 262143`,
		}},
		{"least more than most", `pool = {min_pool_size = 30}`, []string{
			`1: pool.min_pool_size: must be at most pool_size, which is 20`,
		}},
		{"times", `
[pool]
client_login_timeout = "0s"
client_stall_timeout = "-1s"
query_wait_timeout = "-1s"
query_wait_notify = "-1s"
server_connect_timeout = "0"
server_idle_timeout = "-1s"
server_lifetime = "-1s"
cancel_wait_timeout = "-1s"
shutdown_delay = "-1s"
shutdown_timeout = "-1s"
server_check_delay = "-1s"
tcp_keepalive = "-1s"
tcp_user_timeout = "999ms"
`, []string{
			`3: pool.client_login_timeout: must be more than 0`,
			`4: pool.client_stall_timeout: must be at least 0`,
			`5: pool.query_wait_timeout: must be at least 0`,
			`6: pool.query_wait_notify: must be at least 0`,
			`7: pool.server_connect_timeout: must be more than 0`,
			`8: pool.server_idle_timeout: must be at least 0`,
			`9: pool.server_lifetime: must be at least 0`,
			`10: pool.cancel_wait_timeout: must be more than 0`,
			`11: pool.shutdown_delay: must be at least 0`,
			`12: pool.shutdown_timeout: must be at least 0`,
			`13: pool.server_check_delay: must be at least 0`,
			`14: pool.tcp_keepalive: must be 0 or at least 1s`,
			`15: pool.tcp_user_timeout: must be 0 or at least 1s`,
		}},
		{"times that nobody means", `
[pool]
client_login_timeout = "1ns"
query_wait_timeout = "999us"
server_lifetime = "1ms"
`, []string{
			`3: pool.client_login_timeout: must be at least 1ms`,
			`4: pool.query_wait_timeout: must be 0 or at least 1ms`,
		}},
		{"more logins than clients", "[pool]\nmax_logins = 11\nmax_client_conn = 10", []string{
			`2: pool.max_logins: must be at most max_client_conn, which is 10`,
		}},
		{"more logins than a number of clients that is at fault itself", "[pool]\nmax_logins = 11\nmax_client_conn = 0", []string{
			`3: pool.max_client_conn: must be at least 1`,
		}},
		{"more logins than a number of clients that could not be read", "[pool]\nmax_logins = 20000\nmax_client_conn = 'many'", []string{
			`3: pool.max_client_conn: must be a whole number, not a string`,
		}},
		{"few clients, and the number of logins left to the default", "[pool]\nmax_client_conn = 10", nil},
		{"log", "[log]\nlevel = 'trace'\nformat = 'xml'", []string{
			`2: log.level: must be one of debug, info, warn, error, not "trace"`,
			`3: log.format: must be one of text, json, not "xml"`,
		}},
	})
}

func TestOnlyTCPAddressesAreShared(t *testing.T) {
	inFolder(t)
	const socket = "[[listener]]\naddress = \"unix:/run/portero\"\nreuse_port = true\n[auth]\nmethod = \"trust\"\n"
	if _, err := loadText(t, socket); err == nil || !strings.Contains(err.Error(), ":3: listener[1].reuse_port: has no use on a Unix socket") {
		t.Errorf("%v", err)
	}
}
