package pool

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"portero/config"
)

// Reach is over which groups the clients of a route are spread, with their weights, in words that
// are the same for the same; "" = the route's clients have one group.
type Reach string

const allGroups Reach = "*"

// ReachOf is that of a route.
func ReachOf(r *config.Route) Reach {
	if !r.IsSpread() {
		return ""
	}
	var words []string
	for _, s := range r.Shares() {
		words = append(words, fmt.Sprintf("%d:%d", s.Group, s.Weight))
	}
	if len(words) == 0 {
		return allGroups
	}
	slices.Sort(words)
	return Reach(strings.Join(words, ","))
}

// shares is what the words stand for; none for all groups.
func (r Reach) shares() (all []config.Share) {
	if r == allGroups || r == "" {
		return nil
	}
	for _, word := range strings.Split(string(r), ",") {
		group, weight, _ := strings.Cut(word, ":")
		g, _ := strconv.Atoi(group) // they are ReachOf's own
		w, _ := strconv.Atoi(weight)
		all = append(all, config.Share{Group: g, Weight: w})
	}
	slices.SortFunc(all, func(a, b config.Share) int { return a.Group - b.Group })
	return all
}
