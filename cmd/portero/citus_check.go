package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"

	"portero/discovery"
)

// finding is something that is not as it should be, or, as a note, may not be.
type finding struct {
	Group  int    `json:"group"`
	Member string `json:"member"` // whose word it is; "" = nobody leads the group
	Found  string `json:"found"`
	ToDo   string `json:"to_do"`
	Note   bool   `json:"note"` // it may be meant so: the exit status does not tell of it
}

// String is the finding on a line.
func (f finding) String() string {
	s := "group " + strconv.Itoa(f.Group)
	if f.Member != "" {
		s += " (" + f.Member + ")"
	}
	if f.Note {
		s += ": note"
	}
	return visible(s + ": " + f.Found + ": " + f.ToDo)
}

// leaderSaid is the leader of a group, and what it says; err: why it says nothing.
type leaderSaid struct {
	group  int
	leader discovery.Member // Name "": nobody leads
	user   string           // who asks it
	said   *nodeSaid
	err    error
}

// check asks all leaders, and says what is not as it should be.
func (o *citusOrder) check(s *citusScene, stdout, stderr io.Writer) int {
	asked := o.askAll(s)
	found := s.compare(asked)
	status := 0
	if slices.ContainsFunc(found, func(f finding) bool { return !f.Note }) {
		status = 1
	}
	if o.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(append([]finding{}, found...)); err != nil {
			fmt.Fprintln(stderr, "portero citus check:", err)
			return 1
		}
		return status
	}
	for _, f := range found {
		fmt.Fprintln(stdout, f)
	}
	if status == 0 {
		fmt.Fprintf(stdout, "cluster %s: %d groups, all is well\n", visible(s.cluster.Name), len(asked))
	}
	return status
}

// askAll asks the leaders of all groups at once, and returns them in their order.
func (o *citusOrder) askAll(s *citusScene) []leaderSaid {
	var all []leaderSaid
	for _, id := range slices.Sorted(maps.Keys(s.view.Groups)) {
		g := s.view.Groups[id]
		leader, _ := g.Member(g.Holder())
		all = append(all, leaderSaid{group: id, leader: leader})
	}
	var asking sync.WaitGroup
	for i := range all {
		if l := &all[i]; l.leader.Address != "" {
			asking.Go(func() { o.ask(s, l) })
		}
	}
	asking.Wait()
	return all
}

// ask has a leader say what it has.
func (o *citusOrder) ask(s *citusScene, l *leaderSaid) {
	l.said, l.user, l.err = o.askNode(s, l.leader)
}
