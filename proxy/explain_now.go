package proxy

import (
	"errors"
	"time"

	"portero/config"
	"portero/pool"
	"portero/wire"
)

// Present is what a client would meet in a Portero that runs.
type Present struct {
	Refused *Refusal    `json:"refused,omitempty"` // by what is in force besides the configuration; nil: it gets in
	Leader  string      `json:"leader,omitempty"`  // "" = none, or hosts are asked and have not told
	Epoch   uint64      `json:"epoch"`
	Held    string      `json:"held,omitempty"` // why it would wait, whatever is free
	Members []MemberNow `json:"members"`
	Groups  []GroupNow  `json:"groups,omitempty"` // of which each transaction gets one; the rest is then about the coordinator
	Pool    *PoolNow    `json:"pool,omitempty"`   // nil: there is none yet
}

// MemberNow is a member of the group that the route leads to.
type MemberNow struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Role    string `json:"role,omitempty"`
	State   string `json:"state,omitempty"`
	Leads   bool   `json:"leads"`
	Fits    bool   `json:"fits"`             // it may serve the pool
	Why     string `json:"why,omitempty"`    // it does not fit, or others are asked before it
	LagMS   *int64 `json:"lag_ms,omitempty"` // behind the leader; nil: not measured
	Servers int    `json:"servers"`          // of the pool, also those on their way
}

// PoolNow is a pool that there is.
type PoolNow struct {
	Candidate     bool   `json:"candidate"` // no server has let it in yet
	Clients       int    `json:"clients"`
	Waiting       int    `json:"waiting"`
	MaxWaitMS     int64  `json:"max_wait_ms"`
	ServersActive int    `json:"servers_active"`
	ServersIdle   int    `json:"servers_idle"`
	ServersOpen   int    `json:"servers_opening"`
	Size          int    `json:"pool_size"`
	Pins          int    `json:"pinned"`
	Order         string `json:"order,omitempty"` // paused, disabled
}

// present looks at what a client would meet that is routed so.
func (p *Proxy) present(x *explainer, t target, r *config.Route) *Present {
	seen := p.pools.Prospect(x.Database, t.key)
	out := &Present{Leader: seen.Leader, Epoch: seen.Epoch, Held: seen.Held, Members: []MemberNow{}}
	if e := p.noRoom(x, t, r, &seen); e != nil {
		out.Refused = &Refusal{By: "limit", Code: e.Code, Message: e.Message, Hint: e.Hint}
	}
	for _, m := range seen.Members {
		one := MemberNow{Name: m.Name, Address: m.Address, Role: m.Role, State: m.State, Leads: m.Name == seen.Leader, Fits: m.Fits, Why: m.Why, Servers: m.Servers}
		if m.Measured {
			lag := m.LagTime.Milliseconds()
			one.LagMS = &lag
		}
		out.Members = append(out.Members, one)
	}
	out.Pool = poolNow(&seen)
	if t.reach != "" {
		p.spreadNow(out, x, t, r)
	}
	return out
}

// noRoom is what the client would be refused with, in the order in which a login asks: nil for
// nothing.
func (p *Proxy) noRoom(x *explainer, t target, r *config.Route, seen *pool.Prospect) (said *wire.Error) {
	switch {
	case p.draining.Load():
		return errShutdown()
	case p.gate.isFull():
		return errTooManyClients()
	}
	err := p.census.full(x.User, realmOf(t.key), x.cfg.User(x.User).MaxUserClientConnections, r.MaxDBClientConnections)
	if errors.As(err, &said) {
		return said
	}
	return seen.Refused
}

// isFull reports whether there is no place for another client.
func (g *gate) isFull() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.clients >= g.room.Clients
}

func poolNow(seen *pool.Prospect) *PoolNow {
	s := seen.Pool
	if s == nil {
		return nil
	}
	out := &PoolNow{Candidate: !seen.Known, Clients: s.Clients, Waiting: s.ClientsWaiting, MaxWaitMS: int64(s.MaxWait / time.Millisecond),
		ServersActive: s.ServersActive, ServersIdle: s.ServersIdle, ServersOpen: s.ServersOpening, Size: s.Size}
	for _, pin := range s.Pins {
		out.Pins += pin.Clients
	}
	switch {
	case s.Paused:
		out.Order = "paused"
	case s.Disabled:
		out.Order = "disabled"
	}
	return out
}
