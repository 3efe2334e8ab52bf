package pool

import (
	"strings"
	"time"

	"portero/loop"
	"portero/session"
	"portero/wire"
)

const applicationName = "application_name"

// citusInternal is the kind of the connections that a node opens for what its clients ask.
const citusInternal = "citus_internal"

// BetweenNodes reports whether the pool's clients are connections of Citus' nodes to each other.
func (p *Pool) BetweenNodes() bool { return p.Key.Citus == citusInternal }

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
		if name, has := s.Applied.Get(applicationName); has && CitusOrigin(name) != s.pool.Key.Citus { // else it has its own
			return true
		}
		s.vetted = s.Applied
	}
	return false
}

// nobody is what stands for a client in the name of a server between Citus' nodes that no
// client has: process 0 of the node that Citus has for those that are not in its metadata
// (GLOBAL_PID_NODE_ID_FOR_NODES_NOT_IN_METADATA in backend_data.h). So the server remains of its
// kind, is not counted by citus.max_client_connections, and Citus sees it at work for nobody. A
// name without a number, or with the number 0, would not do: Citus takes the backend for that
// of a client then, and leaves the last number in its shared memory (ApplicationNameAssignHook).
const nobody = " gpid=999999990000000000 - idle in portero"

// ownName is what servers of a kind are called while no client has them.
func ownName(kind string) string { return kind + nobody }

// loginParameters are what a server is opened with. A node looks at the name in the login
// already, to tell its clients from the connections of other nodes.
func (p *Pool) loginParameters(st Startup) []wire.Parameter {
	list := st.parameters()
	if p.Key.Citus != "" && len(list) == 0 {
		list = append(list, wire.Parameter{Name: applicationName, Value: ownName(p.Key.Citus)})
	}
	return list
}

// bearsName reports whether a server between Citus' nodes goes by the name of a client. Only
// its holder may ask, or who holds mu while it is idle.
func (s *Server) bearsName() bool {
	if s.pool.Key.Citus == "" || s.startup != (Startup{}) {
		return false
	}
	_, has := s.Applied.Get(applicationName)
	return has
}

// nameLingers is how long a server that has become idle goes by the name of its last client: a
// session of Citus that goes on, as with COMMIT PREPARED behind PREPARE TRANSACTION, finds its
// own again (place.bestOf), and nothing is to be set.
const nameLingers = 20 * time.Millisecond

// dropNamesSoonLocked sees to it that no idle server goes by a client's name for much longer.
func (p *Pool) dropNamesSoonLocked() {
	if !p.lingers && !p.closed {
		p.lingers = true
		time.AfterFunc(nameLingers, p.dropNames)
	}
}

// dropNames has each server that has been idle for long enough drop its name, on its loop.
func (p *Pool) dropNames() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lingers = false
	for _, at := range p.places {
		for _, s := range at.idle {
			if !s.bearsName() {
				continue
			}
			if l := s.Sock.Loop(); l != nil && p.hasLingeredLocked(s) {
				l.Post(func() { p.dropNameOf(s, l) })
			} else {
				p.dropNamesSoonLocked()
			}
		}
	}
}

func (p *Pool) hasLingeredLocked(s *Server) bool {
	return loop.Clock()-s.since >= int64(nameLingers)
}

// dropNameOf gives a server that is still idle the name again that it has logged in by. The
// answer is read when it comes, by whoever has the server then. On the loop that watches it.
func (p *Pool) dropNameOf(s *Server, l *loop.Loop) {
	p.mu.Lock()
	if s.state != stateIdle || s.Sock.Loop() != l || !s.bearsName() || !p.hasLingeredLocked(s) {
		p.mu.Unlock()
		return
	}
	p.takeIdleLocked(func(one *Server) bool { return one == s })
	p.mu.Unlock()
	s.Sock.Write(session.RestoreName) //nolint:errcheck // a broken server is noticed by its next read
	s.Sock.SendCollected()            // who has it next may be on another loop
	s.Applied = s.Applied.Without(applicationName)
	s.Owed++
	p.mu.Lock()
	p.returnLocked(s, l)
}
