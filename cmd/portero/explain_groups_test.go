package main

import (
	"strings"
	"testing"

	"portero/proxy"
)

func TestExplainSaysWhatEachGroupOfARouteToAnyNodeGets(t *testing.T) {
	var text explainText
	text.groups([]proxy.GroupNow{
		{Group: 0, Weight: 1, Leader: "a", Active: 2, Waiting: 1},
		{Group: 1, Weight: 2, Held: "no leader"},
		{Group: 2, LeftOut: "it is not in pg_dist_node"},
	})
	got := strings.Join(strings.Fields(text.out.String()), " ")
	const want = "groups 0: a leads, weight 1, 2 servers active, 1 waiting not 1, weight 2, 0 servers active, 0 waiting: no leader not 2: left out, as it is not in pg_dist_node"
	if got != want {
		t.Errorf("%s", got)
	}
}
