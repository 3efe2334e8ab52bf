package discovery

import "strings"

// replication is how a group's replicas follow its leader.
type replication byte

const (
	unknown      replication = iota // there is no configuration
	undecided                       // asynchronously, as it is when nobody says anything
	asynchronous                    // so it was said
	synchronous
)

// replicationValue is what is read of it in Patroni's config key.
type replicationValue struct {
	Synchronous any `json:"synchronous_mode"`
	PostgreSQL  struct {
		Parameters map[string]any `json:"parameters"`
	} `json:"postgresql"`
}

// replication says how the replicas follow (patroni/global_config.py, is_synchronous_mode
// and is_quorum_commit_mode). Where Patroni is not to see to it, somebody may have named
// standbys to PostgreSQL himself, whom Patroni does not know of when it promotes.
func (v replicationValue) replication() replication {
	if mode, ok := v.Synchronous.(string); ok && strings.EqualFold(mode, "quorum") || truth(v.Synchronous) {
		return synchronous
	}
	if names, _ := v.PostgreSQL.Parameters["synchronous_standby_names"].(string); v.Synchronous == nil && names == "" {
		return undecided
	}
	return asynchronous
}

// syncState is what the sync key tells (patroni/dcs/__init__.py, SyncState).
type syncState struct {
	leader   string
	standbys []string // who may follow it without loss
	quorum   int      // how many of the others whoever follows it has to see
}

// parseSync reads the sync key; what cannot be read is as if it were not there.
func parseSync(text string) (s syncState) {
	var v struct {
		Leader   string `json:"leader"`
		Standbys string `json:"sync_standby"`
		Quorum   number `json:"quorum"`
	}
	if text == "" || decode(text, &v) != nil {
		return syncState{}
	}
	s.leader, s.quorum = v.Leader, int(max(v.Quorum, 0))
	for name := range strings.SplitSeq(v.Standbys, ",") {
		if name = strings.TrimSpace(name); name != "" {
			s.standbys = append(s.standbys, name)
		}
	}
	return s
}
