package metrics

import (
	"cmp"
	"time"
)

// PoolState is a pool at one moment: its counters, and how full it is.
// The numbers are gauges, read when the state is made.
type PoolState struct {
	*Pool // never nil

	Name string // the database as clients name it: as the first one of the pool did

	Clients              int // clients that have joined
	ClientsActive        int // clients that have a server
	ClientsWaiting       int // clients in the queue
	ClientsCancelling    int // cancel requests of clients that are on their way to a server
	ClientsCancelWaiting int // cancel requests that wait for their turn
	ServersActive        int // servers lent, or being cleaned for the next client
	ServersIdle          int // servers that can be lent at once
	ServersOpening       int // servers being dialled or logged in
	ServersTested        int // idle servers that are asked for a sign of life; counted as active too
	ServersCancelling    int // connections that carry a cancel request to a server
	ServersCancelled     int // servers that are lent to nobody until such a request has arrived; counted as active too
	Size                 int // most servers the pool may have, pool_size
	MinSize              int // servers that are kept open once the pool is in use, min_pool_size

	Paused   bool // an operator has its clients held
	Disabled bool // an operator has its new clients refused

	Listeners int // clients that listen by the pool's ear
	Channels  int // channels that they listen to, each counted once

	MaxWait time.Duration // how long the first in the queue has waited; 0 if none waits

	Pins map[string]PinState // by reason; nil or without those that never occurred
}

// PinState is how many clients keep their servers for one reason.
type PinState struct {
	Clients int    // now
	Times   uint64 // that it began, since the pool was made
}

// CandidatesState sums up the pools that no server has let in yet. Clients
// invent their names, so that none of them has series of its own.
type CandidatesState struct {
	Pools          int           // names that await their first login to a server
	ClientsWaiting int           // clients in their queues
	MaxWait        time.Duration // how long the first of these has waited
	Errors         ReasonCounts  // errors of all candidates since Portero started, by reason
}

// GroupState is what is known of a group at one moment. A group that a route
// names has one even while nothing is known of it, so that it can be missed.
type GroupState struct {
	Cluster string
	Group   int // Citus group, 0 for the coordinator or a plain cluster

	Leader       string // member that leads; "" if there is none, or it is not known
	AllWrite     bool   // every member takes writes and none leads
	Epoch        uint64 // number of the leader; 0 if there was none yet
	Timeline     int64  // newest timeline known; 0 if not known
	EpochChanges uint64 // how often the epoch moved since Portero started

	// LeaderlessSeconds is how long, in sum since Portero started, the group had
	// no leader that could be used, the present spell included.
	LeaderlessSeconds float64

	Connected bool // the source of the view is being heard
	Stale     bool // the view is the last one known, and may be outdated

	Held        string   // why clients that need the leader wait, in words; "" if they do not
	HeldSeconds float64  // how long they have, in sum since Portero started, the present spell included
	Outcomes    Outcomes // of the transactions whose servers were lost

	Unconfirmed bool  // nobody has confirmed the leader for too long: clients are held
	Behind      int64 // older timeline that the leader is on: clients are held; 0 if it is not

	Paused     bool   // Patroni is in maintenance mode
	Standby    bool   // standby cluster: its leader takes no writes
	Switchover string // an announced switchover in words, as "a to b"; "" if none

	SingleHost string   // host with which the group is lost, as no member elsewhere may be promoted without loss; "" if there is none
	Undecided  bool     // it replicates asynchronously, and Patroni's configuration says nothing of it
	EtcdHost   string   // host without which etcd, of all the cluster's groups, has no quorum; "" if there is none, or it is not known
	Warnings   []string // of the layout, in words, as far as they concern the group; and why it is left out of what is spread

	MetadataHeard          bool    // Citus' pg_dist_node has been read; else the next three say nothing
	MetadataDiffers        bool    // it may not point to the leader, or does not
	MetadataLagSeconds     float64 // how long it has not, in sum since Portero started, the present spell included
	MetadataLastLagSeconds float64 // how long it did not behind the last change that it has caught up with; 0 if there was none

	Members []MemberState
}

// MemberState is what discovery knows of one member of a group.
type MemberState struct {
	Name     string
	Address  string // host:port
	Role     string // primary, replica, standby_leader, ...; "" if not known
	State    string // running, starting, ...; "" if not known
	Timeline int64  // 0 if not known
	Lag      int64  // bytes behind the leader; -1 if not known
	Host     string // what fails together with it; "" if not known
	Zone     string // Patroni's tag zone; "" if not told
	Servers  int    // open there, of all pools

	Measured bool          // LagTime is
	LagTime  time.Duration // behind the leader, as Portero measures it where a route needs it
}

// ComparePools orders pools as tables show them: by cluster, group, role,
// mode, database and user.
func ComparePools(a, b PoolState) int {
	x, y := a.Labels, b.Labels
	return cmp.Or(
		cmp.Compare(x.Cluster, y.Cluster),
		cmp.Compare(x.Group, y.Group),
		cmp.Compare(x.Role, y.Role),
		cmp.Compare(x.Mode, y.Mode),
		cmp.Compare(x.Database, y.Database),
		cmp.Compare(x.User, y.User),
	)
}

// CompareGroups orders groups as tables show them: by cluster and group.
func CompareGroups(a, b GroupState) int {
	return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Group, b.Group))
}
