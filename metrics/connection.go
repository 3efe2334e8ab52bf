package metrics

import (
	"net/netip"
	"time"
)

// ClientState is a client at one moment.
type ClientState struct {
	ID           uint64         // its number, as in KILL_CLIENT
	User         string         // as it named itself
	Database     string         // as the client names it
	State        string         // active (has a server) | idle | waiting | active_cancel_req | waiting_cancel_req
	Address      netip.AddrPort // zero: by a Unix socket
	Local        netip.AddrPort // zero: likewise
	Connected    time.Time
	Requested    time.Time     // when it began what it is at or was at last; zero: never
	Wait         time.Duration // it has waited for a server for so long; 0: it does not
	Link         uint64        // number of its server; 0: none
	RemotePID    int           // of the client's process, by a Unix socket; 0: not known
	TLS          string        // as "TLSv1.3/TLS_AES_128_GCM_SHA256"; "" = none
	Application  string        // application_name
	Statements   int           // prepared statements
	Pins         string        // why it keeps its server, comma separated
	Role, Member string        // role of its route; member of its server
}

// ServerState is a server at one moment.
type ServerState struct {
	ID                   uint64
	User                 string
	Database             string // as clients name it
	State                string // active | idle | used | tested | new | active_cancel | being_canceled
	Address, Local       netip.AddrPort
	Connected, Requested time.Time
	CloseNeeded          bool
	Link                 uint64 // number of its client; 0: none
	RemotePID            int    // its backend
	TLS                  string
	Application          string
	Statements           int
	Member               string
	Role                 string
}
