package admin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"portero/metrics"
)

// poolState is a pool: how full it is, and what it has done since it was made.
type poolState struct {
	ID       int    `json:"id"` // of this pool, as long as the process runs
	Cluster  string `json:"cluster"`
	Group    int    `json:"group"`
	Role     string `json:"role"`
	Mode     string `json:"mode"`
	Database string `json:"database"` // as clients name it
	Server   string `json:"server_database,omitempty"`
	User     string `json:"user"`
	Paused   bool   `json:"paused,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`

	Clients   int     `json:"clients"`
	Active    int     `json:"clients_active"`
	Waiting   int     `json:"clients_waiting"`
	MaxWait   float64 `json:"max_wait_ms"`
	Why       string  `json:"why,omitempty"` // they wait
	Listeners int     `json:"listeners,omitempty"`
	Channels  int     `json:"channels,omitempty"`

	ServersActive  int `json:"servers_active"`
	ServersIdle    int `json:"servers_idle"`
	ServersOpening int `json:"servers_opening"`
	Size           int `json:"pool_size"`
	MinSize        int `json:"min_pool_size,omitempty"`

	Transactions  uint64        `json:"transactions"`
	Queries       uint64        `json:"queries"`
	Repeated      uint64        `json:"repeated,omitempty"`
	Received      uint64        `json:"bytes_received"`
	Sent          uint64        `json:"bytes_sent"`
	TransactionUS int64         `json:"transaction_us"`
	QueryUS       int64         `json:"query_us"`
	Waits         uint64        `json:"waits"`
	WaitUS        int64         `json:"wait_us"`
	Errors        []reasonCount `json:"errors,omitempty"`
	Pins          []pinCount    `json:"pins,omitempty"`
}

// pinCount is why clients keep their servers.
type pinCount struct {
	Reason  string `json:"reason"`
	Clients int    `json:"clients"` // now
	Times   uint64 `json:"times"`
}

// newPool is p as a row. The groups are those of the same snapshot.
func newPool(id int, p *metrics.PoolState, groups []metrics.GroupState) poolState {
	t := p.Totals()
	row := poolState{
		ID: id, Cluster: p.Labels.Cluster, Group: p.Labels.Group, Role: p.Labels.Role, Mode: p.Labels.Mode,
		Database: databaseOf(p), User: p.Labels.User, Paused: p.Paused, Disabled: p.Disabled,
		Clients: max(p.Clients, p.ClientsActive+p.ClientsWaiting), Active: p.ClientsActive, Waiting: p.ClientsWaiting, MaxWait: inMS(p.MaxWait),
		Why: whyWaiting(p, groups), Listeners: p.Listeners, Channels: p.Channels,
		ServersActive: p.ServersActive, ServersIdle: p.ServersIdle, ServersOpening: p.ServersOpening, Size: p.Size, MinSize: p.MinSize,
		Transactions: t.Transactions, Queries: t.Queries, Repeated: t.Repeated, Received: t.BytesReceived, Sent: t.BytesSent,
		TransactionUS: t.TransactionTime.Microseconds(), QueryUS: t.QueryTime.Microseconds(), Waits: t.Waits, WaitUS: t.WaitTime.Microseconds(),
		Errors: nonZero(t.Errors), Pins: pinCounts(p.Pins),
	}
	if row.Database != p.Labels.Database {
		row.Server = p.Labels.Database
	}
	return row
}

func pinCounts(pins map[string]metrics.PinState) (all []pinCount) {
	for _, reason := range slices.Sorted(maps.Keys(pins)) {
		all = append(all, pinCount{reason, pins[reason].Clients, pins[reason].Times})
	}
	slices.SortStableFunc(all, func(a, b pinCount) int { return cmp.Compare(b.Clients, a.Clients) })
	return all
}

// whyWaiting says why the clients in p's queue wait; "" if there are none.
func whyWaiting(p *metrics.PoolState, groups []metrics.GroupState) string {
	if p.ClientsWaiting == 0 {
		return ""
	}
	if p.Paused {
		return "paused by an operator"
	}
	if held := heldBy(p, groups); held != "" {
		return held
	}
	servers := serversOf(p)
	switch {
	case p.ServersOpening > 0 && p.ServersOpening == servers:
		return "the first server is being opened"
	case p.Size > 0 && servers >= p.Size:
		return allInUse(p)
	case p.ServersOpening > 0:
		return fmt.Sprintf("%d more being opened", p.ServersOpening)
	case servers == 0:
		return "no server is open: see its errors, and the log"
	}
	return "a limit on servers beyond pool_size, or their turn"
}

// heldBy is why clients of role leader are held.
func heldBy(p *metrics.PoolState, groups []metrics.GroupState) string {
	if p.Labels.Role != "leader" {
		return ""
	}
	for i := range groups {
		if g := &groups[i]; g.Cluster == p.Labels.Cluster && g.Group == p.Labels.Group && g.Held != "" {
			return "held: " + g.Held
		}
	}
	return ""
}

// allInUse tells of pins too: a client may have several, so that the largest number counts.
func allInUse(p *metrics.PoolState) string {
	pinned := 0
	for _, pin := range p.Pins {
		pinned = max(pinned, pin.Clients)
	}
	words := fmt.Sprintf("all %d servers are in use", p.Size)
	if p.Size == 1 {
		words = "the only server is in use"
	}
	if pinned > 0 {
		words += fmt.Sprintf(", %d by pinned clients", pinned)
	}
	return words
}
