package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	clusterLabelNames = []string{"cluster"}
	groupLabelNames   = []string{"cluster", "group"}
	memberLabelNames  = []string{"cluster", "group", "member"}
)

func groupGauge(name, help string, value func(*GroupState) float64) metric[GroupState] {
	return gauge("group_"+name, help, groupLabelNames, value)
}

func groupCounter(name, help string, value func(*GroupState) float64) metric[GroupState] {
	return counter("group_"+name, help, groupLabelNames, value)
}

var groupMetrics = []metric[GroupState]{
	groupGauge("has_leader", "1 if the group's leader is known, or, where every member takes writes, a member; else 0.",
		func(s *GroupState) float64 { return toFloat(s.Leader != "" || s.AllWrite && len(s.Members) > 0) }),
	groupGauge("epoch", "Number of the present leader; it moves with member or timeline.",
		func(s *GroupState) float64 { return float64(s.Epoch) }),
	groupGauge("timeline", "Newest timeline known, 0 if none is.",
		func(s *GroupState) float64 { return float64(s.Timeline) }),
	groupGauge("leader_unconfirmed", "1 if clients are held because neither etcd nor Patroni has confirmed the leader, else 0.",
		func(s *GroupState) float64 { return toFloat(s.Unconfirmed) }),
	groupGauge("leader_behind_timeline", "Older timeline that the leader is on, for which clients are held until it is accepted; 0 if it is not.",
		func(s *GroupState) float64 { return float64(s.Behind) }),
	groupGauge("paused", "1 if Patroni is in maintenance mode, else 0.",
		func(s *GroupState) float64 { return toFloat(s.Paused) }),
	groupCounter("epoch_changes_total", "How often the epoch moved.",
		func(s *GroupState) float64 { return float64(s.EpochChanges) }),
	groupCounter("leaderless_seconds_total", "Time in which the group had no leader that could be used.",
		func(s *GroupState) float64 { return s.LeaderlessSeconds }),
	groupGauge("held", "1 if clients that need the leader are held, else 0.",
		func(s *GroupState) float64 { return toFloat(s.Held != "") }),
	groupCounter("held_seconds_total", "Time in which clients that needed the leader were held.",
		func(s *GroupState) float64 { return s.HeldSeconds }),
	groupGauge("single_host", "1 if the group is lost with one host, as no member elsewhere may be promoted without loss, else 0.",
		func(s *GroupState) float64 { return toFloat(s.SingleHost != "") }),
	groupGauge("replication_undecided", "1 if the group replicates asynchronously and Patroni's configuration does not say that it should, else 0.",
		func(s *GroupState) float64 { return toFloat(s.Undecided) }),
}

// metadataMetrics are those of groups whose place in pg_dist_node is asked for.
var metadataMetrics = []metric[GroupState]{
	groupGauge("metadata_differs", "1 while Citus' pg_dist_node is not known to point to the leader, else 0.",
		func(s *GroupState) float64 { return toFloat(s.MetadataDiffers) }),
	groupCounter("metadata_lag_seconds_total", "Time in which Citus' pg_dist_node did not point to the leader.",
		func(s *GroupState) float64 { return s.MetadataLagSeconds }),
	groupGauge("metadata_last_lag_seconds", "How long Citus' pg_dist_node was behind the leader's last move, 0 if there was none.",
		func(s *GroupState) float64 { return s.MetadataLastLagSeconds }),
}

var (
	leaderDesc = describe("group_leader_info", "Always 1; the label says which member leads.", memberLabelNames...)
	lostDesc   = describe("group_lost_transactions_total", "Transactions whose server was lost, by what became of them.", "cluster", "group", "outcome")
	lagDesc    = describe("group_member_lag_bytes", "Bytes a member is behind its leader, where known.", memberLabelNames...)
	behindDesc = describe("group_member_lag_seconds",
		"Time a member is behind its leader, where it is measured: for clients with max_lag or role prefer-replica.", memberLabelNames...)
	memberServersDesc = describe("group_member_servers", "Servers that are open at a member, of all pools; zone is its tag.", "cluster", "group", "member", "zone")
	hostDesc          = describe("host_groups_lost", "Groups that are lost with a host, where there are any: see group_single_host.", "cluster", "host")
)

// heard is whether a cluster's discovery can be relied on.
type heard struct{ connected, stale, etcdHost bool }

var discoveryMetrics = []metric[heard]{
	gauge("discovery_connected", "1 if the source that says who leads the cluster is being heard, else 0.",
		clusterLabelNames, func(h *heard) float64 { return toFloat(h.connected) }),
	gauge("discovery_stale", "1 if what is known of the cluster may be outdated, else 0.",
		clusterLabelNames, func(h *heard) float64 { return toFloat(h.stale) }),
	gauge("discovery_etcd_single_host", "1 if etcd has no quorum without one of the hosts that its members run on, else 0.",
		clusterLabelNames, func(h *heard) float64 { return toFloat(h.etcdHost) }),
}

func describeGroups(ch chan<- *prometheus.Desc) {
	for _, m := range groupMetrics {
		ch <- m.desc
	}
	for _, m := range metadataMetrics {
		ch <- m.desc
	}
	ch <- leaderDesc
	ch <- lagDesc
	ch <- lostDesc
	ch <- behindDesc
	ch <- memberServersDesc
	ch <- hostDesc
	for _, m := range discoveryMetrics {
		ch <- m.desc
	}
}

func collectGroups(ch chan<- prometheus.Metric, states []GroupState) {
	for i := range states {
		states[i].send(ch)
	}
	for of, n := range lostWith(states) {
		ch <- prometheus.MustNewConstMetric(hostDesc, prometheus.GaugeValue, float64(n), of.cluster, of.host)
	}
	for cluster, h := range hearing(states) {
		for _, m := range discoveryMetrics {
			m.send(ch, h, []string{Label(cluster)})
		}
	}
}

func (s *GroupState) send(ch chan<- prometheus.Metric) {
	cluster, group := Label(s.Cluster), strconv.Itoa(s.Group)
	for _, m := range groupMetrics {
		m.send(ch, s, []string{cluster, group})
	}
	if s.MetadataHeard {
		for _, m := range metadataMetrics {
			m.send(ch, s, []string{cluster, group})
		}
	}
	if s.Leader != "" {
		ch <- prometheus.MustNewConstMetric(leaderDesc, prometheus.GaugeValue, 1, cluster, group, Label(s.Leader))
	}
	for outcome, n := range s.Outcomes.all() {
		ch <- prometheus.MustNewConstMetric(lostDesc, prometheus.CounterValue, float64(n), cluster, group, outcome)
	}
	for _, m := range s.Members {
		if m.Lag >= 0 {
			ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(m.Lag), cluster, group, Label(m.Name))
		}
		if m.Measured {
			ch <- prometheus.MustNewConstMetric(behindDesc, prometheus.GaugeValue, m.LagTime.Seconds(), cluster, group, Label(m.Name))
		}
		ch <- prometheus.MustNewConstMetric(memberServersDesc, prometheus.GaugeValue, float64(m.Servers), cluster, group, Label(m.Name), Label(m.Zone))
	}
}

// clusterHost is a host of a cluster's members, as labels have both.
type clusterHost struct{ cluster, host string }

// lostWith counts the groups that are lost with each host.
func lostWith(states []GroupState) map[clusterHost]int {
	lost := make(map[clusterHost]int)
	for _, s := range states {
		if s.SingleHost != "" {
			lost[clusterHost{Label(s.Cluster), Label(s.SingleHost)}]++
		}
	}
	return lost
}

// hearing sums up, by cluster, what its groups say of discovery: a cluster is
// as well heard as the worst of its groups.
func hearing(states []GroupState) map[string]*heard {
	clusters := make(map[string]*heard)
	for i := range states {
		s := &states[i]
		h := clusters[s.Cluster]
		if h == nil {
			h = &heard{connected: true}
			clusters[s.Cluster] = h
		}
		h.connected = h.connected && s.Connected
		h.stale = h.stale || s.Stale
		h.etcdHost = h.etcdHost || s.EtcdHost != ""
	}
	return clusters
}
