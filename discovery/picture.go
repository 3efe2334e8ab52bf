package discovery

import (
	"sort"
	"strings"
	"time"
)

// picture is one group as its keys show it, without what only memory can add.
type picture struct {
	leader    string
	members   []Member // sorted by name
	history   history
	system    string
	standby   bool
	paused    bool
	failsafe  bool
	lease     time.Duration // as in groupConfig
	replicas  replication   // as in groupConfig
	inStep    syncState     // for this leader; zero: nobody is known to be
	announced *Switchover
}

// pictures folds the keys of a cluster into its groups. It is a pure function:
// the same keys and the same time give the same pictures. A plain cluster has
// group 0 even without any key.
func pictures(l layout, keys map[string]string, now time.Time) map[int]picture {
	groups := map[int]map[string]string{}
	if !l.citus {
		groups[0] = map[string]string{}
	}
	for key, value := range keys {
		group, name, ok := l.split(key)
		if !ok {
			continue
		}
		if groups[group] == nil {
			groups[group] = map[string]string{}
		}
		groups[group][name] = value
	}
	result := make(map[int]picture, len(groups))
	for id, values := range groups {
		result[id] = newPicture(values, now)
	}
	return result
}

// newPicture folds the keys of one group, called by their names within it.
func newPicture(keys map[string]string, now time.Time) picture {
	config := parseConfig(keys[keyConfig])
	p := picture{
		leader:    keys[keyLeader],
		history:   parseHistory(keys[keyHistory]),
		system:    strings.TrimSpace(keys[keyInitialize]),
		standby:   config.standby,
		paused:    config.paused,
		failsafe:  config.failsafe,
		lease:     config.lease,
		replicas:  config.replicas,
		announced: parseFailover(keys[keyFailover], now),
	}
	p.members = parseMembers(keys, p.leader)
	if s := parseSync(keys[keySync]); s.leader == p.leader {
		p.inStep = s
	}
	if m, ok := p.leading(); ok && m.Role == roleStandbyLeader {
		p.standby = true
	}
	if p.announced != nil && p.announced.done(p.leader) {
		p.announced = nil
	}
	return p
}

// parseMembers reads all member keys. Lag is the leader's position as status
// tells it less the member's own: both are up to loop_wait old, so it is coarse.
func parseMembers(keys map[string]string, leader string) []Member {
	end := parsePosition(keys)
	var members []Member
	for key, value := range keys {
		name, ok := strings.CutPrefix(key, keyMembers)
		if !ok || name == "" || strings.Contains(name, "/") {
			continue
		}
		m, position := parseMember(name, value)
		m.Located = position > 0
		switch {
		case name == leader:
			m.Lag = 0
		case end > 0 && position > 0:
			m.Lag = max(0, end-position)
		}
		members = append(members, m)
	}
	sort.Slice(members, func(i, j int) bool { return members[i].Name < members[j].Name })
	return members
}

// leading is the member that holds the leader key, if its own key is there.
func (p picture) leading() (Member, bool) {
	for _, m := range p.members {
		if p.leader != "" && m.Name == p.leader {
			return m, true
		}
	}
	return Member{}, false
}

// done tells whether a switchover has happened, or is not about this leader:
// the failover key outlives the change of the leader key by some 40 ms.
func (s Switchover) done(leader string) bool {
	return leader != "" && (s.To == leader || s.From != "" && s.From != leader)
}
