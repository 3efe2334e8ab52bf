package pool

import "strings"

// The Modes of pools for clients that replicate. Such a client speaks to a walsender,
// which is its own from its start to its end: what one has begun no other could take up.
// So these pools lend each server once. The two kinds have pools of their own, as a
// pg_hba.conf may let in one and not the other.
const (
	LogicalReplication  = "logical-replication"  // replication=database: SQL as well, and changes of one database
	PhysicalReplication = "physical-replication" // replication=true: the WAL of the whole cluster
)

// Replicates reports whether the pool's clients do.
func (k Key) Replicates() bool { return k.Replication() != "" }

// Replication is PgBouncer's word for how the pool's clients replicate: logical or
// physical; "" if they do not.
func (k Key) Replication() string {
	kind, replicates := strings.CutSuffix(k.Mode, "-replication")
	if !replicates {
		return ""
	}
	return kind
}

// ForReplication is the pool of clients that replicate in a mode, where k would be that of
// others. How far a replica lags is for what is asked of it, and that is no question.
func (k Key) ForReplication(mode string) Key {
	k.Mode, k.MaxLag = mode, 0
	return k
}

// ForReplication is what of terms holds for those who replicate. They are not counted in
// Size: PostgreSQL has places of its own for them (max_wal_senders), and says when these
// are taken.
func (t Terms) ForReplication() Terms {
	return Terms{Size: mostServers, MaxDatabase: t.MaxDatabase, MaxUser: t.MaxUser}
}

// saysSQL reports whether the pool's servers understand it, and its database is one.
func (p *Pool) saysSQL() bool { return p.Key.Mode != PhysicalReplication }

// asStarted reports whether each server is for a client that has given what it is
// opened with.
func (k Key) asStarted() bool { return k.Mode == "session" || k.Replicates() }
