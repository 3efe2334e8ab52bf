package config

import (
	"slices"
	"testing"
)

const ofYB = `
[[cluster]]
name = "yb"
discovery = "yugabyte"
hosts = ["a:5433"]
`

func TestYugabyteIsCheckedLineByLine(t *testing.T) {
	inFolder(t)
	checkFaults(t, []faultCase{
		{"its settings", ofYB + `
refresh = "1s"
topology_keys = ["aws.eu-west-1.eu-west-1a", "aws.eu-west-1.*:2", "aws.us-east-1.us-east-1b:10"]
fallback_to_topology_keys_only = true
`, nil},
		{"no contact, and others' settings", `
[[cluster]]
name = "yb"
discovery = "yugabyte"
scope = "s"
stale_leader_limit = "20s"
`, []string{
			`2: cluster[1].hosts: must be given with discovery yugabyte: at least one node that can be asked for the others`,
			`5: cluster[1].scope: has no meaning with discovery yugabyte`,
			`6: cluster[1].stale_leader_limit: has no meaning with discovery yugabyte`,
		}},
		{"values", `
[[cluster]]
name = "yb"
discovery = "yugabyte"
hosts = ["a", "b:5433", "b:5433"]
refresh = "100ms"
topology_keys = [
  "aws.eu",
  "aws.eu.a:11",
  "aws.*.a",
  "aws.eu.b:x",
  "aws.eu. b",
  "aws.eu.c:2",
  "aws.eu.c",
  "aws.eu.*",
]
`, []string{
			`5: cluster[1].hosts[1]: must be host:port, not "a"`,
			`5: cluster[1].hosts[3]: b:5433 is in the list already`,
			`6: cluster[1].refresh: must be at least 1s`,
			`8: cluster[1].topology_keys[1]: must be cloud.region.zone or cloud.region.*, and its priority behind a colon, not "aws.eu"`,
			`9: cluster[1].topology_keys[2]: priority must be a whole number from 1 to 10, not "11"`,
			`10: cluster[1].topology_keys[3]: only the zone may be *`,
			`11: cluster[1].topology_keys[4]: priority must be a whole number from 1 to 10, not "x"`,
			`12: cluster[1].topology_keys[5]: must be cloud.region.zone or cloud.region.*, and its priority behind a colon, not "aws.eu. b"`,
			`14: cluster[1].topology_keys[7]: aws.eu.c is in the list already`,
		}},
		{"only the keys, and none", ofYB + `fallback_to_topology_keys_only = true
`, []string{`6: cluster[1].fallback_to_topology_keys_only: needs topology_keys`}},
		{"its settings elsewhere", `
[[cluster]]
name = "a"
hosts = ["h:1"]
refresh = "30s"
topology_keys = ["c.r.z"]
fallback_to_topology_keys_only = false
[[cluster]]
name = "b"
discovery = "patroni"
scope = "s"
refresh = "30s"
[cluster.etcd]
endpoints = ["h:1"]
[[route]]
cluster = "a"
`, []string{
			`5: cluster[1].refresh: has no meaning with discovery static`,
			`6: cluster[1].topology_keys: has no meaning with discovery static`,
			`7: cluster[1].fallback_to_topology_keys_only: has no meaning with discovery static`,
			`12: cluster[2].refresh: has no meaning with discovery patroni`,
		}},
		{"roles of routes", ofYB + `
[[cluster]]
name = "pg"
hosts = ["h:1"]
[[route]]
cluster = "yb"
database = "a"
role = "leader"
[[route]]
cluster = "yb"
database = "b"
role = "only-rr"
[[route]]
cluster = "pg"
database = "c"
role = "prefer-primary"
[[route]]
cluster = "yb"
database = "d"
role = "rr"
[[route]]
cluster = "pg"
`, []string{
			`13: route[1].role: leader is no role in cluster "yb", where every node takes writes (discovery yugabyte): must be one of any, only-primary, only-rr, prefer-primary, prefer-rr`,
			`21: route[3].role: prefer-primary is a role with discovery yugabyte only, which cluster "pg" has not: must be one of leader, replica, prefer-replica, any`,
			`25: route[4].role: must be one of any, only-primary, only-rr, prefer-primary, prefer-rr, not "rr"`,
		}},
		{"a listener's role that a route takes over", ofYB + `
[[listener]]
address = ":1"
role = "replica"
[[route]]
database = "a"
role = "any"
[[route]]
database = "b"
`, []string{
			`9: listener[1].role: replica is no role in cluster "yb", where every node takes writes (discovery yugabyte): must be one of any, only-primary, only-rr, prefer-primary, prefer-rr: give route[2] a role of its own`,
		}},
		{"a listener's role without routes", ofYB + `
[[listener]]
address = ":1"
role = "replica"
`, []string{
			`9: listener[1].role: replica is no role in cluster "yb", where every node takes writes (discovery yugabyte): must be one of any, only-primary, only-rr, prefer-primary, prefer-rr`,
		}},
		{"a bound on a lag that nobody tells", ofYB + `
[[route]]
max_lag = "5s"
`, []string{`8: route[1].max_lag: has no use with discovery yugabyte, whose nodes do not tell how far they are behind`}},
	})
}

func TestRoutesToYugabyteGoAnywhereAndHaveNoLag(t *testing.T) {
	inFolder(t)
	cfg := mustLoad(t, ofYB+`
[[cluster]]
name = "pg"
hosts = ["h:1"]
[[route]]
cluster = "yb"
database = "a"
[[route]]
cluster = "pg"
[pool]
max_lag = "7s"
`)
	yb, pg := &cfg.Routes[0], &cfg.Routes[1]
	if yb.Role != "any" || yb.RouteMaxLag(yb.Role) != 0 || cfg.MeasuresLag("yb") {
		t.Errorf("%q, %v, measured %v", yb.Role, yb.RouteMaxLag(yb.Role), cfg.MeasuresLag("yb"))
	}
	if pg.Role != "leader" || pg.RouteMaxLag("any") == 0 {
		t.Errorf("%q, %v", pg.Role, pg.RouteMaxLag("any"))
	}
}

func TestYugabyteNeedsNoFile(t *testing.T) {
	inFolder(t)
	cfg, _, err := Read("", []string{
		"PORTERO_CLUSTER_DISCOVERY=yugabyte", "PORTERO_HOSTS=a:5433,b:5433",
		"PORTERO_CLUSTER_TOPOLOGY_KEYS=aws.eu.a:1,aws.eu.*:2", "PORTERO_CLUSTER_REFRESH=5s", "PORTERO_CLUSTER_FALLBACK_TO_TOPOLOGY_KEYS_ONLY=true",
	})
	if err != nil {
		t.Fatal(err)
	}
	cl := cfg.Clusters[0]
	if !slices.Equal(cl.Hosts, []string{"a:5433", "b:5433"}) || len(cl.TopologyKeys) != 2 || cl.Refresh.String() != "5s" || !cl.FallbackToTopologyKeysOnly || cfg.Routes[0].Role != "any" {
		t.Errorf("%+v, role %s", cl, cfg.Routes[0].Role)
	}
}

func TestTopologyKeysMatchZonesAndRegions(t *testing.T) {
	for key, want := range map[string][]bool{ // at aws.eu.a, aws.eu.b, aws.us.a, gcp.eu.a
		"aws.eu.a":   {true, false, false, false},
		"aws.eu.*":   {true, true, false, false},
		"gcp.eu.*:3": {false, false, false, true},
	} {
		k, err := ParseTopologyKey(key)
		if err != nil {
			t.Fatal(err)
		}
		got := []bool{k.Matches("aws", "eu", "a"), k.Matches("aws", "eu", "b"), k.Matches("aws", "us", "a"), k.Matches("gcp", "eu", "a")}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", key, got)
		}
	}
}
