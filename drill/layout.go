package main

import "fmt"

// servers is how many there are. Portero has a host behind theirs.
const servers = 3

// layout says on which servers the two members of each group are.
type layout struct {
	name   string // on the command line and in the tables
	groups [][]int
}

// groupNames are what the groups are for, by their number in Citus.
var groupNames = []string{"coordinator", "worker 1", "worker 2"}

// layouts are in the order of the tables. The first member of each group is to lead at the
// beginning of a run.
var layouts = []*layout{
	{name: "plan", groups: [][]int{{0, 1}, {1, 0}, {2, 2}}},
	{name: "moved", groups: [][]int{{0, 1}, {1, 0}, {2, 0}}},
}

// wholeOn tells whether all of a group is on one server, which takes it away when it goes.
func (l *layout) wholeOn(group, server int) bool {
	for _, host := range l.groups[group] {
		if host != server {
			return false
		}
	}
	return true
}

// what describes the layout server by server.
func (l *layout) what() string {
	var text string
	for server := range servers {
		if server > 0 {
			text += " | "
		}
		for group, hosts := range l.groups {
			for member, host := range hosts {
				if host == server {
					text += groupNames[group] + " " + []string{"leader", "standby"}[member] + ", "
				}
			}
		}
		text += fmt.Sprintf("etcd %d", server+1)
	}
	return text
}
