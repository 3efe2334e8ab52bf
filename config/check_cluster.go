package config

import (
	"slices"
	"strings"
)

func (c checker) checkClusters() {
	for i := range c.cfg.Clusters {
		cl, key := &c.cfg.Clusters[i], itemKey("cluster", i)
		c.checkName(key, cl.Name, c.cfg.Clusters[:i])
		c.checkDiscovery(key, cl)
		c.checkServerTLS(childKey(key, "tls"), &cl.TLS)
	}
}

func (c checker) checkName(cluster, name string, before []Cluster) {
	key := childKey(cluster, "name")
	if name == "" {
		c.fault(key, "must be given")
		return
	}
	same := func(other Cluster) bool { return other.Name == name }
	if j := slices.IndexFunc(before, same); j >= 0 {
		c.fault(key, "%q is the name of cluster[%d]", name, j+1)
	}
}

func (c checker) checkDiscovery(key string, cl *Cluster) {
	discovery := childKey(key, "discovery")
	switch {
	case c.unread(discovery):
	case cl.Discovery == discoveryEtcd:
		c.checkPatroni(key, cl)
	case cl.Discovery == discoveryStatic:
		c.checkStatic(key, cl)
	case cl.Discovery == discoveryYB:
		c.checkYugabyte(key, cl)
	default:
		c.oneOf(discovery, cl.Discovery, discoveryEtcd, discoveryStatic, discoveryYB)
	}
}

func (c checker) checkStatic(key string, cl *Cluster) {
	hosts := childKey(key, "hosts")
	if len(cl.Hosts) == 0 {
		c.fault(hosts, "must be given with discovery static")
	}
	c.checkHosts(hosts, cl.Hosts, checkHost)
	c.foreign(key, cl.Discovery, ofPatroni...)
	c.foreign(key, cl.Discovery, ofYugabyte...)
}

// ofPatroni and ofYugabyte are the settings of one kind of discovery alone.
var (
	ofPatroni  = []string{"etcd", "namespace", "scope", "citus", "rest", "stale_leader_limit", "metadata"}
	ofYugabyte = []string{"refresh", "topology_keys", "fallback_to_topology_keys_only"}
)

func (c checker) checkPatroni(key string, cl *Cluster) {
	c.foreign(key, cl.Discovery, "hosts")
	c.foreign(key, cl.Discovery, ofYugabyte...)
	scope := childKey(key, "scope")
	if cl.Scope == "" {
		c.fault(scope, "must be given with discovery patroni")
	} else if strings.Contains(cl.Scope, "/") {
		c.fault(scope, "must not have a slash in it")
	}
	if strings.Trim(cl.Namespace, "/") == "" {
		c.fault(childKey(key, "namespace"), "must not be empty")
	}
	c.checkEtcd(childKey(key, "etcd"), &cl.Etcd)
	c.checkClientTLS(childKey(key, "rest"), &cl.REST)
	c.checkMetadata(key, cl)
}

// checkMetadata says what a question to the coordinator lacks, and what is of no use without it.
func (c checker) checkMetadata(cluster string, cl *Cluster) {
	m, key := &cl.Metadata, childKey(cluster, "metadata")
	switch {
	case c.given[key] && !cl.Citus && !c.unread(childKey(cluster, "citus")):
		c.fault(key, "has no use without citus = true: other clusters have no pg_dist_node")
	case m.User == "" && m.Password != "":
		c.fault(childKey(key, "password"), "has no use without user")
	case m.User != "" && m.Database == "":
		c.fault(childKey(key, "database"), "must be given with user: the database that Citus is in")
	}
}

func (c checker) checkEtcd(key string, e *Etcd) {
	endpoints := childKey(key, "endpoints")
	if len(e.Endpoints) == 0 {
		c.fault(endpoints, "must be given with discovery patroni")
	}
	c.checkHosts(endpoints, e.Endpoints, checkEndpoint)
	if e.Username == "" && e.Password != "" {
		c.fault(childKey(key, "username"), "must be given, because password is")
	}
	if e.Password == "" && e.Username != "" {
		c.fault(childKey(key, "password"), "must be given, because username is")
	}
	c.checkEtcdTLS(childKey(key, "tls"), e)
}

func (c checker) checkEtcdTLS(key string, e *Etcd) {
	c.checkClientTLS(key, &e.TLS)
	if e.TLS == (ClientTLS{}) {
		return
	}
	for _, endpoint := range e.Endpoints {
		if strings.HasPrefix(endpoint, "http://") {
			c.fault(key, "cannot be used with %s, which is not https", endpoint)
		}
	}
}

func (c checker) checkClientTLS(key string, t *ClientTLS) {
	c.checkAuthorities(childKey(key, "ca"), t.CA)
	c.checkPair(key, t.Cert, t.Key)
}

func (c checker) checkServerTLS(key string, t *ServerTLS) {
	mode, ca := childKey(key, "mode"), childKey(key, "ca")
	c.oneOf(mode, t.Mode, tlsDisable, tlsPrefer, tlsRequire, tlsVerifyCA, tlsVerifyFull)
	switch {
	case t.Mode == tlsVerifyCA && t.CA == "" && !c.unread(ca):
		// As libpq's sslrootcert=system: anybody can get a certificate for a name
		// of his own from the system's authorities.
		c.fault(mode, "verify-ca needs ca; verify-full can use the system's")
	case t.Mode == tlsDisable && t.CA != "":
		c.fault(ca, "has no meaning with mode disable")
	}
	c.checkAuthorities(ca, t.CA)
	c.checkPair(key, t.Cert, t.Key)
}

// checkHosts checks a list of addresses, each of which may be in it only once.
func (c checker) checkHosts(list string, hosts []string, wrong func(string) error) {
	for i, host := range hosts {
		key := itemKey(list, i)
		c.checkAddress(key, host, wrong)
		if j := slices.Index(hosts[:i], host); j >= 0 {
			c.fault(key, "%s is in the list already", host)
		}
	}
}

// foreign says which keys of a cluster have no meaning with its discovery.
func (c checker) foreign(cluster, discovery string, names ...string) {
	for _, name := range names {
		if key := childKey(cluster, name); c.given[key] {
			c.fault(key, "has no meaning with discovery %s", discovery)
		}
	}
}
