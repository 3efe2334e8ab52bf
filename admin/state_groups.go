package admin

import (
	"slices"

	"portero/metrics"
)

// groupState is a group and its members.
type groupState struct {
	Cluster      string        `json:"cluster"`
	Group        int           `json:"group"`
	Leader       string        `json:"leader"` // "": nobody leads
	Epoch        uint64        `json:"epoch"`
	EpochChanges uint64        `json:"epoch_changes"`
	Timeline     int64         `json:"timeline"` // 0: not known
	Leaderless   float64       `json:"leaderless_s"`
	Held         string        `json:"held"` // why clients that need the leader wait; "": they do not
	HeldSeconds  float64       `json:"held_s"`
	Notes        []string      `json:"notes"` // what else an operator should know
	Members      []memberState `json:"members"`

	Transactions metrics.Outcomes `json:"transactions"`        // that met the loss of their server
	AllWrite     bool             `json:"all_write,omitempty"` // every member takes writes, and nobody is to lead
}

type memberState struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	Role     string `json:"role"`
	State    string `json:"state"`
	Leads    bool   `json:"leads"`
	Timeline int64  `json:"timeline"`
	Lag      *int64 `json:"lag"`    // bytes; null: not known
	LagMS    *int64 `json:"lag_ms"` // as Portero measures it; null: it does not
	Host     string `json:"host"`   // "": not known
	Zone     string `json:"zone"`   // "": not told
	Servers  int    `json:"servers"`
}

func newGroups(all []metrics.GroupState) []groupState {
	groups := []groupState{}
	for _, g := range slices.SortedFunc(slices.Values(all), metrics.CompareGroups) {
		groups = append(groups, groupState{
			Cluster: g.Cluster, Group: g.Group, Leader: g.Leader, AllWrite: g.AllWrite, Epoch: g.Epoch, EpochChanges: g.EpochChanges, Timeline: g.Timeline,
			Leaderless: g.LeaderlessSeconds, Held: g.Held, HeldSeconds: g.HeldSeconds, Notes: groupNotes(g), Members: newMembers(g), Transactions: g.Outcomes,
		})
	}
	return groups
}

func newMembers(g metrics.GroupState) []memberState {
	members := []memberState{}
	for _, m := range g.Members {
		row := memberState{Name: m.Name, Address: m.Address, Role: m.Role, State: m.State, Leads: g.Leader != "" && g.Leader == m.Name, Timeline: m.Timeline, Host: m.Host, Zone: m.Zone, Servers: m.Servers}
		if m.Lag >= 0 {
			row.Lag = &m.Lag
		}
		if m.Measured {
			ms := m.LagTime.Milliseconds()
			row.LagMS = &ms
		}
		members = append(members, row)
	}
	return members
}

// groupNotes returns what an operator should know of g beyond its leader.
func groupNotes(g metrics.GroupState) []string {
	notes := []string{}
	note := func(is bool, words string) {
		if is {
			notes = append(notes, words)
		}
	}
	note(!g.Connected, "discovery is not heard")
	note(g.Stale, "view is stale")
	note(g.Unconfirmed, "leader is not confirmed")
	note(g.Paused, "Patroni is paused")
	note(g.Standby, "standby cluster")
	note(g.Switchover != "", "switchover announced: "+g.Switchover)
	return append(notes, g.Warnings...)
}
