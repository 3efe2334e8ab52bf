package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"portero/config"
)

// GroupNow is a group that gets some of a client's transactions.
type GroupNow struct {
	Group   int    `json:"group"`
	Weight  int    `json:"weight"`
	Leader  string `json:"leader,omitempty"`   // "" = none
	Held    string `json:"held,omitempty"`     // why it gets none at present, as long as another one can
	LeftOut string `json:"left_out,omitempty"` // why it gets none, by the cluster's metadata
	Active  int    `json:"servers_active"`
	Waiting int    `json:"waiting"`
}

// spreadWords is over which groups a route spreads its clients, for one that does.
func spreadWords(r *config.Route) string {
	shares := r.Shares()
	if len(shares) == 0 {
		return "all"
	}
	words := make([]string, len(shares))
	for i, s := range shares {
		if words[i] = fmt.Sprint(s.Group); s.Weight > 1 {
			words[i] += fmt.Sprintf(" (weight %d)", s.Weight)
		}
	}
	return strings.Join(words, ", ")
}

// spreadNow adds what the client would meet in each of its groups. It is held only if it is in all.
func (p *Proxy) spreadNow(out *Present, x *explainer, t target, r *config.Route) {
	served := false
	for _, s := range p.pools.Shares(r) {
		key := t.key
		key.Group = s.Group
		seen := p.pools.Prospect(x.Database, key)
		one := GroupNow{Group: s.Group, Weight: s.Weight, Leader: seen.Leader, Held: seen.Held}
		if seen.Pool != nil {
			one.Active, one.Waiting = seen.Pool.ServersActive, seen.Pool.ClientsWaiting
		}
		served = served || one.Held == ""
		out.Groups = append(out.Groups, one)
	}
	if served {
		out.Held = ""
	} else if out.Held == "" {
		out.Held = out.Groups[0].Held
	}
	out.leaveOut(p.pools.LeftOut(r))
}

// leaveOut adds the groups that get nothing, which are few.
func (out *Present) leaveOut(groups map[int]string) {
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		out.Groups = append(out.Groups, GroupNow{Group: g, LeftOut: groups[g]})
	}
}
