package discovery

import (
	"context"
	"net"
	"net/url"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// listEvery is how often etcd is asked for its members.
	listEvery = 30 * time.Second
	// listTimeout is how long that may take: the next read of the keys waits for it.
	listTimeout = 500 * time.Millisecond
)

// hosts asks etcd which hosts its members run on; nil if it does not tell, which a user of
// etcd may not be permitted to ask, or is too slow. Whoever reads the keys goes on by it.
func (l *link) hosts(ctx context.Context) (hosts []string) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	answer, err := l.client.MemberList(ctx)
	if err != nil {
		return nil
	}
	for _, m := range answer.Members {
		if !m.IsLearner { // has no vote
			hosts = append(hosts, etcdHost((*clientv3.Member)(m)))
		}
	}
	slices.Sort(hosts)
	return hosts
}

// etcdHost is where a member runs; "" if it does not say. By the address for its peers if
// there is one: others have to reach it by that, while the one for clients is localhost
// unless somebody has set it.
func etcdHost(m *clientv3.Member) string {
	for _, text := range slices.Concat(m.PeerURLs, m.ClientURLs) {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return ""
}

// hostsOf is what the endpoints tell of etcd's members as long as nobody else does: nothing
// if there is one, which may be one of several.
func hostsOf(endpoints []endpoint) (hosts []string) {
	if len(endpoints) < 2 {
		return nil
	}
	for _, e := range endpoints {
		host, _, _ := net.SplitHostPort(e.host) // parseEndpoint has seen to it
		hosts = append(hosts, host)
	}
	slices.Sort(hosts)
	return hosts
}
