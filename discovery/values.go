package discovery

import (
	"encoding/json"
	"strings"
	"time"
)

// parsePosition is the leader's WAL position; 0 = not known. It is in the status
// key as JSON, or bare as early versions wrote it, else in the legacy key
// (patroni/dcs/__init__.py, Status.from_node).
func parsePosition(keys map[string]string) int64 {
	text, ok := keys[keyStatus]
	if !ok {
		return int64(parseNumber(keys[keyOptime]))
	}
	var v struct {
		Optime number `json:"optime"`
	}
	if decode(text, &v) == nil && v.Optime > 0 {
		return int64(v.Optime)
	}
	return int64(parseNumber(text))
}

// history is what the history key tells.
type history struct {
	newest int64            // timeline; 0: not known
	ends   map[int64]uint64 // by timeline, the position in the WAL at which it ended
}

// parseHistory reads an entry for each timeline that has ended: its number, and where
// (patroni/dcs/__init__.py, TimelineHistory.from_node). The newest is the last one's
// successor.
func parseHistory(text string) (h history) {
	var entries [][]json.RawMessage
	if text == "" || decode(text, &entries) != nil {
		return history{}
	}
	for _, entry := range entries {
		h.newest = 0
		if len(entry) == 0 {
			continue
		}
		ended := parseNumber(string(entry[0]))
		if ended <= 0 || ended >= 1<<32 {
			continue
		}
		h.newest = int64(ended) + 1
		if len(entry) > 1 {
			if position := parseNumber(string(entry[1])); position > 0 {
				if h.ends == nil {
					h.ends = make(map[int64]uint64, len(entries))
				}
				h.ends[int64(ended)] = uint64(position)
			}
		}
	}
	return h
}

// groupConfig is what matters of Patroni's dynamic configuration.
type groupConfig struct {
	paused, standby, failsafe bool

	// lease is how long the leader key lasts, at least, from any moment at which Patroni
	// is well: it is renewed every loop_wait for ttl. 0: the configuration does not say.
	lease time.Duration

	replicas replication
}

// maxTTL bounds a number that is multiplied; etcd's own limit is lower.
const maxTTL = 1 << 31

// parseConfig reads the config key. A standby_cluster section counts only if it
// says where to replicate from (patroni/global_config.py, is_standby_cluster).
func parseConfig(text string) groupConfig {
	var v struct {
		Pause    any            `json:"pause"`
		Failsafe any            `json:"failsafe_mode"`
		Standby  map[string]any `json:"standby_cluster"`
		TTL      number         `json:"ttl"`
		LoopWait number         `json:"loop_wait"`
		replicationValue
	}
	if text == "" || decode(text, &v) != nil {
		return groupConfig{}
	}
	c := groupConfig{paused: truth(v.Pause), failsafe: truth(v.Failsafe)}
	if v.LoopWait > 0 && v.TTL > v.LoopWait && v.TTL <= maxTTL {
		c.lease = time.Duration(v.TTL-v.LoopWait) * time.Second
	}
	for _, key := range []string{"host", "port", "restore_command"} {
		switch v.Standby[key] {
		case nil, "", 0.0, false:
		default:
			c.standby = true
		}
	}
	if !c.standby { // synchronous_mode is nothing to a standby cluster
		c.replicas = v.replication()
	}
	return c
}

// truth reads a boolean as leniently as Patroni does (patroni/utils.py, parse_bool).
func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v == 1
	case string:
		switch strings.ToLower(v) {
		case "on", "true", "yes", "1":
			return true
		}
	}
	return false
}

// parseFailover reads what the failover key announces; nil if nothing, or
// nothing yet. Before JSON it was "leader:candidate"
// (patroni/dcs/__init__.py, Failover.from_node).
func parseFailover(text string, now time.Time) *Switchover {
	var v struct {
		Leader    string `json:"leader"`
		Member    string `json:"member"`
		Scheduled string `json:"scheduled_at"`
	}
	if text == "" {
		return nil
	}
	if decode(text, &v) != nil {
		from, to, _ := strings.Cut(text, ":")
		v.Leader, v.Member = strings.TrimSpace(from), strings.TrimSpace(to)
	}
	if v.Leader == "" && v.Member == "" || !due(v.Scheduled, now) {
		return nil
	}
	return &Switchover{From: v.Leader, To: v.Member}
}

// due tells whether the time has come; a time that cannot be read never does.
func due(scheduled string, now time.Time) bool {
	if scheduled == "" {
		return true
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05Z07:00"} {
		if at, err := time.Parse(form, scheduled); err == nil {
			return !at.After(now)
		}
	}
	return false
}
