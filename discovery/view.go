// Package discovery knows who leads: it keeps an immutable View of each
// cluster and replaces it whole when something changes.
//
// It never talks to a PostgreSQL server and never decides who may be lent a
// server; what servers say of themselves is brought to it by Observe, and what a
// node of YugabyteDB says of all nodes by Tell (yugabyte.go). Patroni is asked
// while etcd is out of reach (confirm.go).
//
// Invariants: a published View is never changed; a View is never replaced by
// an older one (etcd revision, raft term); a Group's Epoch moves if and only
// if its leader (member or timeline) has changed, only forwards, and once per
// reign, however many keys tell of it (epoch.go).
//
// The way of a change: etcd -> link (link.go) -> mirror (mirror.go) ->
// pictures (picture.go) -> reigns (epoch.go) -> View (cluster.go).
package discovery

import "time"

// View is one cluster as far as it is known.
type View struct {
	Cluster string
	Groups  map[int]*Group // Citus group number; plain clusters have group 0 only
	Stale   bool           // the source is out of reach; this is the last that was known
	Changed time.Time      // when this View was published

	Etcd     []string  // hosts that etcd's members run on, one for each; none: they are not known
	Warnings []Warning // about the layout, by what is known of it

	replaced chan struct{}
}

// Replaced is closed when a newer View has been published. A View that no
// Cluster has published is never replaced.
func (v *View) Replaced() <-chan struct{} { return v.replaced }

// Group is one Patroni cluster: a leader and its replicas.
type Group struct {
	ID       int
	Leader   string // name of the member that holds the leader key; "" = none known
	Epoch    uint64 // moves when another member leads, or the same on a newer timeline; 0 = there has been no leader yet
	Timeline int64  // newest timeline a leader or the history is known to have had; 0 = not known
	SystemID string // system identifier as Patroni's initialize key has it; "" = not known
	Standby  bool   // standby cluster: its leader is in recovery and takes no writes
	Paused   bool   // Patroni is in maintenance mode
	Failsafe bool   // Patroni's failsafe_mode is on: a leader whose key has expired may lead on
	AskHosts bool   // no key tells who leads: hosts are to be asked (static)
	AllWrite bool   // every member takes writes and none leads; there are no epochs (yugabyte)
	Listed   bool   // with AllWrite: a node has told who the members are; else they are those that can be asked
	KeysOnly bool   // with AllWrite: members of Priority 0 serve nobody

	Synchronous  bool     // Patroni's synchronous_mode is on, by a quorum or not
	SyncStandbys []string // whom Patroni may promote without loss when this leader is lost, by its sync key
	SyncQuorum   int      // how many of these others whoever is promoted has to see
	Undecided    bool     // it replicates asynchronously, as Patroni's configuration says nothing of it

	LastLeader string // who leads or led last; while Failsafe is on and the keys have expired, Members still has its address

	// StaleLimit is for how long the leader is to be used after it was last confirmed,
	// by etcd or by Patroni itself. 0 is without end: Patroni that is paused demotes and
	// promotes nobody, and of a static list nobody could confirm a leader but itself.
	StaleLimit  time.Duration
	Unconfirmed bool // the View is Stale, and StaleLimit is over

	// Ends are the positions in the WAL at which timelines have ended, by timeline, as
	// far as Patroni's history key tells. It does so behind a promotion.
	Ends map[int64]uint64

	// Behind is the timeline that the leader has proved to be on, while there has been a
	// leader on a newer one; 0 = it has not. It may equal Timeline: promoted from an older
	// one, it has come to the number of the newest, and lacks what was written there.
	Behind int64

	Announced *Switchover // a switchover is wanted and has not happened yet
	Members   []Member    // sorted by name
}

// Switchover is what Patroni's failover key announces.
type Switchover struct {
	From, To string    // member names; To may be ""
	Since    time.Time // when it was seen first
}

// Member is one PostgreSQL server of a group.
type Member struct {
	Name     string
	Address  string // host:port of PostgreSQL
	Role     string // as Patroni 4 says it: primary, replica, standby_leader, demoted, promoted, uninitialized; of YugabyteDB primary, read_replica; "" = not known
	State    string // Patroni's word: running, starting, stopped, ...
	Timeline int64  // 0 = not known
	Lag      int64  // bytes behind the leader, as coarse as Patroni's loop_wait; -1 = not known
	Tags     map[string]any
	REST     string // Patroni's REST interface, as http://host:port or https://host:port; "" = not known
	Host     string // what fails together with it: the tag host, else the host of Address; "" = not known
	Zone     string // the tag zone; "" = not told
	Priority int    // with AllWrite: by the topology keys, 1 comes first; 0 = none of them matches

	// Located is whether its key tells a position in the WAL. Patroni leaves that out
	// while it starts, stops or restarts PostgreSQL (patroni/ha.py, touch_member).
	Located bool
}

// Holder names the member that holds the leader key. In failsafe mode it may lead on
// without it (Patroni, docs/dcs_failsafe_mode.rst): then it is who held it last.
func (g *Group) Holder() string {
	if g.Leader == "" && g.Failsafe {
		return g.LastLeader
	}
	return g.Leader
}

// Member returns the member called name.
func (g *Group) Member(name string) (Member, bool) {
	for _, m := range g.Members {
		if m.Name == name {
			return m, true
		}
	}
	return Member{}, false
}

// Proof is what a server said of itself on a fresh connection. Without a
// Timeline it cannot tell a reign that has just begun from the one before.
type Proof struct {
	Group      int
	Member     string // the member that was dialled
	InRecovery bool
	Timeline   int64 // current timeline of a server that is not in recovery; 0 = not asked
	SystemID   string
}
