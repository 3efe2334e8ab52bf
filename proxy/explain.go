package proxy

import (
	"slices"

	"portero/auth"
	"portero/config"
)

// Newcomer is a client that could come.
type Newcomer struct {
	Database    string `json:"database"` // as it names it; "" = as the user
	User        string `json:"user"`
	From        string `json:"from,omitempty"`        // an IP address, or local: by Unix socket; "" = this host
	Listener    string `json:"listener,omitempty"`    // its address in the configuration; "" = any that can be meant
	TLS         string `json:"tls,omitempty"`         // yes | no; "" = where the listener offers it
	Application string `json:"application,omitempty"` // its application_name
	Replication string `json:"replication,omitempty"` // its parameter of that name: database, or a boolean; "" = not given
}

// FromLocal is a Newcomer's From for a client that comes by Unix socket.
const FromLocal = "local"

// Explanation is what a client would get, and why. It holds no secret.
type Explanation struct {
	Newcomer
	Config  string   `json:"config,omitempty"`  // the file that says so; "" = the environment alone
	Running *Running `json:"running,omitempty"` // the Portero that says so; nil: it is read from the file
	Answers []Answer `json:"answers"`           // one where all listeners give the same
}

// Running is a Portero that runs.
type Running struct {
	Version string `json:"version"`
	Loaded  string `json:"loaded"` // when it has read its configuration
}

// Answer is what a client gets on some listeners. Behind a refusal nothing follows.
type Answer struct {
	Listeners   []Entrance     `json:"listeners"`
	Rule        *auth.Ruling   `json:"rule,omitempty"`    // nil: none was asked
	Console     string         `json:"console,omitempty"` // admin | stats: the database is the console; the rest is left out
	Skipped     []auth.Skipped `json:"skipped_routes,omitempty"`
	Route       *ChosenRoute   `json:"route,omitempty"`
	Pool        *PoolKey       `json:"pool,omitempty"`
	Settings    []Setting      `json:"settings,omitempty"`
	ServerLogin string         `json:"server_login,omitempty"`
	Refused     *Refusal       `json:"refused,omitempty"` // nil: it gets in, if it proves itself
	Now         *Present       `json:"now,omitempty"`     // nil: only a Portero that runs knows
}

// Entrance is a listener as the client meets it.
type Entrance struct {
	Address string `json:"address"`
	Place   string `json:"place,omitempty"` // where it is given
	From    string `json:"from"`            // the client's address there, or local
	TLS     bool   `json:"tls"`             // the client's
	Demands string `json:"demands"`         // what the listener has to say of TLS
}

// ChosenRoute is the one that the client belongs to.
type ChosenRoute struct {
	Number int    `json:"number"` // from 1
	Name   string `json:"name"`
	Words  string `json:"words"`
	Place  string `json:"place,omitempty"`
}

// PoolKey is what tells pools apart.
type PoolKey struct {
	Cluster  string `json:"cluster"`
	Group    int    `json:"group"`            // with Spread, that of the coordinator
	Spread   string `json:"spread,omitempty"` // the groups of which each transaction gets one; "" = there is only the one
	Role     string `json:"role"`
	MaxLag   string `json:"max_lag,omitempty"`
	Mode     string `json:"pool_mode"`
	Database string `json:"database"` // as the server names it
	User     string `json:"user"`     // that the server knows
	Citus    string `json:"citus,omitempty"`
}

// Refusal is why a client does not get in.
type Refusal struct {
	By      string `json:"by"`             // listener | rule | route | console | limit
	Code    string `json:"code,omitempty"` // SQLSTATE that it is told; "" = it goes by itself
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Why     string `json:"why,omitempty"` // what it is not told
}

// Refused reports whether the client gets in nowhere.
func (e *Explanation) Refused() bool {
	return !slices.ContainsFunc(e.Answers, func(a Answer) bool { return a.Refused == nil && (a.Now == nil || a.Now.Refused == nil) })
}

// Explain says what a client would get by a configuration, by the functions that decide it for
// those who come. An error says what is wrong with the question.
func Explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Newcomer) (Explanation, error) {
	return explain(cfg, a, from, q, nil)
}

// Explain says what a client would get that came now. The configuration is that in force.
func (p *Proxy) Explain(cfg *config.Config, a *auth.Authenticator, from *config.Origins, q Newcomer) (Explanation, error) {
	return explain(cfg, a, from, q, p)
}
