package discovery

import (
	"strconv"
	"strings"
)

// defaultNamespace is Patroni's own (patroni/dcs/__init__.py, AbstractDCS).
const defaultNamespace = "/service"

// Names of the keys below a group's path (patroni/dcs/__init__.py, AbstractDCS).
const (
	keyLeader     = "leader"        // bare name of the leader
	keyMembers    = "members/"      // + name: JSON of a member
	keyStatus     = "status"        // JSON with the leader's position
	keyOptime     = "optime/leader" // the same in clusters older than Patroni 2.1
	keyConfig     = "config"        // dynamic configuration
	keyFailover   = "failover"      // a switchover that is wanted
	keyHistory    = "history"       // timelines that have ended
	keyInitialize = "initialize"    // system identifier
	keySync       = "sync"          // JSON of who may be promoted without loss
)

// layout is where Patroni keeps the keys of one cluster.
type layout struct {
	base  string // "/service/scope/"
	citus bool   // a group number comes first below base
}

// newLayout joins namespace and scope as Patroni does: a slash at both ends,
// runs of slashes collapsed (patroni/dcs/__init__.py, AbstractDCS.__init__).
func newLayout(namespace, scope string, citus bool) layout {
	if namespace == "" {
		namespace = defaultNamespace
	}
	base := "/" + namespace + "/" + scope + "/"
	for strings.Contains(base, "//") {
		base = strings.ReplaceAll(base, "//", "/")
	}
	return layout{base: base, citus: citus}
}

// split tells the group that a key belongs to and the key's name within it.
// Keys of the other layout and of other clusters are not ok.
func (l layout) split(key string) (group int, name string, ok bool) {
	name, ok = strings.CutPrefix(key, l.base)
	if !ok || name == "" {
		return 0, "", false
	}
	if !l.citus {
		return 0, name, true
	}
	number, name, ok := strings.Cut(name, "/")
	if !ok || name == "" {
		return 0, "", false
	}
	group, ok = parseGroup(number)
	return group, name, ok
}

// parseGroup reads a Citus group number: ^(0|[1-9][0-9]*)$, as
// patroni/postgresql/mpp/citus.py has it.
func parseGroup(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || strconv.Itoa(n) != s {
		return 0, false
	}
	return n, true
}
