package config

import "time"

// Config is the whole of proxy.toml. Load returns it checked and complete:
// no list is empty, and each file name can be opened as it stands.
type Config struct {
	Loops     Loops      `toml:"loops"`    // event loops; "auto" = one per core that the process may use
	Zone      string     `toml:"zone"`     // where this Portero runs: of members that serve as well, those whose tag zone says the same come first; "" = not told
	Admin     Admin      `toml:"admin"`    // HTTP for operators and Prometheus
	Listeners []Listener `toml:"listener"` // where clients connect
	Clusters  []Cluster  `toml:"cluster"`  // where servers are
	Routes    []Route    `toml:"route"`    // which client goes where; first match wins
	Pool      Pool       `toml:"pool"`     // defaults of all routes, and limits
	Users     []User     `toml:"user"`     // what is different for some users
	Auth      Auth       `toml:"auth"`     // how clients prove themselves
	Log       Log        `toml:"log"`
}

// Loops is how many event loops run; 0 means one per core ("auto").
type Loops int

// StaleLeaderLimit is how long a leader is used after it was last confirmed; 0
// means Patroni's own ttl - loop_wait ("auto").
type StaleLeaderLimit time.Duration

// Admin is the HTTP side, /metrics, /livez, /readyz and the status page, and who may use the
// console, which is database pgbouncer on every listener.
type Admin struct {
	Address    string   `toml:"address"`     // host:port; "" turns it off
	Takeover   string   `toml:"takeover"`    // Unix socket at which the next process takes over; "" = it does not
	Users      []string `toml:"users"`       // who may give every command on the console
	StatsUsers []string `toml:"stats_users"` // who may look at it

	PgBouncerMetrics bool `toml:"pgbouncer_metrics"` // /metrics has the series of pgbouncer_exporter too
}

// Log says how much is written to standard error.
type Log struct {
	Level       string `toml:"level"`       // debug | info | warn | error
	Format      string `toml:"format"`      // text | json
	Connections bool   `toml:"connections"` // a line when a client's session begins and ends

	StatsPeriod time.Duration `toml:"stats_period"` // a line with averages after each; the console's are over the same; 0 = no line
}

// Listener is one address that clients connect to.
type Listener struct {
	Address   string      `toml:"address"` // host:port, or unix:DIRECTORY (socket .s.PGSQL.6432, as libpq looks for it), or unix:/path/.s.PGSQL.port
	TLS       ListenerTLS `toml:"tls"`
	Role      string      `toml:"role"`       // default role of routes reached through it: leader | replica | prefer-replica | any; "" = none of its own
	ReusePort bool        `toml:"reuse_port"` // several processes may listen there, among whom the kernel shares out who comes; not for unix:
}

// ListenerTLS is the certificate shown to clients. No Cert means no TLS.
type ListenerTLS struct {
	Cert     string `toml:"cert"`      // PEM file
	Key      string `toml:"key"`       // PEM file
	ClientCA string `toml:"client_ca"` // PEM file; nobody gets in without TLS and a certificate signed by it
	Mode     string `toml:"mode"`      // disable | prefer | require; with ClientCA always require
}

// Cluster is one Postgres cluster and the way to find its members. Settings
// marked with a kind of discovery are faults with the other kind.
type Cluster struct {
	Name      string    `toml:"name"`      // unique
	Discovery string    `toml:"discovery"` // patroni | static (yugabyte: not in this version)
	Etcd      Etcd      `toml:"etcd"`      // patroni
	Namespace string    `toml:"namespace"` // patroni; default "/service"
	Scope     string    `toml:"scope"`     // patroni
	Citus     bool      `toml:"citus"`     // patroni: groups under the scope, 0 = coordinator
	Hosts     []string  `toml:"hosts"`     // static: host:port
	TLS       ServerTLS `toml:"tls"`       // to the PostgreSQL servers
	REST      ClientTLS `toml:"rest"`      // patroni: to its REST interface, which is asked while etcd is out of reach

	StaleLeaderLimit StaleLeaderLimit `toml:"stale_leader_limit"` // patroni: clients are held from then on until etcd, or Patroni's REST interface, confirms the leader
}

// Etcd is how to reach the etcd that Patroni keeps its keys in.
type Etcd struct {
	Endpoints []string  `toml:"endpoints"` // host:port or http(s)://host:port
	Username  string    `toml:"username"`
	Password  string    `toml:"password"`
	TLS       ClientTLS `toml:"tls"`
}

// ClientTLS secures the way to etcd or to Patroni's REST interface. Empty: no TLS
// to etcd, unless an endpoint says https; to Patroni as its member keys say.
type ClientTLS struct {
	CA         string `toml:"ca"`   // PEM file; "" = the system's
	Cert       string `toml:"cert"` // PEM file, client certificate
	Key        string `toml:"key"`  // PEM file
	ServerName string `toml:"server_name"`
}

// ServerTLS secures the way to the PostgreSQL servers; the words are libpq's.
// A CA that is given is verified in every mode.
type ServerTLS struct {
	Mode string `toml:"mode"` // disable | prefer | require | verify-ca (the chain) | verify-full (and the name)
	CA   string `toml:"ca"`   // PEM file; "" = with verify-full the system's, else no certificate is verified
	Cert string `toml:"cert"` // PEM file, client certificate
	Key  string `toml:"key"`  // PEM file
}

// Route sends clients that match to a group of a cluster. Fields left out of
// the file take the [pool] section's value; Load fills them in.
type Route struct {
	Name        string `toml:"name"`          // unique; "" in the file = what it asks of its clients, as app/bob@:6432
	Listener    string `toml:"listener"`      // Address of a listener, letter for letter, or "*"
	Database    string `toml:"database"`      // as the client names it, or "*"
	User        string `toml:"user"`          // or "*"
	Cluster     string `toml:"cluster"`       // Name of a cluster; may be left out of the file where there is only one
	Group       int    `toml:"group"`         // Citus group; 0 for plain clusters; AnyGroup ("any") = each transaction gets one of Groups
	Groups      []int  `toml:"groups"`        // with AnyGroup: those that clients are spread over; empty = all that discovery knows
	Weights     []int  `toml:"weights"`       // with Groups, one for each: how many of its servers count as one of a group of weight 1; empty = 1 each
	Role        string `toml:"role"`          // leader | replica | prefer-replica | any; "" = the listener's, else leader: ask Config.RouteRole
	DBName      string `toml:"dbname"`        // as the server names it; "" = as the client did
	PoolMode    string `toml:"pool_mode"`     // as in Pool
	PoolSize    int    `toml:"pool_size"`     // as in Pool
	MinPoolSize int    `toml:"min_pool_size"` // as in Pool

	Readiness bool `toml:"readiness"` // /readyz says no while no leader serves the route's clients; false: only who asks for the route by its name is told

	MaxLag         time.Duration `toml:"max_lag"`          // as in Pool
	PinPolicy      string        `toml:"pin_policy"`       // as in Pool
	PinIdleTimeout time.Duration `toml:"pin_idle_timeout"` // as in Pool
	MaxPinned      int           `toml:"max_pinned"`       // as in Pool

	ServerUser     string `toml:"server_user"`     // who all clients of the route are to the server; "" = who they are to us
	ServerPassword string `toml:"server_password"` // ServerUser's; "" = as the user file says, if it does
	ConnectQuery   string `toml:"connect_query"`   // run on each new server before its first client; "" = none

	ReservePoolSize        int           `toml:"reserve_pool_size"`         // as in Pool
	MaxDBConnections       int           `toml:"max_db_connections"`        // as in Pool
	MaxDBClientConnections int           `toml:"max_db_client_connections"` // as in Pool
	ServerLifetime         time.Duration `toml:"server_lifetime"`           // as in Pool
}

// User is what is different for one user. Fields left out of the file take the
// [pool] section's value, but for the first three, which are then the route's;
// Load fills them in. Ask Config.User and Config.Sizes.
//
// Whose servers are limited, how big a pool is, and its PoolMode, go by who its
// servers are logged in as; all else by who the client is.
type User struct {
	Name                     string        `toml:"name"`                        // unique
	PoolMode                 string        `toml:"pool_mode"`                   // as in Pool; "" = the route's
	PoolSize                 int           `toml:"pool_size"`                   // as in Pool; 0 = the route's
	ReservePoolSize          int           `toml:"reserve_pool_size"`           // as in Pool; -1 = the route's
	MaxUserConnections       int           `toml:"max_user_connections"`        // as in Pool
	MaxUserClientConnections int           `toml:"max_user_client_connections"` // as in Pool
	QueryTimeout             time.Duration `toml:"query_timeout"`               // as in Pool
	TransactionTimeout       time.Duration `toml:"transaction_timeout"`         // as in Pool
	IdleTransactionTimeout   time.Duration `toml:"idle_transaction_timeout"`    // as in Pool
	ClientIdleTimeout        time.Duration `toml:"client_idle_timeout"`         // as in Pool
	QueryWaitTimeout         time.Duration `toml:"query_wait_timeout"`          // as in Pool
}

// Pool holds the defaults of all routes, and the limits of the process. Where
// no meaning of 0 is given, Load refuses it.
type Pool struct {
	PoolMode                string        `toml:"pool_mode"`                  // session | transaction | statement
	PoolSize                int           `toml:"pool_size"`                  // servers per pool
	MinPoolSize             int           `toml:"min_pool_size"`              // servers kept open per pool that has been used
	MaxLag                  time.Duration `toml:"max_lag"`                    // a replica that is further behind its leader serves nobody; 0 = no bound. Not for role leader
	PinPolicy               string        `toml:"pin_policy"`                 // pin | error | allow: what becomes of what a client cannot take to another server, in transaction and statement mode
	PinIdleTimeout          time.Duration `toml:"pin_idle_timeout"`           // a client that is pinned to its server and asks nothing of it is closed after this; 0 = never
	MaxPinned               int           `toml:"max_pinned"`                 // clients per pool that may be pinned at a time; 0 = no limit
	MaxClientConn           int           `toml:"max_client_conn"`            // clients from accept to end, all listeners together
	MaxLogins               int           `toml:"max_logins"`                 // of these, those that have not logged in yet; the one that has been silent for longest gives way
	MaxPools                int           `toml:"max_pools"`                  // pools, with those that no server has let in yet
	MaxPreparedStatements   int           `toml:"max_prepared_statements"`    // prepared statements that a server keeps in transaction and statement mode; those used last stay
	MaxClientStatements     int           `toml:"max_client_statements"`      // prepared statements of one client there
	MaxClientStatementBytes int           `toml:"max_client_statement_bytes"` // their names and texts
	MaxStatementBytes       int           `toml:"max_statement_bytes"`        // the texts of all clients' statements, equal ones on a loop counted once; each loop has its share
	MaxClientSettingBytes   int           `toml:"max_client_setting_bytes"`   // names and values of what a client has set there; at more it keeps its server
	ClientLoginTimeout      time.Duration `toml:"client_login_timeout"`       // from accept to a complete login
	ClientStallTimeout      time.Duration `toml:"client_stall_timeout"`       // a client that does not read what it asked for, while it holds a server; 0 = no limit
	QueryWaitTimeout        time.Duration `toml:"query_wait_timeout"`         // longest wait for a server; 0 = no limit
	QueryWaitNotify         time.Duration `toml:"query_wait_notify"`          // a NOTICE to the client that has waited so long; 0 = none
	SwitchoverDrain         time.Duration `toml:"switchover_drain"`           // longest time for which an announced switchover holds new transactions while the old leader still leads; 0 = it does not
	ResolveCommits          bool          `toml:"resolve_commits"`            // find out on the new leader what has become of commits whose server was lost
	ServerConnectTimeout    time.Duration `toml:"server_connect_timeout"`     // dial, TLS, login and proof together
	ServerIdleTimeout       time.Duration `toml:"server_idle_timeout"`        // idle servers are closed after this; 0 = never
	ServerLifetime          time.Duration `toml:"server_lifetime"`            // servers are closed, when free, after this; 0 = never
	ServerCheckDelay        time.Duration `toml:"server_check_delay"`         // a server that has been idle for so long is asked for a sign of life, in the background; 0 = never
	TCPKeepalive            time.Duration `toml:"tcp_keepalive"`              // a TCP connection that is silent for so long is probed, and ended when it has been for twice as long; 0 = never
	TCPUserTimeout          time.Duration `toml:"tcp_user_timeout"`           // a TCP peer that acknowledges nothing of what it is sent for so long is given up; 0 = when the kernel does, some 15 minutes
	CancelWaitTimeout       time.Duration `toml:"cancel_wait_timeout"`        // longest time given to one cancel request
	ShutdownDelay           time.Duration `toml:"shutdown_delay"`             // after TERM all clients are served on for so long, new ones too, and only /readyz says no
	ShutdownTimeout         time.Duration `toml:"shutdown_timeout"`           // behind ShutdownDelay, for transactions to finish; 0 = they are cut at once

	ReservePoolSize          int           `toml:"reserve_pool_size"`           // servers per pool beyond PoolSize, opened when a client has waited for ReservePoolTimeout
	ReservePoolTimeout       time.Duration `toml:"reserve_pool_timeout"`        // see there
	MaxDBConnections         int           `toml:"max_db_connections"`          // servers per database of a group, over all pools; 0 = no limit
	MaxUserConnections       int           `toml:"max_user_connections"`        // servers per user that they are logged in as, over all pools and clusters; 0 = no limit
	MaxDBClientConnections   int           `toml:"max_db_client_connections"`   // clients per database of a group; 0 = no limit
	MaxUserClientConnections int           `toml:"max_user_client_connections"` // clients per user; 0 = no limit

	QueryTimeout           time.Duration `toml:"query_timeout"`            // a client is closed whose server answers its last request for longer than this, or that waits so long for one; 0 = never
	TransactionTimeout     time.Duration `toml:"transaction_timeout"`      // a client is closed whose transaction goes on for longer; 0 = never
	IdleTransactionTimeout time.Duration `toml:"idle_transaction_timeout"` // a client is closed that asks nothing for so long within a transaction; 0 = never
	ClientIdleTimeout      time.Duration `toml:"client_idle_timeout"`      // a client is closed that asks nothing for so long between two transactions; 0 = never

	ServerResetQuery       string `toml:"server_reset_query"`        // run on a server whose client has gone, in session mode; "" = none
	ApplicationNameAddHost bool   `toml:"application_name_add_host"` // a client's address is added to its application_name
}

// Auth says how clients prove who they are: all of them by one method, or each
// by the first rule that matches, of Rules or of HBAFile.
type Auth struct {
	Method    string     `toml:"method"`     // trust | password | md5 | scram-sha-256 | cert | ldap | pam; without rules only
	Options   []string   `toml:"options"`    // of method ldap or pam, as name=value behind the method in a pg_hba.conf; without rules only
	Users     string     `toml:"users"`      // user file in PgBouncer's format; "" = none, where nobody is asked for a password
	HBAFile   string     `toml:"hba_file"`   // rules in the format of PostgreSQL's pg_hba.conf; "" = none
	IdentFile string     `toml:"ident_file"` // user name maps in the format of pg_ident.conf; "" = none
	Rules     []AuthRule `toml:"rule"`       // rules written here; not with HBAFile

	Query         string        `toml:"query"`          // asks the leader for the secret of a user, $1, who is not in the user file; two columns: name, secret
	QueryUser     string        `toml:"query_user"`     // asks it, with the user file's secret if it has one; "" = nobody is asked for
	QueryDatabase string        `toml:"query_database"` // is where it is asked; "" = in the database that the client's route leads to
	QueryMaxAge   time.Duration `toml:"query_max_age"`  // for so long an answer lets its user in while no leader can be asked; 0 = not at all
}

// AuthRule is a line of a pg_hba.conf in other clothes. Package auth says what
// is wrong with the words in it.
type AuthRule struct {
	Type       string   `toml:"type"`       // local | host | hostssl | hostnossl
	Database   []string `toml:"database"`   // names, all, sameuser, /regular expression
	User       []string `toml:"user"`       // names, all, /regular expression
	Address    string   `toml:"address"`    // CIDR, all, samehost, samenet; all but type local
	Method     string   `toml:"method"`     // trust | reject | password | md5 | scram-sha-256 | cert | peer | ldap | pam
	Options    []string `toml:"options"`    // of method ldap or pam, as name=value behind the method in a pg_hba.conf
	Map        string   `toml:"map"`        // name of a map in IdentFile, for cert and peer; "" = the names must be equal
	ClientCert string   `toml:"clientcert"` // verify-ca | verify-full, beside another method; "" = what the listener asks for
	ClientName string   `toml:"clientname"` // what of a certificate is the user: CN | DNS | email; "" = CN
}
