package metrics

import "time"

// DatabaseState is a database as clients name it, with what its routes say of it.
type DatabaseState struct {
	Name     string
	Host     string // where it is, in one word that no failover changes; "" = it is not known
	Port     int    // of Host; 0 = that has none
	Database string // as the servers name it

	ForceUser      string // "" = each client's own
	PoolSize       int    // servers per pool
	MinPoolSize    int
	ReserveSize    int
	ServerLifetime time.Duration
	PoolMode       string // "" = the one for all

	MaxServers int // of all its pools; 0 = no limit
	MaxClients int // 0 = no limit
}

// UserState is what the configuration says of a user.
type UserState struct {
	Name        string
	PoolSize    int    // 0 = as the route says
	ReserveSize int    // negative = as the route says
	PoolMode    string // "" = as the route says
	MaxServers  int    // 0 = no limit
	MaxClients  int    // 0 = no limit
}
