package discovery

import (
	"fmt"
	"net"
	"slices"
	"strings"
)

// static is a list of servers that no key tells about: each is what it proved
// to be. It has no I/O and no lock; Cluster.mu guards it.
//
// Nothing but the servers' own word elects a leader here, so the rules are
// careful: whoever leads is kept until it is doubted, and a server on an older
// timeline or with another database never leads while there is a choice.
type static struct {
	members []Member // sorted by name
	leader  string   // "" = nobody has proved itself yet, or the one who did is in doubt
	reign   reign
}

func newStatic(hosts []string) (*static, error) {
	s := &static{}
	for _, host := range hosts {
		address := staticAddress(host)
		if address == "" {
			return nil, fmt.Errorf("host %q: want host:port", host)
		}
		if s.index(address) < 0 {
			m := Member{Name: address, Address: address, Lag: -1}
			m.Host = hostOf(m)
			s.members = append(s.members, m)
		}
	}
	if len(s.members) == 0 {
		return nil, fmt.Errorf("no hosts")
	}
	slices.SortFunc(s.members, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

// staticAddress completes a host with the default port; "" if it has none.
func staticAddress(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), ""
	}
	return joinHostPort(name, port)
}

func (s *static) index(name string) int {
	return slices.IndexFunc(s.members, func(m Member) bool { return m.Name == name })
}

func (s *static) observe(p Proof) bool {
	i := s.index(p.Member)
	if i < 0 || p.Group != 0 {
		return false
	}
	before, led, reign := s.members[i], s.leader, s.reign
	if p.InRecovery {
		s.members[i].Role = roleReplica
		s.renounce(p.Member)
	} else {
		s.members[i].Role, s.members[i].Timeline = rolePrimary, max(p.Timeline, s.members[i].Timeline)
		s.elect(p)
	}
	return s.leader != led || s.reign != reign || !sameStanding(s.members[i], before)
}

// sameStanding compares what a proof can change of a member.
func sameStanding(a, b Member) bool { return a.Role == b.Role && a.Timeline == b.Timeline }

// elect makes a server that is not in recovery the leader, unless it is older
// than what is known, or somebody else leads and is not older than it.
func (s *static) elect(p Proof) {
	older := p.Timeline > 0 && p.Timeline < s.reign.newest()
	foreign := p.SystemID != "" && s.reign.past != "" && p.SystemID != s.reign.past
	switch {
	case (older || foreign) && len(s.members) > 1:
		s.renounce(p.Member)
		return
	case older:
		s.reign = s.reign.forget() // the only host was set up anew, or from a backup
	}
	if s.leader != "" && s.leader != p.Member {
		if p.Timeline <= s.reign.timeline || s.reign.timeline == 0 {
			return
		}
		s.members[s.index(s.leader)].Role = "" // overtaken; it will tell what it is now
	}
	s.leader = p.Member
	if p.SystemID != "" {
		s.reign = s.reign.of(p.SystemID)
	}
	s.reign = s.reign.hold(p.Member).prove(p.Timeline)
}

// renounce takes the lead from member, if it has it.
func (s *static) renounce(member string) {
	if s.leader == member {
		s.leader = ""
	}
}

// doubt makes a member unknown again until it, or another, proves itself.
func (s *static) doubt(group int, member string) bool {
	i := s.index(member)
	if i < 0 || group != 0 || s.members[i].Role == "" && s.leader != member {
		return false
	}
	s.members[i].Role = ""
	s.renounce(member)
	return true
}

// accept has nothing to decide: a server on an older timeline leads nobody.
func (s *static) accept(group int, _ int64) error {
	return fmt.Errorf("group %d: hosts that are asked for their roles have no leader on an older timeline", group)
}

func (s *static) groups() map[int]*Group {
	return map[int]*Group{0: {
		Leader:   s.leader,
		Epoch:    s.reign.epoch,
		Timeline: s.reign.newest(),
		SystemID: s.reign.system,
		AskHosts: true,
		Members:  slices.Clone(s.members),
	}}
}
