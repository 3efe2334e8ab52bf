package pool

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/puddle/v2"

	"portero/loop"
	"portero/metrics"
	"portero/session"
	"portero/wire"
)

// state is where a server is in its life. Guarded by the pool's mu.
type state uint8

const (
	stateOpening   state = iota // not in the books yet
	stateIdle                   // idle at its place, watched by a loop
	stateLent                   // a Claim's, or taken from the idle ones to be looked at
	stateAsked                  // idle, and asked for a sign of life (check.go)
	stateCancelled              // given back, but a cancel request is still in flight
	stateDead                   // on its way out
)

// Server is one logged-in connection to a PostgreSQL server. While it is lent
// its exported fields belong to the holder's loop.
type Server struct {
	Sock    loop.Socket
	Applied session.Settings // the settings it has now
	Memory  session.Memory   // the statements it has
	Used    bool             // a client's statements have been sent to it
	Owed    int              // answers to Queries of our own (session.RestoreName) that it has still to give

	id       uint64 // its number; given once in the life of the process
	pool     *Pool
	resource *puddle.Resource[*Server]
	place    *place // of the member, from when it is registered
	home     *cluster
	member   string
	address  string
	post
	pid      uint32
	secret   []byte
	params   map[string]string // as last reported
	defaults map[string]string // as reported at login
	startup  Startup           // it was opened with
	vetted   session.Settings  // those of Applied that were last found to suit the pool; see strays
	greeting []byte            // what it said at login, in session mode
	expires  int64             // nanoseconds of the process clock; 0 = never
	opened   int64             // when it had proved itself, on that clock

	postmaster string // when that was started, as it says; "" = not told
	timeline   int64  // that it wrote then; 0 = it was in recovery

	holder atomic.Pointer[Claim] // nil while idle

	// Of the loop that watches it.
	owes    bool  // the answer to areYouThere
	granted int64 // when it was last lent to a client; 0 = never
	silence loop.Silence

	sender sender // of notifications, as far as it is known

	// Guarded by pool.mu.
	state     state
	since     int64          // when it became idle
	asked     int64          // when it was asked for a sign of life, in stateAsked
	heard     int64          // when it last gave one
	condemned metrics.Reason // to be closed when it comes back
	cancels   int            // cancel requests in flight
}

// ID is the server's number in this process.
func (s *Server) ID() uint64 { return s.id }

// PID is the process ID of the server's backend.
func (s *Server) PID() uint32 { return s.pid }

// Member is the name of the member that the server belongs to.
func (s *Server) Member() string { return s.member }

// SamePostmaster reports whether both belong to one run of PostgreSQL, as far as is known: a
// restart makes another of it, as a failover does. A server that is closed may be asked too.
func (s *Server) SamePostmaster(other *Server) bool { return s.postmaster == other.postmaster }

// SameCluster reports whether both were opened by one configuration of their cluster: by
// another, it may be another cluster. A server that is closed may be asked too.
func (s *Server) SameCluster(other *Server) bool { return s.home == other.home }

// Timeline is that on which the server has proved to take writes; 0 = it was in recovery,
// or not asked. A server that is closed may be asked too.
func (s *Server) Timeline() int64 { return s.timeline }

// AsNew reports whether nothing that a client has done can be in the server's
// way: what it refuses, any server refuses. Only the holder may ask.
func (s *Server) AsNew() bool { return !s.Used && s.Applied == (session.Settings{}) }

// Parameters are the run-time parameters as the server has reported them. Only
// the holder may read them, and nobody may change them.
func (s *Server) Parameters() map[string]string { return s.params }

// AppendGreeting adds what PostgreSQL says at a login to dst: notices, and the
// parameters with the values they have now. For servers of pools in session mode;
// only the holder may ask.
func (s *Server) AppendGreeting(dst []byte) []byte {
	for b := s.greeting; ; {
		f, ok, err := wire.Next(b)
		if err != nil || !ok || !f.Whole() {
			return dst
		}
		if name, value, ok := wire.ParameterStatus(f.Body); f.Type == 'S' && ok && s.params[name] != value {
			dst = wire.Append(dst, &pgproto3.ParameterStatus{Name: name, Value: s.params[name]})
		} else {
			dst = f.Append(dst)
		}
		b = b[wire.HeaderLen+f.Size:]
	}
}

// Default is the value a parameter had when the server was logged in to.
func (s *Server) Default(name string) (string, bool) {
	v, ok := s.defaults[name]
	return v, ok
}

// Reported keeps a ParameterStatus. Only the holder may call it.
func (s *Server) Reported(name, value string) {
	if s.params[name] == value {
		return
	}
	s.params[name] = value
	if name == "in_hot_standby" && value == "on" && s.pool.Key.Role == "leader" {
		s.pool.condemn(s, metrics.ServerRecovery)
	}
}

// Ready implements loop.Handler.
func (s *Server) Ready(l *loop.Loop, ev loop.Events) {
	c := s.holder.Load()
	if c == nil {
		s.pool.stirred(s, l)
		return
	}
	if c.loop != l {
		return // it moved while this event was on its way
	}
	c.Events |= ev
	if ev&loop.Closed != 0 {
		s.Sock.Mute() // said once is enough; the holder reads to the end, and watches if it must
	}
	l.Wake(c.task)
}

// inspect reads what an idle server says by itself: notices for nobody, parameters, the sign of life that it was asked for, or its last
// word. None means that it is well.
func (s *Server) inspect(scratch []byte) (metrics.Reason, *wire.Error) {
	for {
		n, err := s.Sock.Read(scratch)
		if err == loop.ErrNotNow {
			return metrics.None, nil
		}
		if err != nil {
			return metrics.ServerLost, nil
		}
		if reason, said := s.overhear(scratch[:n]); reason != metrics.None {
			return reason, said
		}
		if s.Sock.Drained(n, len(scratch)) {
			return metrics.None, nil
		}
	}
}

func (s *Server) overhear(b []byte) (metrics.Reason, *wire.Error) {
	for len(b) > 0 {
		f, ok, err := wire.Next(b)
		if err != nil || !ok || !f.Whole() {
			return metrics.ServerProtocol, nil
		}
		switch f.Type {
		case 'A':
			return metrics.ServerDirty, nil // a function has had it listen, for whomever
		case 'N':
		case 'C':
			if s.Owed == 0 {
				return metrics.ServerProtocol, nil
			}
		case 'S':
			if name, value, ok := wire.ParameterStatus(f.Body); ok {
				s.Reported(name, value)
			}
		case 'Z':
			switch {
			case string(f.Body) != "I" || s.Owed == 0 && !s.owes:
				return metrics.ServerProtocol, nil
			case s.Owed > 0:
				s.Owed--
			default:
				s.owes = false
			}
		case 'E':
			if !wire.IsFatal(f.Body) {
				return metrics.ServerDirty, wire.ParseError(f.Body)
			}
			return metrics.ServerFatal, wire.ParseError(f.Body)
		default:
			return metrics.ServerProtocol, nil
		}
		b = b[wire.HeaderLen+f.Size:]
	}
	return metrics.None, nil
}
