package metrics

import (
	"net/netip"
	"time"
)

// ClientState is a client at one moment.
type ClientState struct {
	ID       uint64 // its number, as in KILL_CLIENT
	User     string
	Database string // as the client names it

	// State is, in PgBouncer's words, active (has a server), idle, waiting,
	// active_cancel_req or waiting_cancel_req.
	State string

	Address     netip.AddrPort // zero: by a Unix socket
	Local       netip.AddrPort // zero: likewise
	Connected   time.Time
	Requested   time.Time     // when it began what it is at or was at last; zero: never
	Wait        time.Duration // it has waited for a server for so long; 0: it does not
	Link        uint64        // number of its server; 0: none
	RemotePID   int           // of the client's process, by a Unix socket; 0: not known
	TLS         string        // version and cipher, "TLSv1.3/TLS_AES_128_GCM_SHA256"; "": none
	Application string        // application_name
	Statements  int           // prepared statements
	Pins        string        // why it keeps its server, separated by commas
	Role        string        // of its route
	Replication string        // logical or physical; "": it does not replicate
	Group       int           // where it is, or was last
	Member      string        // of its server; "": it has none
}

// ServerState is a server at one moment.
type ServerState struct {
	ID       uint64
	User     string
	Database string // as PoolState.Name

	// State is, in PgBouncer's words, active, idle, tested or being_canceled.
	State string

	Address, Local       netip.AddrPort
	Connected, Requested time.Time // when it was opened, and last lent to a client; zero: never
	CloseNeeded          bool      // it is closed when it comes back
	Link                 uint64    // number of its client; 0: none
	RemotePID            int       // its backend
	TLS                  string    // as ClientState.TLS
	Application          string    // application_name
	Statements           int       // prepared statements
	Member               string
	Role                 string // of its pool
	Replication          string // as ClientState.Replication
	Group                int    // likewise
}
