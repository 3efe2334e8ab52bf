package pool

import (
	"strings"

	"portero/session"
	"portero/wire"
)

const applicationName = "application_name"

// citusPrefixes begin the application_name of the connections that Citus opens
// itself, between its nodes (citus/src/include/distributed/connection_management.h,
// backend_data.h). The number behind it tells for whom; the prefix alone decides
// what a backend takes itself for: which shards it shows, what it caches, whether it
// counts as a client.
var citusPrefixes = []string{"citus_internal gpid=", "citus_rebalancer gpid=", "citus_run_command gpid="}

// CitusOrigin is the kind of connection that Citus means by an application_name:
// citus_internal, citus_rebalancer or citus_run_command; empty for all others.
func CitusOrigin(name string) string {
	for _, prefix := range citusPrefixes {
		if strings.HasPrefix(name, prefix) {
			kind, _, _ := strings.Cut(prefix, " ")
			return kind
		}
	}
	return ""
}

// OriginOf is the CitusOrigin of who has these settings.
func OriginOf(s session.Settings) string {
	name, _ := s.Get(applicationName)
	return CitusOrigin(name)
}

// strays reports whether a server goes by a name of another kind than what its
// pool is for: a client has changed its application_name on the way. Its next
// holder would be mixed up with that one. Only the holder may ask.
func (s *Server) strays() bool {
	if s.Applied != s.vetted && (s.Applied != session.Settings{}) {
		if OriginOf(s.Applied) != s.pool.Key.Citus {
			return true
		}
		s.vetted = s.Applied
	}
	return false
}

// LogInAs tells a pool between Citus' nodes by which name its servers are to log in
// from now on: that of a client which has just joined. A node takes a login by
// a name of another kind for that of a client, which citus.max_client_connections
// counts. Before a client's transaction its own name is set.
func (p *Pool) LogInAs(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loginName = name
}

// loginAs is that name.
func (p *Pool) loginAs() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loginName
}

// loginParameters are what a server is opened with.
func (p *Pool) loginParameters(st Startup) []wire.Parameter {
	list := st.parameters()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.loginName != "" && len(list) == 0 {
		list = append(list, wire.Parameter{Name: applicationName, Value: p.loginName})
	}
	return list
}
